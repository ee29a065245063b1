//! What can go wrong, by what a caller can do about it.

use types::{Index, MemberId, Term};

use crate::confchange;

/// An error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting makes no sense; the text is etcd's.
    #[error("{0}")]
    Config(&'static str),
    /// The proposal was not taken: there is no leader, a leader is being moved, the log's
    /// uncommitted part is full, or forwarding is off. It may be tried again.
    #[error("raft proposal dropped")]
    ProposalDropped,
    /// The proposal was meant for a leader of this term, which this member is not.
    #[error("not the leader of term {term}")]
    NotLeader {
        /// The term asked for.
        term: Term,
    },
    /// A message that only a member itself may produce came from outside.
    #[error("raft: cannot step raft local message")]
    LocalMessage,
    /// A response from a member that this one does not track.
    #[error("raft: cannot step as peer not found")]
    PeerNotFound,
    /// A message for another member.
    #[error("raft: message is addressed to {to}")]
    WrongRecipient {
        /// Whom it names.
        to: MemberId,
    },
    /// A message that no correct member sends. Nothing of it was used.
    #[error("raft: malformed message: {0}")]
    Malformed(&'static str),
    /// The sender relies on entries that this member has acknowledged and no longer has: its log
    /// was lost or cut. Nothing was changed; the member should be stopped and replaced, since it
    /// may have broken its promises.
    #[error(
        "tocommit({commit}) is out of range [lastIndex({last})]. Was the raft log corrupted, truncated, or lost?"
    )]
    LogLost {
        /// What the leader says is committed and stored here.
        commit: Index,
        /// The last entry there is.
        last: Index,
    },
    /// A leader sent an entry that contradicts one known to be committed. Nothing was changed.
    #[error("entry {index} conflict with committed entry [committed({committed})]")]
    CommittedConflict {
        /// The first entry that differs.
        index: Index,
        /// What is known to be committed here.
        committed: Index,
    },
    /// The stored state contradicts the stored log.
    #[error("{id} state.commit {commit} is out of range [{low}, {last}]")]
    CommitOutOfRange {
        /// This member.
        id: MemberId,
        /// The stored commit index.
        commit: Index,
        /// The least it can be: the snapshot's index.
        low: Index,
        /// The most it can be: the last entry.
        last: Index,
    },
    /// The applied index given at the start is not within the committed log.
    #[error("applied({applied}) is out of range [prevApplied({low}), committed({committed})]")]
    AppliedOutOfRange {
        /// What was given.
        applied: Index,
        /// The snapshot's index.
        low: Index,
        /// The committed index.
        committed: Index,
    },
    /// A log to be bootstrapped already has entries, or nobody to start with was named.
    #[error("{0}")]
    Bootstrap(&'static str),
    /// A configuration change cannot be applied.
    #[error(transparent)]
    ConfChange(#[from] confchange::Error),
}

/// The result of most calls.
pub type Result<T> = std::result::Result<T, Error>;
