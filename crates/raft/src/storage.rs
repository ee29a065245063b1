//! What the core reads of the log that is already stored.
//!
//! Every call answers from memory at once: the core does no I/O. Contents of entries may be out of
//! memory ([`StorageError::Unavailable`]); their terms may not.
//!
//! Invariants: `first_index() - 1 <= last_index()`; terms never fall with the index.

use proto::raftpb::{ConfState, Entry, HardState, Snapshot};
use types::{Index, Term};

/// Why the stored log cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The entry is behind the last compaction.
    #[error("requested index is unavailable due to compaction")]
    Compacted,
    /// From `term`: there is no such entry. From `entries`: the contents are not in memory now;
    /// the core asks for them by [`LogRead`](crate::LogRead) and waits for
    /// [`RawNode::log_read_done`](crate::RawNode::log_read_done).
    #[error("requested entry at index is unavailable")]
    Unavailable,
    /// No snapshot is at hand; the core asks again later.
    #[error("snapshot is temporarily unavailable")]
    SnapshotTemporarilyUnavailable,
    /// A snapshot older than the one that is there.
    #[error("requested index is older than the existing snapshot")]
    SnapshotOutOfDate,
}

/// The stored log, as far as the core reads it (etcd-raft's `Storage`).
pub trait Storage {
    /// What was stored when the member stopped: promises, and who takes part as of the snapshot.
    fn initial_state(&self) -> (HardState, ConfState);

    /// Entries from `low` up to but not including `high`, cut to at most `size_max` bytes
    /// ([`entry_size`](crate::entry_size)) but never to none.
    ///
    /// # Errors
    /// `Compacted` if `low` is behind the last compaction; `Unavailable` if contents are out of
    /// memory.
    fn entries(&self, low: Index, high: Index, size_max: u64) -> Result<Vec<Entry>, StorageError>;

    /// The term of the entry at `index`, which may also be `first_index() - 1`.
    ///
    /// # Errors
    /// `Compacted` before that, `Unavailable` after the last entry.
    fn term(&self, index: Index) -> Result<Term, StorageError>;

    /// The first entry that is not covered by the last compaction.
    fn first_index(&self) -> Index;

    /// The last entry, or `first_index() - 1` if there is none.
    fn last_index(&self) -> Index;

    /// The newest snapshot; its index is at least `first_index() - 1`.
    ///
    /// # Errors
    /// `SnapshotTemporarilyUnavailable` while there is none; the core asks again at the next sign
    /// of life of the member that needs it.
    fn snapshot(&self) -> Result<Snapshot, StorageError>;
}
