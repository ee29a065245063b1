//! A leader hands over.

use proto::raftpb::MessageType;
use types::MemberId;

use super::Raft;
use super::send::message;
use crate::NONE;
use crate::logger::{debug, info};
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    /// Begins to hand over to a member, which has an election timeout to take over; proposals are
    /// dropped meanwhile.
    pub(super) fn on_transfer_leader(&mut self, transferee: MemberId) {
        let (id, term) = (self.id, self.term);
        if self.tracker.get(transferee).is_none_or(|progress| progress.is_learner) {
            debug!(self.logger, "{id} is learner. Ignored transferring leadership");
            return;
        }
        let previous = self.lead_transferee;
        if previous == transferee {
            info!(
                self.logger,
                "{id} [term {term}] transfer leadership to {transferee} is in progress, ignores request to same node {transferee}"
            );
            return;
        }
        if previous != NONE {
            self.abort_leader_transfer();
            info!(
                self.logger,
                "{id} [term {term}] abort previous transferring leadership to {previous}"
            );
        }
        if transferee == id {
            debug!(self.logger, "{id} is already leader. Ignored transferring leadership to self");
            return;
        }
        info!(self.logger, "{id} [term {term}] starts to transfer leadership to {transferee}");
        self.election_elapsed = 0;
        self.lead_transferee = transferee;
        let last = self.log.last_index();
        if self.tracker.get(transferee).is_some_and(|progress| progress.matched == last) {
            self.send_timeout_now(transferee);
            info!(
                self.logger,
                "{id} sends MsgTimeoutNow to {transferee} immediately as {transferee} already has up-to-date log"
            );
        } else {
            self.send_append(transferee);
        }
    }

    pub(super) fn send_timeout_now(&mut self, to: MemberId) {
        self.send(message(MessageType::TimeoutNow, to));
    }
}
