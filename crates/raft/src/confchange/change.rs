//! The three ways to change a configuration.

use std::collections::BTreeSet;

use proto::raftpb::{ConfChangeSingle, ConfChangeType};
use types::MemberId;

use super::Error;
use crate::tracker::Config;

/// Who ends a joint configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AutoLeave {
    /// The leader, as soon as it is applied.
    Yes,
    /// Whoever proposes it.
    No,
}

/// The outcome of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The configuration from now on.
    pub config: Config,
    /// Members that the change first removed and then added again: nothing known about them holds
    /// any more.
    pub replaced: BTreeSet<MemberId>,
}

/// Enters the joint configuration of the present voters and those that the changes make.
///
/// # Errors
/// If the configuration is joint, has no voters, or would have none.
pub fn enter_joint(
    config: &Config,
    auto_leave: AutoLeave,
    changes: &[ConfChangeSingle],
) -> Result<Changed, Error> {
    if config.voters.is_joint() {
        return Err(Error::AlreadyJoint);
    }
    if config.voters.incoming.0.is_empty() {
        return Err(Error::NoVoters);
    }
    let mut draft = Draft::new(config);
    draft.config.voters.outgoing = draft.config.voters.incoming.clone();
    draft.apply(changes)?;
    draft.config.auto_leave = auto_leave == AutoLeave::Yes;
    Ok(draft.finish())
}

/// Leaves a joint configuration: the incoming voters decide alone, and the voters that were to
/// become learners do.
///
/// # Errors
/// If the configuration is not joint.
pub fn leave_joint(config: &Config) -> Result<Changed, Error> {
    if !config.voters.is_joint() {
        return Err(Error::NotJoint);
    }
    let mut draft = Draft::new(config);
    let staged = std::mem::take(&mut draft.config.learners_next);
    draft.config.learners.extend(staged);
    draft.config.voters.outgoing.0.clear();
    draft.config.auto_leave = false;
    Ok(draft.finish())
}

/// Changes at most one voter, and any number of learners, without a joint configuration.
///
/// # Errors
/// If the configuration is joint, would have no voters, or more than one voter would change.
pub fn simple(config: &Config, changes: &[ConfChangeSingle]) -> Result<Changed, Error> {
    if config.voters.is_joint() {
        return Err(Error::SimpleInJoint);
    }
    let mut draft = Draft::new(config);
    draft.apply(changes)?;
    let (before, after) = (&config.voters.incoming.0, &draft.config.voters.incoming.0);
    if before.symmetric_difference(after).count() > 1 {
        return Err(Error::TooManyVoters);
    }
    Ok(draft.finish())
}

/// A configuration in the middle of a change.
struct Draft {
    config: Config,
    removed: BTreeSet<MemberId>,
}

impl Draft {
    fn new(config: &Config) -> Self {
        Self { config: config.clone(), removed: BTreeSet::new() }
    }

    fn finish(mut self) -> Changed {
        let members = self.config.members();
        self.removed.retain(|id| members.contains(id));
        Changed { config: self.config, replaced: self.removed }
    }

    fn apply(&mut self, changes: &[ConfChangeSingle]) -> Result<(), Error> {
        for change in changes {
            let id = MemberId(change.node_id);
            if id == MemberId(0) {
                // etcd's server sets the id of a change that it rejects to zero.
                continue;
            }
            match change.change_type {
                ConfChangeType::AddNode => self.make_voter(id),
                ConfChangeType::AddLearnerNode => self.make_learner(id),
                ConfChangeType::RemoveNode => self.remove(id),
                ConfChangeType::UpdateNode => {}
            }
        }
        if self.config.voters.incoming.0.is_empty() {
            return Err(Error::RemovedAllVoters);
        }
        Ok(())
    }

    fn make_voter(&mut self, id: MemberId) {
        self.config.learners.remove(&id);
        self.config.learners_next.remove(&id);
        self.config.voters.incoming.0.insert(id);
    }

    /// Makes a learner now, or when the joint configuration is left if until then it votes.
    fn make_learner(&mut self, id: MemberId) {
        if self.config.learners.contains(&id) {
            return;
        }
        self.config.voters.incoming.0.remove(&id);
        if self.config.voters.outgoing.0.contains(&id) {
            self.config.learners_next.insert(id);
        } else {
            self.config.learners.insert(id);
        }
    }

    fn remove(&mut self, id: MemberId) {
        let voter = self.config.voters.incoming.0.remove(&id);
        let learner = self.config.learners.remove(&id);
        self.config.learners_next.remove(&id);
        if (voter || learner) && !self.config.voters.outgoing.0.contains(&id) {
            self.removed.insert(id);
        }
    }
}
