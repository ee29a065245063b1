//! Who takes part in consensus, and how.

use std::collections::BTreeSet;
use std::fmt;

use proto::raftpb::ConfState;
use types::MemberId;

use crate::quorum::{JointConfig, write_ids};

/// Who takes part.
///
/// Invariants: voters (of either half) and `learners` share nobody; `learners_next` are outgoing
/// voters; without outgoing voters `learners_next` is empty and `auto_leave` off.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// Who votes.
    pub voters: JointConfig,
    /// The leader leaves the joint configuration as soon as it is applied.
    pub auto_leave: bool,
    /// Who gets the log without voting.
    pub learners: BTreeSet<MemberId>,
    /// Outgoing voters that become learners when the joint configuration is left. They cannot be
    /// in `learners` before, since until then they vote.
    pub learners_next: BTreeSet<MemberId>,
}

impl Config {
    /// Everybody who is named.
    #[must_use]
    pub fn members(&self) -> BTreeSet<MemberId> {
        // learners_next are voters.
        self.voters.ids().union(&self.learners).copied().collect()
    }

    /// The only voter there is, if there is only one.
    #[must_use]
    pub fn sole_voter(&self) -> Option<MemberId> {
        let incoming = &self.voters.incoming.0;
        let single = incoming.len() == 1 && !self.voters.is_joint();
        incoming.first().copied().filter(|_| single)
    }

    /// The same as a message, each list sorted.
    #[must_use]
    pub fn conf_state(&self) -> ConfState {
        let list = |ids: &BTreeSet<MemberId>| ids.iter().map(|id| id.0).collect();
        ConfState {
            voters: list(&self.voters.incoming.0),
            learners: list(&self.learners),
            voters_outgoing: list(&self.voters.outgoing.0),
            learners_next: list(&self.learners_next),
            auto_leave: self.auto_leave,
        }
    }
}

/// As etcd-raft prints it: `voters=(1 2)&&(1) learners=(3) autoleave`.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "voters={}", self.voters)?;
        for (name, ids) in [("learners", &self.learners), ("learners_next", &self.learners_next)] {
            if !ids.is_empty() {
                write!(f, " {name}=")?;
                write_ids(ids, f)?;
            }
        }
        f.write_str(if self.auto_leave { " autoleave" } else { "" })
    }
}
