//! A member's state, to look at.

use std::collections::BTreeMap;
use std::fmt;

use proto::raftpb::HardState;
use types::{Index, MemberId};

use crate::raft::{Role, SoftState};
use crate::tracker::{Config, Progress};

/// A copy of a member's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This member.
    pub id: MemberId,
    /// Term, vote and commit index; maybe not stored yet.
    pub hard_state: HardState,
    /// Who leads, and what this member is.
    pub soft_state: SoftState,
    /// Everything up to here is applied.
    pub applied: Index,
    /// Who is to lead next; 0 for nobody.
    pub lead_transferee: MemberId,
    /// Who takes part.
    pub config: Config,
    /// How far everybody is; empty unless this member leads.
    pub progress: BTreeMap<MemberId, Progress>,
}

/// As JSON, with the members of etcd's `raft.status` variable.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HardState { term, vote, commit } = self.hard_state;
        let SoftState { lead, role } = self.soft_state;
        write!(
            f,
            r#"{{"id":"{}","term":{term},"vote":"{vote:x}","commit":{commit},"lead":"{lead}","raftState":"{role}","applied":{},"progress":{{"#,
            self.id, self.applied
        )?;
        for (position, (id, progress)) in self.progress.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            let Progress { matched, next, state, .. } = progress;
            write!(f, r#"{comma}"{id}":{{"match":{matched},"next":{next},"state":"{state}"}}"#)?;
        }
        write!(f, r#"}},"leadtransferee":"{}"}}"#, self.lead_transferee)
    }
}

impl Status {
    /// Whether this member leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.soft_state.role == Role::Leader
    }
}
