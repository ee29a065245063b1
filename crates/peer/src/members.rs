//! The members that one transport talks to.
//!
//! Invariants: a removed member is neither peer nor remote; a peer is no remote; after the stop there
//! is neither.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use proto::raftpb::Message;
use telemetry::json_strings;
use types::MemberId;

use crate::address;
use crate::limits::REMOTES_MAX;
use crate::peer::{Peer, Remote};
use crate::shared::Shared;

/// The members that one transport talks to.
pub(crate) struct Members {
    shared: Arc<Shared>,
    maps: RwLock<Maps>,
}

#[derive(Default)]
struct Maps {
    is_stopped: bool,
    peers: BTreeMap<MemberId, Arc<Peer>>,
    remotes: BTreeMap<MemberId, Arc<Remote>>,
}

impl Members {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.metrics.set_known(shared.local, shared.local, true);
        for removed in shared.removed() {
            shared.metrics.set_known(shared.local, removed, false);
        }
        Self { shared, maps: RwLock::default() }
    }

    pub(crate) fn peer(&self, id: MemberId) -> Option<Arc<Peer>> {
        self.read().peers.get(&id).cloned()
    }

    /// Sends each message to where it belongs; one that belongs nowhere is dropped.
    pub(crate) fn send(&self, messages: Vec<Message>) {
        let maps = self.read();
        for message in messages {
            let to = MemberId(message.to);
            if to.get() == 0 {
                continue;
            }
            if let Some(peer) = maps.peers.get(&to) {
                peer.send(message);
            } else if let Some(remote) = maps.remotes.get(&to) {
                remote.send(message);
            } else {
                tracing::debug!(
                    "type" = %message.message_type,
                    "unknown-target-peer-id" = %to,
                    "ignored message send request; unknown remote peer target"
                );
            }
        }
    }

    pub(crate) fn add_peer(&self, id: MemberId, urls: &[String]) {
        if id == self.shared.local || self.shared.is_removed(id) {
            return tracing::warn!(
                "local-member-id" = %self.shared.local,
                "remote-peer-id" = %id,
                "refused to add this member itself or a removed one as a peer"
            );
        }
        let mut maps = self.write();
        if maps.is_stopped || maps.peers.contains_key(&id) {
            return;
        }
        if let Some(remote) = maps.remotes.remove(&id) {
            remote.finish();
        }
        let peer = Peer::start(&self.shared, id, address::parse_all(urls));
        maps.peers.insert(id, Arc::new(peer));
        drop(maps);
        self.shared.metrics.set_known(self.shared.local, id, true);
        self.log_urls(id, urls, "added remote peer");
    }

    pub(crate) fn update_peer(&self, id: MemberId, urls: &[String]) {
        if let Some(peer) = self.peer(id) {
            peer.set_urls(address::parse_all(urls));
            self.log_urls(id, urls, "updated remote peer");
        }
    }

    pub(crate) fn remove_peer(&self, id: MemberId) {
        self.shared.set_removed(id);
        self.shared.metrics.set_known(self.shared.local, id, false);
        let (peer, remote) = {
            let mut maps = self.write();
            (maps.peers.remove(&id), maps.remotes.remove(&id))
        };
        if let Some(remote) = remote {
            remote.stop();
        }
        let (local, removed) = (self.shared.local, id);
        match peer {
            Some(peer) => {
                peer.stop();
                tracing::info!(
                    "local-member-id" = %local,
                    "removed-remote-peer-id" = %removed,
                    "removed remote peer"
                );
            }
            // The log is replayed at start, removals of long ago included.
            None => tracing::warn!(
                "local-member-id" = %local,
                "removed-remote-peer-id" = %removed,
                "skipped removing already removed peer"
            ),
        }
    }

    pub(crate) fn add_remote(&self, id: MemberId, urls: &[String]) {
        let is_known = |maps: &Maps| {
            maps.is_stopped || maps.peers.contains_key(&id) || maps.remotes.contains_key(&id)
        };
        if id == self.shared.local || self.shared.is_removed(id) || is_known(&self.read()) {
            return;
        }
        let parsed = address::parse_all(urls);
        if parsed.is_empty() {
            return;
        }
        let mut maps = self.write();
        if is_known(&maps) || maps.remotes.len() >= REMOTES_MAX {
            return;
        }
        maps.remotes.insert(id, Arc::new(Remote::start(&self.shared, id, parsed)));
        drop(maps);
        self.log_urls(id, urls, "added new remote peer");
    }

    /// Lets all members go.
    pub(crate) fn stop(&self) {
        let maps = {
            let mut maps = self.write();
            std::mem::replace(&mut *maps, Maps { is_stopped: true, ..Maps::default() })
        };
        maps.peers.values().for_each(|peer| peer.stop());
        maps.remotes.values().for_each(|remote| remote.stop());
    }

    fn log_urls(&self, id: MemberId, urls: &[String], what: &str) {
        tracing::info!(
            "local-member-id" = %self.shared.local,
            "remote-peer-id" = %id,
            "remote-peer-urls[]" = json_strings(urls.iter().map(String::as_str)),
            "{what}"
        );
    }

    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().unwrap_or_else(PoisonError::into_inner)
    }
}
