//! What can go wrong with a log.

use std::io;
use std::path::{Path, PathBuf};

use types::Index;

/// A failure of the log.
///
/// [`Io`](Self::Io), [`DiskFull`](Self::DiskFull) and [`Poisoned`](Self::Poisoned) are final: the
/// process must stop without acknowledging anything that was not flushed before.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb in the present tense.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is no room for the log to grow.
    #[error("{action} {}: no space left on device", path.display())]
    DiskFull {
        /// What was tried, as a verb in the present tense.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
    },
    /// A write or sync failed before; nothing is known of the file any more.
    #[error("wal: an earlier write failed; the log takes no more")]
    Poisoned,
    /// A log is there already.
    #[error("wal: {} holds a log already", dir.display())]
    Exists {
        /// The log's directory.
        dir: PathBuf,
    },
    /// No segment can hold what comes behind the wanted snapshot.
    #[error("wal: file not found which matches the snapshot index '{index}' in {}", dir.display())]
    NotFound {
        /// The snapshot's index.
        index: Index,
        /// The log's directory.
        dir: PathBuf,
    },
    /// Another process, or another log of this one, has the segment.
    #[error("wal: {} is locked by another process", path.display())]
    Locked {
        /// The segment.
        path: PathBuf,
    },
    /// The last record was not written whole; [`repair`](crate::repair) cuts it off.
    #[error("wal: unexpected end in {} at offset {offset}", file.display())]
    Torn {
        /// The segment.
        file: PathBuf,
        /// Where the record starts: the end of what is good.
        offset: u64,
    },
    /// The bytes are not what was written.
    #[error("wal: {} is corrupted at offset {offset}: expected {expected}, found {found}", file.display())]
    Corrupted {
        /// The segment.
        file: PathBuf,
        /// Where the record starts.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Entries are missing. So it is behind a snapshot that is older than one received from a peer:
    /// the log does not bridge what that one has skipped.
    #[error("wal: slice bounds out of range: {} at offset {offset} has entry {found}, the next one is {expected}", file.display())]
    Gap {
        /// The segment.
        file: PathBuf,
        /// Where the entry's record starts.
        offset: u64,
        /// The highest index that could stand there.
        expected: Index,
        /// The index that stands there.
        found: Index,
    },
    /// The log ends before what it is known to have held. Nothing of it was changed.
    #[error("wal: {} ends at offset {offset} with entry {last}, but entries up to {needed} were stored", file.display())]
    Short {
        /// The segment that ends too early.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// The newest entry in the log.
        last: Index,
        /// The newest that is known to have been there.
        needed: Index,
    },
    /// The log has no record of the wanted snapshot.
    #[error("wal: snapshot not found: {} ends at offset {offset} without a record of the one at index {index}", file.display())]
    SnapshotNotFound {
        /// The last segment.
        file: PathBuf,
        /// Where its records end.
        offset: u64,
        /// The snapshot's index.
        index: Index,
    },
    /// The log has a snapshot record of the same index, with another term.
    #[error("wal: snapshot mismatch")]
    SnapshotMismatch,
    /// The entries asked for are not behind the snapshot at which the log was opened, or their
    /// segments were released.
    #[error("wal: entries before {first} are gone")]
    Compacted {
        /// The first entry that can be read.
        first: Index,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps the system's answer for an action on a path.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { action, path }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// No segment in a directory can hold what comes behind an index.
    pub(crate) fn not_found(dir: &Path, index: Index) -> Self {
        Self::NotFound { index, dir: dir.to_path_buf() }
    }

    /// Damage found in a record that starts at `offset`.
    pub(crate) fn corrupted(
        file: &Path,
        offset: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let file = file.to_path_buf();
        Self::Corrupted { file, offset, expected: expected.into(), found: found.into() }
    }
}

/// Turns a system call's failure into [`Error`], naming what was tried and where.
pub(crate) trait Context<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::io(action, path, source))
    }
}
