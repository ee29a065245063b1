//! What a call can end with besides a result.

use backend::Bucket;
use backend::schema::Malformed;
use types::RecordKey;

/// Why a call gave no result. The first four are the caller's mistakes and leave the store as it
/// was; the last is final: the process ends with the reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The revision is below the compact revision; of a compaction, not above it.
    #[error("mvcc: required revision has been compacted")]
    Compacted,
    /// The revision is above the store's.
    #[error("mvcc: required revision is a future revision")]
    FutureRevision,
    /// A put that keeps value or lease names a key that is not there.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// A put names a lease that is not there.
    #[error("lease not found")]
    LeaseNotFound,
    /// The file cannot be read, or holds what is no record.
    #[error(transparent)]
    Backend(#[from] backend::Error),
}

/// The result of the crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What a client is answered; `None` if the process has to end.
    #[must_use]
    pub const fn answer(&self) -> Option<proto::error::Error> {
        match self {
            Self::Compacted => Some(proto::error::Error::Compacted),
            Self::FutureRevision => Some(proto::error::Error::FutureRev),
            Self::KeyNotFound => Some(proto::error::Error::KeyNotFound),
            Self::LeaseNotFound => Some(proto::error::Error::LeaseNotFound),
            Self::Backend(_) => None,
        }
    }
}

/// A record of `state`'s file that is not what it should be.
pub(crate) fn corrupted(
    state: &backend::Committed,
    key: RecordKey,
    expected: &'static str,
    found: &[u8],
) -> backend::Error {
    let bytes = key.to_bytes();
    state.corrupted(Malformed::new(Bucket::Key, &bytes[..key.len()], expected, found))
}
