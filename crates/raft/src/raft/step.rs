//! Every message comes in here: first its term, then its kind.

use proto::raftpb::{Message, MessageType};
use types::{MemberId, Term};

use super::campaign::Campaign;
use super::send::message;
use super::{Raft, Role};
use crate::NONE;
use crate::error::Result;
use crate::logger::info;
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    /// Takes a message of another member, or one of its own; term 0 means "whatever the term".
    pub(crate) fn step(&mut self, message: Message) -> Result<()> {
        let term = Term(message.term);
        if term > self.term {
            if !self.on_higher_term(&message) {
                return Ok(());
            }
        } else if term != Term(0) && term < self.term {
            self.on_lower_term(message);
            return Ok(());
        }
        match message.message_type {
            MessageType::Hup => {
                let pre_vote = self.settings.pre_vote;
                let election = if pre_vote { Campaign::PreElection } else { Campaign::Election };
                self.start_campaign(election);
                Ok(())
            }
            MessageType::StorageAppendResp => {
                self.on_append_stored(&message);
                Ok(())
            }
            MessageType::StorageApplyResp => {
                self.on_applied(&message);
                Ok(())
            }
            MessageType::Vote | MessageType::PreVote => {
                self.on_vote_request(&message);
                Ok(())
            }
            _ => match self.role {
                Role::Leader => self.step_leader(message),
                Role::Candidate | Role::PreCandidate => self.step_candidate(message),
                Role::Follower => self.step_follower(message),
            },
        }
    }

    /// Follows a higher term; false if the message is to be ignored.
    fn on_higher_term(&mut self, m: &Message) -> bool {
        use MessageType::{App, Heartbeat, PreVote, PreVoteResp, Snap, Vote};

        let kind = m.message_type;
        if matches!(kind, Vote | PreVote) && self.ignores_candidate(m) {
            return false;
        }
        // Neither a question about a future term nor the consent to one's own question makes that
        // term begin.
        if kind == PreVote || (kind == PreVoteResp && !m.reject) {
            return true;
        }
        let from = MemberId(m.from);
        info!(
            self.logger,
            "{} [term: {}] received a {kind} message with higher term from {from} [term: {}]",
            self.id,
            self.term,
            m.term
        );
        let leads = matches!(kind, App | Heartbeat | Snap);
        self.become_follower(Term(m.term), if leads { from } else { NONE });
        true
    }

    fn on_lower_term(&mut self, m: Message) {
        use MessageType::{App, AppResp, Heartbeat, PreVote, StorageAppendResp};

        let kind = m.message_type;
        let from = MemberId(m.from);
        let quiet_candidates = self.settings.check_quorum || self.settings.pre_vote;
        if quiet_candidates && matches!(kind, Heartbeat | App) {
            // This member may have gone ahead in terms while it was cut off. Its votes are not
            // heard, so it has to tell the leader in another way, or it would never follow again.
            self.send(message(AppResp, from));
        } else if kind == PreVote {
            self.reject_old_pre_vote(&m);
        } else if kind == StorageAppendResp {
            self.on_append_stored_in_old_term(&m);
        } else {
            info!(
                self.logger,
                "{} [term: {}] ignored a {kind} message with lower term from {from} [term: {}]",
                self.id,
                self.term,
                m.term
            );
        }
    }
}
