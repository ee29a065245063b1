//! What can go wrong with a file.
//!
//! Knows no page layout. Invariant: bytes read from a file never end in a panic; they end in
//! [`Error::Corrupted`].

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a file failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused. After a failed write or sync the [`Writer`](crate::Writer) is of no use
    /// any more and the process has to stop (etcd ends the same way).
    #[error("{action} {}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What was tried, in the present tense.
        action: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// Another process (or another handle of this one) holds the lock. The caller waits and tries
    /// again: each [`open`](crate::open) is one attempt.
    #[error("the file {} is locked by another process", file.display())]
    Locked {
        /// The file.
        file: PathBuf,
    },
    /// The file holds bytes that no writer leaves behind.
    #[error("{} is corrupted at offset {offset}: expected {expected}, found {found}", file.display())]
    Corrupted {
        /// The file.
        file: PathBuf,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What the format asks for.
        expected: Cow<'static, str>,
        /// What is there.
        found: String,
    },
    /// An earlier write or sync failed, or a prepared commit was never finished: nothing is known
    /// of the writer's state.
    #[error("the writer failed before and takes nothing more")]
    Poisoned,
    /// There is no such bucket.
    #[error("bucket {0:?} not found")]
    BucketNotFound(String),
    /// A key or bucket name has no bytes, or more than [`KEY_BYTES_MAX`](crate::KEY_BYTES_MAX).
    #[error("a key of {0} bytes cannot be stored")]
    KeySize(usize),
    /// A value has more than [`VALUE_BYTES_MAX`](crate::VALUE_BYTES_MAX) bytes.
    #[error("a value of {0} bytes cannot be stored")]
    ValueSize(usize),
    /// [`Options::page_size`](crate::Options::page_size) is no power of two that the format knows.
    #[error("{0} is no page size")]
    PageSize(usize),
}

impl Error {
    /// The error of a system call on a file.
    pub(crate) fn io(file: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Io { file: file.to_path_buf(), action, source }
    }

    /// The error of a bucket that is not there.
    pub(crate) fn no_bucket(name: &[u8]) -> Self {
        Self::BucketNotFound(String::from_utf8_lossy(name).into_owned())
    }
}

/// Damage inside a page, before it is known where the page lies.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Bytes from the start of the page.
    pub(crate) offset: u64,
    pub(crate) expected: Cow<'static, str>,
    pub(crate) found: String,
}

impl Fault {
    pub(crate) fn new(
        offset: impl TryInto<u64>,
        expected: impl Into<Cow<'static, str>>,
        found: impl ToString,
    ) -> Self {
        let offset = offset.try_into().unwrap_or(0);
        Self { offset, expected: expected.into(), found: found.to_string() }
    }

    /// The error for a page that starts at an offset of a file.
    pub(crate) fn at(self, file: &Path, page_offset: u64) -> Error {
        Error::Corrupted {
            file: file.to_path_buf(),
            offset: page_offset.saturating_add(self.offset),
            expected: self.expected,
            found: self.found,
        }
    }
}
