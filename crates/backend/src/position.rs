//! Where in the raft log a state stands, and which file it is of.

use std::fmt;

use proto::raftpb::ConfState;
use types::{Index, Term};

/// The last log entry whose effects a state holds, and who takes part in consensus as of it.
///
/// Index 0 with term 0 is the state before the first entry; it is never stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// The entry.
    pub index: Index,
    /// The entry's term; 0 only in files older than 3.5.
    pub term: Term,
    /// The configuration as of the entry. In a file restored by `etcdutl` it is that of the old
    /// cluster until the first commit: the bucket `members` counts (spec/schema.md 2.2).
    pub conf_state: ConfState,
}

/// Counts the files that stood at the database's path: the next one after each defragmentation, and
/// after each snapshot installed over it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
