//! What a follower does with messages.

use proto::raftpb::{Message, MessageType};
use types::{Index, MemberId};

use super::Raft;
use super::campaign::Campaign;
use crate::NONE;
use crate::config::ReadOnlyOption;
use crate::error::{Error, Result};
use crate::logger::{error, info};
use crate::read_only::ReadState;
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    pub(super) fn step_follower(&mut self, m: Message) -> Result<()> {
        match m.message_type {
            MessageType::Prop => return self.forward_proposal(m),
            MessageType::App => {
                self.heard_from_leader(&m);
                return self.on_append(m);
            }
            MessageType::Heartbeat => {
                self.heard_from_leader(&m);
                return self.on_heartbeat(m);
            }
            MessageType::Snap => {
                self.heard_from_leader(&m);
                return self.on_snapshot(m);
            }
            MessageType::TransferLeader => self.forward_to_leader(m, "leader transfer msg"),
            MessageType::ForgetLeader => self.forget_leader(),
            MessageType::TimeoutNow => {
                info!(
                    self.logger,
                    "{} [term {}] received MsgTimeoutNow from {} and starts an election to get leadership.",
                    self.id,
                    self.term,
                    MemberId(m.from)
                );
                // Nobody is cut off, so there is nothing to ask before.
                self.start_campaign(Campaign::Transfer);
            }
            MessageType::ReadIndex => self.forward_to_leader(m, "index reading msg"),
            MessageType::ReadIndexResp => self.on_read_index_response(m),
            _ => {}
        }
        Ok(())
    }

    fn heard_from_leader(&mut self, m: &Message) {
        self.election_elapsed = 0;
        self.lead = MemberId(m.from);
    }

    fn forward_proposal(&mut self, mut m: Message) -> Result<()> {
        let (id, term) = (self.id, self.term);
        if self.lead == NONE {
            info!(self.logger, "{id} no leader at term {term}; dropping proposal");
            return Err(Error::ProposalDropped);
        }
        if self.settings.disable_proposal_forwarding {
            info!(
                self.logger,
                "{id} not forwarding to leader {} at term {term}; dropping proposal", self.lead
            );
            return Err(Error::ProposalDropped);
        }
        m.to = self.lead.0;
        self.send(m);
        Ok(())
    }

    fn forward_to_leader(&mut self, mut m: Message, what: &str) {
        if self.lead == NONE {
            info!(self.logger, "{} no leader at term {}; dropping {what}", self.id, self.term);
            return;
        }
        m.to = self.lead.0;
        // A transfer may have come here by another follower, in this term.
        m.term = 0;
        self.send(m);
    }

    fn forget_leader(&mut self) {
        if self.settings.read_only == ReadOnlyOption::LeaseBased {
            // The leader trusts that nobody forgets it early.
            error!(self.logger, "ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
        } else if self.lead != NONE {
            info!(self.logger, "{} forgetting leader {} at term {}", self.id, self.lead, self.term);
            self.lead = NONE;
        }
    }

    fn on_read_index_response(&mut self, mut m: Message) {
        match m.entries.pop() {
            Some(entry) if m.entries.is_empty() => {
                self.read_states.push(ReadState { index: Index(m.index), context: entry.data });
            }
            _ => error!(
                self.logger,
                "{} invalid format of MsgReadIndexResp from {}",
                self.id,
                MemberId(m.from)
            ),
        }
    }
}
