//! Two sets of voters that decide together (Raft thesis 4.3).

use std::collections::BTreeSet;
use std::fmt;

use types::{Index, MemberId};

use super::{MajorityConfig, VoteResult};

/// Two majorities, both of which a decision needs. `outgoing` is empty unless the configuration is
/// in the middle of a change.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JointConfig {
    /// The voters from now on.
    pub incoming: MajorityConfig,
    /// The voters until the change is complete.
    pub outgoing: MajorityConfig,
}

impl JointConfig {
    /// Whether a change is in progress.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.outgoing.0.is_empty()
    }

    /// Whether a member votes in either half.
    #[must_use]
    pub fn contains(&self, id: MemberId) -> bool {
        self.incoming.0.contains(&id) || self.outgoing.0.contains(&id)
    }

    /// The voters of both halves.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<MemberId> {
        self.incoming.0.union(&self.outgoing.0).copied().collect()
    }

    /// The highest index that both majorities have acknowledged.
    #[must_use]
    pub fn committed_index(&self, acked: impl Fn(MemberId) -> Option<Index>) -> Index {
        let incoming = self.incoming.committed_index(&acked);
        incoming.min(self.outgoing.committed_index(&acked))
    }

    /// How a vote stands that needs both majorities.
    #[must_use]
    pub fn vote_result(&self, vote: impl Fn(MemberId) -> Option<bool>) -> VoteResult {
        let incoming = self.incoming.vote_result(&vote);
        let outgoing = self.outgoing.vote_result(&vote);
        if incoming == outgoing {
            incoming
        } else if incoming == VoteResult::Lost || outgoing == VoteResult::Lost {
            VoteResult::Lost
        } else {
            VoteResult::Pending
        }
    }

    /// As [`MajorityConfig::describe`], over the voters of both halves.
    #[must_use]
    pub fn describe(&self, acked: impl Fn(MemberId) -> Option<Index>) -> String {
        MajorityConfig(self.ids()).describe(acked)
    }
}

impl fmt::Display for JointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_joint() {
            write!(f, "{}&&{}", self.incoming, self.outgoing)
        } else {
            write!(f, "{}", self.incoming)
        }
    }
}
