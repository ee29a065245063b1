//! A member is asked for its vote.

use proto::raftpb::{Message, MessageType};
use types::{Index, MemberId, Term};

use super::Raft;
use super::campaign::CAMPAIGN_TRANSFER;
use super::send::message;
use crate::NONE;
use crate::log::EntryId;
use crate::logger::info;
use crate::storage::Storage;

/// How a decision is called in the log.
const CAST: (&str, &str) = ("cast", "for");
const REJECTED: (&str, &str) = ("rejected", "from");

/// The answer to a request for a vote.
pub(super) fn vote_response(request: MessageType) -> MessageType {
    match request {
        MessageType::Vote => MessageType::VoteResp,
        MessageType::PreVote => MessageType::PreVoteResp,
        other => panic!("not a vote message: {other}"),
    }
}

fn last_of(request: &Message) -> EntryId {
    EntryId { term: Term(request.log_term), index: Index(request.index) }
}

impl<S: Storage> Raft<S> {
    /// Grants or refuses. Learners vote too: one may have been promoted without knowing it yet,
    /// and its vote may be the one that lets the cluster go on.
    pub(super) fn on_vote_request(&mut self, request: &Message) {
        let from = MemberId(request.from);
        let kind = request.message_type;
        let may_vote = self.vote == from
            || (self.vote == NONE && self.lead == NONE)
            || (kind == MessageType::PreVote && request.term > self.term.0);
        let is_mute = env::planted!("learner-refuses-vote")
            && self.tracker.get(self.id).is_none_or(|own| own.is_learner);
        let granted = may_vote && !is_mute && self.log.is_up_to_date(last_of(request));
        self.log_vote(request, if granted { CAST } else { REJECTED });
        let response = message(vote_response(kind), from);
        if granted {
            // The request's term: a pre-candidate may be behind, and would not hear an answer of
            // its own term's past.
            self.send(Message { term: request.term, ..response });
            if kind == MessageType::Vote {
                self.election_elapsed = 0;
                self.vote = from;
            }
        } else {
            self.send(Message { term: self.term.0, reject: true, ..response });
        }
    }

    fn log_vote(&self, request: &Message, (verb, preposition): (&str, &str)) {
        let (ours, theirs) = (self.log.last_id(), last_of(request));
        let (kind, from) = (request.message_type, MemberId(request.from));
        info!(
            self.logger,
            "{} [logterm: {}, index: {}, vote: {}] {verb} {kind} {preposition} {from} [logterm: {}, index: {}] at term {}",
            self.id,
            ours.term,
            ours.index,
            self.vote,
            theirs.term,
            theirs.index,
            self.term
        );
    }

    /// Whether a candidate of a higher term is not even heard: a leader was heard from within an
    /// election timeout, and the campaign is not that leader's wish.
    pub(super) fn ignores_candidate(&self, request: &Message) -> bool {
        let forced = request.context == CAMPAIGN_TRANSFER;
        let (elapsed, timeout) = (self.election_elapsed, self.settings.election_tick);
        let in_lease = self.settings.check_quorum && self.lead != NONE && elapsed < timeout;
        if forced || !in_lease {
            return false;
        }
        let (ours, theirs) = (self.log.last_id(), last_of(request));
        info!(
            self.logger,
            "{} [logterm: {}, index: {}, vote: {}] ignored {} from {} [logterm: {}, index: {}] at term {}: lease is not expired (remaining ticks: {})",
            self.id,
            ours.term,
            ours.index,
            self.vote,
            request.message_type,
            MemberId(request.from),
            theirs.term,
            theirs.index,
            self.term,
            timeout - elapsed
        );
        true
    }

    /// A pre-candidate of a lower term gets an answer, so that it learns of this term: else a
    /// member that is behind could be stuck after the cluster began to use pre-votes.
    pub(super) fn reject_old_pre_vote(&mut self, request: &Message) {
        self.log_vote(request, REJECTED);
        let response = message(MessageType::PreVoteResp, MemberId(request.from));
        self.send(Message { term: self.term.0, reject: true, ..response });
    }
}
