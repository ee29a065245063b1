//! What a leader does with messages.

use proto::raftpb::{Message, MessageType};
use types::MemberId;

use super::Raft;
use crate::NONE;
use crate::error::Result;
use crate::logger::{debug, warning};
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    pub(super) fn step_leader(&mut self, m: Message) -> Result<()> {
        match m.message_type {
            MessageType::Beat => self.broadcast_heartbeat(),
            MessageType::CheckQuorum => self.look_at_quorum(),
            MessageType::Prop => return self.on_proposal(m),
            MessageType::ReadIndex => self.on_read_index(m),
            MessageType::ForgetLeader => {}
            _ => self.on_follower_message(m),
        }
        Ok(())
    }

    /// Messages that make sense only from a member that is tracked.
    fn on_follower_message(&mut self, m: Message) {
        let from = MemberId(m.from);
        if self.tracker.get(from).is_none() {
            debug!(self.logger, "{} no progress available for {from}", self.id);
            return;
        }
        match m.message_type {
            MessageType::AppResp => self.on_append_response(&m),
            MessageType::HeartbeatResp => self.on_heartbeat_response(from, &m.context),
            MessageType::SnapStatus => self.on_snapshot_status(&m),
            MessageType::Unreachable => self.on_unreachable(from),
            MessageType::TransferLeader => self.on_transfer_leader(from),
            _ => {}
        }
    }

    fn look_at_quorum(&mut self) {
        if !self.tracker.quorum_active() {
            warning!(
                self.logger,
                "{} stepped down to follower since quorum is not active",
                self.id
            );
            self.become_follower(self.term, NONE);
        }
        for id in self.tracker.others(self.id) {
            if let Some(progress) = self.tracker.get_mut(id) {
                progress.recent_active = false;
            }
        }
    }
}
