//! Time passes, in ticks.

use proto::raftpb::{Message, MessageType};

use super::{Raft, Role};
use crate::NONE;
use crate::logger::{debug, warning};
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    pub(crate) fn tick(&mut self) {
        self.stall.tick();
        match self.role {
            Role::Leader => self.tick_leader(),
            Role::Follower | Role::Candidate | Role::PreCandidate => self.tick_election(),
        }
    }

    fn tick_election(&mut self) {
        self.election_elapsed += 1;
        if self.promotable() && self.election_elapsed >= self.randomized_election_timeout {
            self.election_elapsed = 0;
            self.step_local(MessageType::Hup);
        }
    }

    fn tick_leader(&mut self) {
        self.heartbeat_elapsed += 1;
        self.election_elapsed += 1;
        if self.append_is_stalled() {
            warning!(
                self.logger,
                "{} stepped down to follower since its storage has not acknowledged an append for {} ticks",
                self.id,
                self.stall.age()
            );
            self.become_follower(self.term, NONE);
            return;
        }
        if self.election_elapsed >= self.settings.election_tick {
            self.election_elapsed = 0;
            if self.settings.check_quorum {
                self.step_local(MessageType::CheckQuorum);
            }
            if self.role == Role::Leader {
                // Who was to take over has had its time.
                self.abort_leader_transfer();
            }
        }
        if self.role == Role::Leader && self.heartbeat_elapsed >= self.settings.heartbeat_tick {
            self.heartbeat_elapsed = 0;
            self.step_local(MessageType::Beat);
        }
    }

    fn step_local(&mut self, kind: MessageType) {
        let message = Message { message_type: kind, from: self.id.0, ..Message::default() };
        if let Err(error) = self.step(message) {
            debug!(self.logger, "error occurred during {kind}: {error}");
        }
    }
}
