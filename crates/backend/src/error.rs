//! What can go wrong with the file.

use std::io;
use std::path::PathBuf;

use crate::schema::Malformed;

/// Why the file could not be read or written. All but [`Stale`](Error::Stale),
/// [`Defrag`](Error::Defrag) and [`Locked`](Error::Locked) are final: the process ends with the
/// reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written, or its pages are damaged.
    #[error(transparent)]
    File(bolt::Error),
    /// A file beside the database cannot be handled.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, in the present tense.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A row is not what its bucket holds.
    #[error("{}: {row}", file.display())]
    Corrupted {
        /// The file.
        file: PathBuf,
        /// The row and what is wrong with it.
        row: Malformed,
    },
    /// Another process holds the file; to be tried again.
    #[error("{} is locked by another process", .0.display())]
    Locked(PathBuf),
    /// Records were deleted while a defragmentation copied them; to be started again.
    #[error("records were deleted while the file was being defragmented")]
    Stale,
    /// A defragmentation could not be carried out; the file is as before.
    #[error("{0}")]
    Defrag(String),
}

impl From<bolt::Error> for Error {
    fn from(error: bolt::Error) -> Self {
        match error {
            bolt::Error::Locked { file } => Self::Locked(file),
            other => Self::File(other),
        }
    }
}

/// The result of the crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;
