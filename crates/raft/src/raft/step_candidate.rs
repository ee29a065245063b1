//! What a candidate, or one that asks first, does with messages.

use proto::raftpb::{Message, MessageType};
use types::{MemberId, Term};

use super::campaign::Campaign;
use super::{Raft, Role};
use crate::NONE;
use crate::error::{Error, Result};
use crate::logger::{debug, info};
use crate::quorum::VoteResult;
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    pub(super) fn step_candidate(&mut self, m: Message) -> Result<()> {
        // Answers to the question before the campaign may still come in during it.
        let awaited = match self.role {
            Role::PreCandidate => MessageType::PreVoteResp,
            _ => MessageType::VoteResp,
        };
        match m.message_type {
            MessageType::Prop => {
                info!(
                    self.logger,
                    "{} no leader at term {}; dropping proposal", self.id, self.term
                );
                return Err(Error::ProposalDropped);
            }
            MessageType::App | MessageType::Heartbeat | MessageType::Snap => {
                // Somebody else leads this term.
                self.become_follower(Term(m.term), MemberId(m.from));
                return self.step_follower(m);
            }
            kind if kind == awaited => self.on_vote_response(&m),
            MessageType::TimeoutNow => debug!(
                self.logger,
                "{} [term {} state {}] ignored MsgTimeoutNow from {}",
                self.id,
                self.term,
                self.role,
                MemberId(m.from)
            ),
            _ => {}
        }
        Ok(())
    }

    fn on_vote_response(&mut self, m: &Message) {
        let (from, kind) = (MemberId(m.from), m.message_type);
        let refused = if m.reject { " rejection" } else { "" };
        info!(
            self.logger,
            "{} received {kind}{refused} from {from} at term {}", self.id, self.term
        );
        self.tracker.record_vote(from, !m.reject);
        let tally = self.tracker.tally();
        info!(
            self.logger,
            "{} has received {} {kind} votes and {} vote rejections",
            self.id,
            tally.granted,
            tally.rejected
        );
        match tally.result {
            VoteResult::Won if self.role == Role::PreCandidate => {
                self.campaign(Campaign::Election);
            }
            VoteResult::Won => {
                self.become_leader();
                self.broadcast_append();
            }
            // Its own term: the answers may be of the one asked about.
            VoteResult::Lost => self.become_follower(self.term, NONE),
            VoteResult::Pending => {}
        }
    }
}
