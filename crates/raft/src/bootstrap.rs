//! A log for a cluster that begins.

use bytes::Bytes;
use proto::raftpb::{ConfChange, ConfChangeType, Entry, EntryType, HardState};
use types::{Index, MemberId, Term};

use crate::NONE;
use crate::confchange::ConfChangeEntry;
use crate::error::{Error, Result};
use crate::raw_node::RawNode;
use crate::storage::Storage;

/// A member that a cluster begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Who.
    pub id: MemberId,
    /// What the entry that adds it carries; etcd's is the member as JSON.
    pub context: Bytes,
}

impl<S: Storage> RawNode<S> {
    /// Puts one configuration change per member into an empty log, at term 1 and committed. Every
    /// member does the same, so their logs agree. The caller applies them as it gets them in
    /// [`Ready`](crate::Ready); that they take effect here at once lets members campaign before.
    ///
    /// # Errors
    /// `Bootstrap` if nobody is named or the log is not empty.
    pub fn bootstrap(&mut self, peers: &[Peer]) -> Result<()> {
        if peers.is_empty() {
            return Err(Error::Bootstrap("must provide at least one peer to Bootstrap"));
        }
        if self.storage().last_index() != Index(0) {
            return Err(Error::Bootstrap("can't bootstrap a nonempty Storage"));
        }
        self.previous_hard_state = HardState::default();
        self.raft.become_follower(Term(1), NONE);
        let change = |peer: &Peer| {
            ConfChangeEntry::V1(ConfChange {
                change_type: ConfChangeType::AddNode,
                node_id: peer.id.0,
                context: peer.context.clone(),
                ..ConfChange::default()
            })
        };
        let changes: Vec<_> = peers.iter().map(change).collect();
        let entry = |(index, change): (u64, &ConfChangeEntry)| {
            let (entry_type, data) = change.encode();
            debug_assert_eq!(entry_type, EntryType::ConfChange);
            Entry { entry_type, term: 1, index, data }
        };
        let entries: Vec<_> = (1..).zip(&changes).map(entry).collect();
        let last = self.raft.log.append(entries);
        self.raft.log.committed = last;
        for (index, change) in (1..).zip(changes) {
            self.apply_conf_change(Index(index), change)?;
        }
        Ok(())
    }
}
