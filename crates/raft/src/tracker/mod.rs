//! A leader's bookkeeping: who takes part, how far each follower is, who voted for whom.
//!
//! Knows neither the log nor messages. Invariant: there is a [`Progress`] for exactly the members
//! that the [`Config`] names, and it is a learner's exactly for those in `learners`.

mod config;
mod inflights;
mod progress;

use std::collections::BTreeMap;

use types::{Index, MemberId};

use crate::confchange::Changed;
use crate::quorum::VoteResult;

pub use config::Config;
pub use inflights::Inflights;
pub use progress::{Progress, ProgressState};

/// How much may be on its way to one follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InflightLimits {
    /// Append messages that are not acknowledged yet.
    pub messages: usize,
    /// Bytes of payload in them; one message may exceed it.
    pub bytes: u64,
}

/// The configuration and everybody's progress.
#[derive(Clone, Debug)]
pub struct Tracker {
    config: Config,
    progress: BTreeMap<MemberId, Progress>,
    votes: BTreeMap<MemberId, bool>,
    limits: InflightLimits,
}

/// The count of a vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    pub(crate) granted: usize,
    pub(crate) rejected: usize,
    pub(crate) result: VoteResult,
}

impl Tracker {
    /// Nobody.
    #[must_use]
    pub fn new(limits: InflightLimits) -> Self {
        Self {
            config: Config::default(),
            progress: BTreeMap::new(),
            votes: BTreeMap::new(),
            limits,
        }
    }

    pub(crate) fn limits(&self) -> InflightLimits {
        self.limits
    }

    /// Who takes part.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How far each member is, in order of their ids.
    #[must_use]
    pub fn progress(&self) -> &BTreeMap<MemberId, Progress> {
        &self.progress
    }

    /// How far this member is.
    #[must_use]
    pub fn get(&self, id: MemberId) -> Option<&Progress> {
        self.progress.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: MemberId) -> Option<&mut Progress> {
        self.progress.get_mut(&id)
    }

    /// Everybody but `id`, in order.
    pub(crate) fn others(&self, id: MemberId) -> Vec<MemberId> {
        self.progress.keys().copied().filter(|other| *other != id).collect()
    }

    /// Takes a configuration over. Who stays keeps its progress; who is new starts at `next`, as
    /// does who left and came back within the change.
    pub fn switch(&mut self, changed: Changed, next: Index) {
        self.config = changed.config;
        let members = self.config.members();
        self.progress.retain(|id, _| members.contains(id) && !changed.replaced.contains(id));
        for id in members {
            let learner = self.config.learners.contains(&id);
            let limits = self.limits;
            let progress = self.progress.entry(id).or_insert_with(|| Progress::new(next, limits));
            progress.is_learner = learner;
        }
    }

    /// Starts everybody anew: nothing is known to match, the next entry to send is `next`.
    pub(crate) fn reset_progress(&mut self, next: Index) {
        for progress in self.progress.values_mut() {
            let is_learner = progress.is_learner;
            *progress = Progress::new(next, self.limits);
            progress.is_learner = is_learner;
            progress.recent_active = false;
        }
    }

    pub(crate) fn check_invariants(&self) {
        let members: Vec<_> = self.config.members().into_iter().collect();
        assert!(self.progress.keys().copied().eq(members), "progress of others than members");
        for (id, progress) in &self.progress {
            assert!(progress.matched < progress.next, "{id}: {progress}");
            assert_eq!(progress.is_learner, self.config.learners.contains(id), "{id}: {progress}");
        }
    }

    /// The highest index that the voters have acknowledged.
    #[must_use]
    pub fn committed(&self) -> Index {
        self.config.voters.committed_index(|id| self.progress.get(&id).map(|pr| pr.matched))
    }

    /// Whether a quorum of the voters has been heard of lately.
    pub(crate) fn quorum_active(&self) -> bool {
        let active = |id| self.progress.get(&id).map(|pr| pr.recent_active);
        self.config.voters.vote_result(active) == VoteResult::Won
    }

    pub(crate) fn reset_votes(&mut self) {
        self.votes.clear();
    }

    /// Counts a vote; a member's first one holds.
    pub(crate) fn record_vote(&mut self, id: MemberId, granted: bool) {
        self.votes.entry(id).or_insert(granted);
    }

    pub(crate) fn tally(&self) -> Tally {
        let counted = |wanted: bool| {
            let voters = self.progress.iter().filter(|(_, pr)| !pr.is_learner);
            voters.filter(|(id, _)| self.votes.get(id) == Some(&wanted)).count()
        };
        Tally {
            granted: counted(true),
            rejected: counted(false),
            result: self.config.voters.vote_result(|id| self.votes.get(&id).copied()),
        }
    }
}
