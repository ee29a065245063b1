//! The transport's list of peers, kept equal to the members.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use membership::{Cluster, Member};
use types::MemberId;

use crate::network::Peers;

/// The peers that the transport knows, with where they are.
pub(crate) struct KnownPeers {
    me: MemberId,
    peers: Arc<dyn Peers>,
    known: Mutex<BTreeMap<MemberId, Vec<String>>>,
}

impl KnownPeers {
    pub(crate) fn new(me: MemberId, peers: Arc<dyn Peers>) -> Self {
        Self { me, peers, known: Mutex::default() }
    }

    /// The transport.
    pub(crate) fn transport(&self) -> &dyn Peers {
        &*self.peers
    }

    /// Ends all connections.
    pub(crate) fn stop(&self) {
        self.peers.stop();
    }

    /// Lets members of a cluster that this one joins be answered before they are known from the
    /// log.
    pub(crate) fn add_remotes(&self, remotes: &[Member]) {
        for remote in remotes {
            self.peers.add_remote(remote.id, &remote.peer_urls);
        }
    }

    /// Tells the transport what is new about the members.
    pub(crate) fn follow(&self, cluster: &Cluster) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|id, _| {
            let stays = cluster.member(*id).is_some();
            if !stays {
                self.peers.remove_peer(*id);
            }
            stays
        });
        for member in cluster.members().filter(|member| member.id != self.me) {
            match known.insert(member.id, member.peer_urls.clone()) {
                None => self.peers.add_peer(member.id, &member.peer_urls),
                Some(before) if before != member.peer_urls => {
                    self.peers.update_peer(member.id, &member.peer_urls);
                }
                Some(_) => {}
            }
        }
    }
}
