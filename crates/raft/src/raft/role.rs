//! What a member is, and how it becomes something else.

use std::fmt;

use types::{Index, MemberId, Term};

use super::Raft;
use crate::NONE;
use crate::logger::info;
use crate::read_only::ReadOnly;
use crate::storage::Storage;

/// What a member is in its term.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Role {
    /// It takes entries from a leader, if there is one.
    #[default]
    Follower,
    /// It asks for votes.
    Candidate,
    /// It decides what is in the log.
    Leader,
    /// It asks whether it would get votes, its term unchanged.
    PreCandidate,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Follower => "StateFollower",
            Self::Candidate => "StateCandidate",
            Self::Leader => "StateLeader",
            Self::PreCandidate => "StatePreCandidate",
        })
    }
}

/// What changes without having to be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SoftState {
    /// The leader; 0 if none is known.
    pub lead: MemberId,
    /// What this member is.
    pub role: Role,
}

impl<S: Storage> Raft<S> {
    pub(crate) fn become_follower(&mut self, term: Term, lead: MemberId) {
        self.reset(term);
        self.lead = lead;
        self.role = Role::Follower;
        info!(self.logger, "{} became follower at term {}", self.id, self.term);
    }

    pub(super) fn become_candidate(&mut self) {
        assert_ne!(self.role, Role::Leader, "invalid transition [leader -> candidate]");
        self.reset(Term(self.term.0 + 1));
        self.vote = self.id;
        self.role = Role::Candidate;
        info!(self.logger, "{} became candidate at term {}", self.id, self.term);
    }

    /// Changes the role but neither term nor vote.
    pub(super) fn become_pre_candidate(&mut self) {
        assert_ne!(self.role, Role::Leader, "invalid transition [leader -> pre-candidate]");
        self.tracker.reset_votes();
        self.lead = NONE;
        self.role = Role::PreCandidate;
        info!(self.logger, "{} became pre-candidate at term {}", self.id, self.term);
    }

    pub(super) fn become_leader(&mut self) {
        assert_ne!(self.role, Role::Follower, "invalid transition [follower -> leader]");
        self.reset(self.term);
        self.lead = self.id;
        self.role = Role::Leader;
        let own = self.tracker.get_mut(self.id).expect("only a tracked voter is elected");
        own.become_replicate();
        own.recent_active = true;
        // There may or may not be a configuration change behind what is applied; to wait for all
        // of it is cheaper than to look.
        self.pending_conf_index = self.log.last_index();
        let first = vec![proto::raftpb::Entry::default()];
        assert!(self.append_entries(first), "an empty entry always finds room");
        info!(self.logger, "{} became leader at term {}", self.id, self.term);
    }

    fn reset(&mut self, term: Term) {
        if self.term != term {
            self.term = term;
            self.vote = NONE;
        }
        self.lead = NONE;
        self.election_elapsed = 0;
        self.heartbeat_elapsed = 0;
        self.reset_randomized_election_timeout();
        self.abort_leader_transfer();
        self.tracker.reset_votes();
        let last = self.log.last_index();
        self.tracker.reset_progress(last.next());
        if let Some(own) = self.tracker.get_mut(self.id) {
            own.matched = last;
        }
        self.pending_conf_index = Index(0);
        self.uncommitted_size = 0;
        self.read_only = ReadOnly::default();
        self.log_reads.forget_followers();
    }

    fn reset_randomized_election_timeout(&mut self) {
        let tick = self.settings.election_tick;
        let extra = self.rng.below(u64::from(tick));
        self.randomized_election_timeout = tick + u32::try_from(extra).unwrap_or(0);
    }

    pub(super) fn abort_leader_transfer(&mut self) {
        self.lead_transferee = NONE;
    }
}
