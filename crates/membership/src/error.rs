//! Why a change of members is refused.

/// Why a change of members is refused. `Display` prints etcd's own text, which the promotion over
/// HTTP shows; clients of the API see the [wire](Self::wire) error.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The identity was removed, and does not come back.
    #[error("membership: ID removed")]
    IdRemoved,
    /// There is such a member already.
    #[error("membership: ID exists")]
    IdExists,
    /// There is no such member.
    #[error("membership: ID not found")]
    IdNotFound,
    /// Another member has the peer URL.
    #[error("membership: peerURL exists")]
    PeerUrlExists,
    /// Only a learner can be promoted.
    #[error("membership: can only promote a learner member")]
    NotLearner,
    /// There are as many learners as there may be.
    #[error("membership: too many learner members in cluster")]
    TooManyLearners,
    /// The entry is not what any etcd writes.
    #[error("membership: {0}")]
    Malformed(#[from] Malformed),
}

/// Bytes that should describe a member, and do not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed {what}: {reason}")]
pub struct Malformed {
    /// What the bytes should be.
    pub what: &'static str,
    /// What is wrong with them.
    pub reason: String,
}

impl Malformed {
    pub(crate) fn new(what: &'static str, reason: impl Into<String>) -> Self {
        Self { what, reason: reason.into() }
    }
}

impl Error {
    /// What clients of the API see.
    #[must_use]
    pub const fn wire(&self) -> proto::error::Error {
        use proto::error::Error as Wire;
        match self {
            Self::IdRemoved | Self::IdNotFound => Wire::MemberNotFound,
            Self::IdExists => Wire::MemberExist,
            Self::PeerUrlExists => Wire::PeerUrlExist,
            Self::NotLearner => Wire::MemberNotLearner,
            Self::TooManyLearners => Wire::TooManyLearners,
            Self::Malformed(_) => Wire::MemberBadUrls,
        }
    }
}
