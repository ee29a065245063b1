//! What can go wrong with snapshots.

use std::io;
use std::path::{Path, PathBuf};

use types::Index;

/// A failure of the snapshot directory.
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
    /// There is no room.
    #[error("{action} {}: no space left on device", path.display())]
    DiskFull {
        /// What was tried, as a verb in the present tense.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
    },
    /// There is no database received at this index.
    #[error("snap: snapshot file doesn't exist")]
    NoDatabase {
        /// The index.
        index: Index,
    },
    /// The bytes are not what was written.
    #[error("snap: {} is corrupted at offset {offset}: expected {expected}, found {found}", file.display())]
    Corrupted {
        /// The file; empty for bytes that came from elsewhere.
        file: PathBuf,
        /// The byte.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { action, path }
            }
            _ => Self::Io { action, path, source },
        }
    }

    pub(crate) fn corrupted(
        file: &Path,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let file = file.to_path_buf();
        Self::Corrupted { file, offset: 0, expected: expected.into(), found: found.into() }
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
