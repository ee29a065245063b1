//! Changes of the configuration as a pure function: a configuration and a change give the next
//! configuration, or the reason why not.
//!
//! Knows neither the log nor how far anybody is. The rules are those of etcd-raft's package
//! `confchange` (Raft thesis 4.1 and 4.3). What applies committed entries can use
//! [`apply_to_conf_state`] alone.
//!
//! Invariant: a [`Config`] that comes out satisfies the relations stated there.

mod change;
mod entry;
mod restore;

use proto::raftpb::{ConfChangeV2, ConfState};

use crate::tracker::Config;

pub use change::{AutoLeave, Changed, enter_joint, leave_joint, simple};
pub use entry::{ConfChangeEntry, joint_transition, leaves_joint};
pub use restore::restore;

/// Why a configuration cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A joint configuration was to be entered twice.
    #[error("config is already joint")]
    AlreadyJoint,
    /// A joint configuration needs voters to begin with.
    #[error("can't make a zero-voter config joint")]
    NoVoters,
    /// A joint configuration was to be left that is none.
    #[error("can't leave a non-joint config")]
    NotJoint,
    /// A simple change has to wait until the joint configuration is left.
    #[error("can't apply simple config change in joint config")]
    SimpleInJoint,
    /// Nobody would be left to vote.
    #[error("removed all voters")]
    RemovedAllVoters,
    /// Majorities before and after would not overlap.
    #[error("more than one voter changed without entering joint config")]
    TooManyVoters,
    /// A stored or received configuration contradicts itself.
    #[error("conf state contradicts itself")]
    InvalidConfState,
    /// An entry does not hold the change that its type says.
    #[error("malformed configuration change")]
    Malformed,
}

/// Applies a change, choosing among [`simple`], [`enter_joint`] and [`leave_joint`] as etcd-raft
/// does.
///
/// # Errors
/// If the configuration cannot be changed so.
pub fn apply(config: &Config, change: &ConfChangeV2) -> Result<Changed, Error> {
    if leaves_joint(change) {
        leave_joint(config)
    } else if let Some(auto_leave) = joint_transition(change) {
        enter_joint(config, auto_leave, &change.changes)
    } else {
        simple(config, &change.changes)
    }
}

/// As [`apply`], from and to the form that is stored in snapshots and in the database. The lists
/// of the result are sorted.
///
/// # Errors
/// If the configuration is no valid one or cannot be changed so.
pub fn apply_to_conf_state(state: &ConfState, change: &ConfChangeV2) -> Result<ConfState, Error> {
    Ok(apply(&restore(state)?, change)?.config.conf_state())
}

#[cfg(test)]
#[path = "confchange_test.rs"]
mod tests;
