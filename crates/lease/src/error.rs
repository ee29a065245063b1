//! What a caller can do wrong with leases.

/// Why a request about a lease is refused. `Display` prints the text that clients see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// There is no such lease.
    #[error("{}", proto::error::Error::LeaseNotFound)]
    NotFound,
    /// The id is taken.
    #[error("{}", proto::error::Error::LeaseExist)]
    Exists,
    /// The time to live is above [`TTL_MAX`](crate::TTL_MAX).
    #[error("{}", proto::error::Error::LeaseTtlTooLarge)]
    TtlTooLarge,
    /// Only the leader knows deadlines, and this member is not it, or not any more.
    #[error("{}", proto::error::Error::NotPrimaryLessor)]
    NotPrimary,
}

impl From<Error> for proto::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::LeaseNotFound,
            Error::Exists => Self::LeaseExist,
            Error::TtlTooLarge => Self::LeaseTtlTooLarge,
            Error::NotPrimary => Self::NotPrimaryLessor,
        }
    }
}
