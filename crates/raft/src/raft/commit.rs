//! What a leader may call committed, and what follows when it is applied.

use proto::raftpb::{Entry, EntryType, Message, MessageType, Snapshot};
use types::Index;

use super::{Raft, Role};
use crate::log::EntryId;
use crate::logger::{debug, info};
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    /// Commits what a quorum has stored; true if that is news.
    pub(super) fn maybe_commit(&mut self) -> bool {
        let index = self.tracker.committed();
        self.log.maybe_commit(EntryId { term: self.term, index })
    }

    /// Everything up to `index` is applied, `size` bytes of it from jobs.
    pub(super) fn applied_to(&mut self, index: Index, size: u64) {
        let applied = index.max(self.log.applying.applied());
        self.log.applied_to(applied, size);
        let auto_leave = self.tracker.config().auto_leave;
        if auto_leave && applied >= self.pending_conf_index && self.role == Role::Leader {
            self.leave_joint_by_itself();
        }
    }

    /// Proposes to leave the joint configuration. A transfer of leadership refuses it; then the
    /// next leader, or the next applied entry, tries again. Without content it never lacks room.
    fn leave_joint_by_itself(&mut self) {
        let leave = Entry { entry_type: EntryType::ConfChangeV2, ..Entry::default() };
        let proposal =
            Message { message_type: MessageType::Prop, entries: vec![leave], ..Message::default() };
        let outcome = self.step(proposal);
        let config = self.tracker.config();
        match outcome {
            Err(error) => debug!(
                self.logger,
                "not initiating automatic transition out of joint configuration {config}: {error}"
            ),
            Ok(()) => info!(
                self.logger,
                "initiating automatic transition out of joint configuration {config}"
            ),
        }
    }

    /// A snapshot is stored and is the state now.
    pub(super) fn snapshot_installed(&mut self, snapshot: &Snapshot) {
        let index = Index(snapshot.metadata.index);
        self.log.unstable.stable_snapshot_to(index);
        self.applied_to(index, 0);
    }
}
