//! The arithmetic of majorities: what is committed, and how a vote stands.
//!
//! Knows nothing of logs or messages.

mod joint;
mod majority;

use std::fmt;

use types::Index;

pub use joint::JointConfig;
pub use majority::MajorityConfig;
pub(crate) use majority::write_ids;

/// How a vote stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum VoteResult {
    /// The missing votes can still decide it.
    Pending,
    /// It cannot be won any more.
    Lost,
    /// A quorum is in favour.
    Won,
}

impl fmt::Display for VoteResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "VotePending",
            Self::Lost => "VoteLost",
            Self::Won => "VoteWon",
        })
    }
}

/// What an empty majority has committed: everything, so that it never holds back the other half.
pub const EVERYTHING: Index = Index(u64::MAX);
