//! The errors that a server answers with: one table of gRPC codes and exact texts
//! (`compat/errors.tsv`).
//!
//! Knows no transport and no cause: who answers with which error is decided above.
//!
//! Invariants: a text belongs to one code, which is the one on the wire; a text once in the table
//! is never changed, since clients of every version compare it.

use std::borrow::Cow;
use std::fmt;

/// gRPC's status codes. `Display` prints Go's names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs)]
pub enum Code {
    Ok = 0,
    Canceled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("OK"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}

macro_rules! table {
    ($($(#[$doc:meta])* $variant:ident: $code:ident, $text:literal;)+) => {
        /// An error with a text of its own. `Display` prints the text.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[allow(missing_docs)]
        pub enum Error {
            $($(#[$doc])* $variant,)+
        }

        impl Error {
            /// Every error, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code that is on the wire.
            #[must_use]
            pub const fn code(self) -> Code {
                match self {
                    $(Self::$variant => Code::$code,)+
                }
            }

            /// The exact text.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The error with this text.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

table! {
    EmptyKey: InvalidArgument, "etcdserver: key is not provided";
    /// Of an operation that is none, too.
    KeyNotFound: InvalidArgument, "etcdserver: key not found";
    ValueProvided: InvalidArgument, "etcdserver: value is provided";
    LeaseProvided: InvalidArgument, "etcdserver: lease is provided";
    TooManyOps: InvalidArgument, "etcdserver: too many operations in txn request";
    DuplicateKey: InvalidArgument, "etcdserver: duplicate key given in txn request";
    InvalidClientApiVersion: InvalidArgument, "etcdserver: invalid client api version";
    InvalidSortOption: InvalidArgument, "etcdserver: invalid sort option";
    Compacted: OutOfRange, "etcdserver: mvcc: required revision has been compacted";
    FutureRev: OutOfRange, "etcdserver: mvcc: required revision is a future revision";
    NoSpace: ResourceExhausted, "etcdserver: mvcc: database space exceeded";
    RangeStreamSortOrder: Unimplemented, "RangeStream does not support custom sort orders";
    RangeStreamRevisionFilter: Unimplemented, "RangeStream does not support revision filters";
    RangeStreamAdapter: Unimplemented, "RangeStream is not supported by the KV client adapter";
    RangeStreamProxy: Unimplemented, "RangeStream is not supported by the gRPC proxy";

    LeaseNotFound: NotFound, "etcdserver: requested lease not found";
    LeaseExist: FailedPrecondition, "etcdserver: lease already exists";
    LeaseTtlTooLarge: OutOfRange, "etcdserver: too large lease TTL";
    /// Of a server that lost leadership while it answered for leases.
    NotPrimaryLessor: Unknown, "not a primary lessor";

    WatchCanceled: Canceled, "etcdserver: watch canceled";

    MemberExist: FailedPrecondition, "etcdserver: member ID already exist";
    PeerUrlExist: FailedPrecondition, "etcdserver: Peer URLs already exists";
    /// `Unknown`, since Go's server answers with the client's form of this error, which has no code.
    MemberNotEnoughStarted: Unknown,
        "etcdserver: re-configuration failed due to not enough started members";
    MemberBadUrls: InvalidArgument, "etcdserver: given member URLs are invalid";
    MemberNotFound: NotFound, "etcdserver: member not found";
    MemberNotLearner: FailedPrecondition, "etcdserver: can only promote a learner member";
    LearnerNotReady: FailedPrecondition,
        "etcdserver: can only promote a learner member which is in sync with leader";
    TooManyLearners: FailedPrecondition, "etcdserver: too many learner members in cluster";
    ClusterIdMismatch: FailedPrecondition, "etcdserver: cluster ID mismatch";

    RequestTooLarge: InvalidArgument, "etcdserver: request is too large";
    /// `Unknown` for the reason given at [`MemberNotEnoughStarted`](Self::MemberNotEnoughStarted).
    TooManyRequests: Unknown, "etcdserver: too many requests";

    RootUserNotExist: FailedPrecondition, "etcdserver: root user does not exist";
    RootRoleNotExist: FailedPrecondition, "etcdserver: root user does not have root role";
    UserAlreadyExist: FailedPrecondition, "etcdserver: user name already exists";
    UserEmpty: InvalidArgument, "etcdserver: user name is empty";
    UserNotFound: FailedPrecondition, "etcdserver: user name not found";
    RoleAlreadyExist: FailedPrecondition, "etcdserver: role name already exists";
    RoleNotFound: FailedPrecondition, "etcdserver: role name not found";
    RoleEmpty: InvalidArgument, "etcdserver: role name is empty";
    AuthFailed: InvalidArgument,
        "etcdserver: authentication failed, invalid user ID or password";
    /// Of a password login as a user without one. Not in Go's mapping, hence code and prefix.
    NoPasswordUser: Unknown,
        "auth: authentication failed, password was given for no password user";
    PermissionNotGiven: InvalidArgument, "etcdserver: permission not given";
    PermissionDenied: PermissionDenied, "etcdserver: permission denied";
    RoleNotGranted: FailedPrecondition, "etcdserver: role is not granted to the user";
    PermissionNotGranted: FailedPrecondition, "etcdserver: permission is not granted to the role";
    AuthNotEnabled: FailedPrecondition, "etcdserver: authentication is not enabled";
    InvalidAuthToken: Unauthenticated, "etcdserver: invalid auth token";
    InvalidAuthMgmt: InvalidArgument, "etcdserver: invalid auth management";
    AuthOldRevision: InvalidArgument, "etcdserver: revision of auth store is old";

    NoLeader: Unavailable, "etcdserver: no leader";
    NotLeader: FailedPrecondition, "etcdserver: not leader";
    LeaderChanged: Unavailable, "etcdserver: leader changed";
    NotCapable: FailedPrecondition, "etcdserver: not capable";
    Stopped: Unavailable, "etcdserver: server stopped";
    Timeout: Unavailable, "etcdserver: request timed out";
    TimeoutDueToLeaderFail: Unavailable,
        "etcdserver: request timed out, possibly due to previous leader failure";
    TimeoutDueToConnectionLost: Unavailable,
        "etcdserver: request timed out, possibly due to connection lost";
    TimeoutWaitAppliedIndex: Unavailable,
        "etcdserver: request timed out, waiting for the applied index took too long";
    TimeoutLeaderTransfer: Unknown,
        "etcdserver: request timed out, leader transfer took too long";
    Unhealthy: Unavailable, "etcdserver: unhealthy cluster";
    Corrupt: DataLoss, "etcdserver: corrupt cluster";
    NotSupportedForLearner: FailedPrecondition, "etcdserver: rpc not supported for learner";
    BadLeaderTransferee: FailedPrecondition, "etcdserver: bad leader transferee";
    UnknownMethod: Unknown, "etcdserver: unknown method";

    WrongDowngradeVersionFormat: InvalidArgument,
        "etcdserver: wrong downgrade target version format";
    InvalidDowngradeTargetVersion: InvalidArgument,
        "etcdserver: invalid downgrade target version";
    ClusterVersionUnavailable: FailedPrecondition,
        "etcdserver: cluster version not found during downgrade";
    DowngradeInProcess: FailedPrecondition, "etcdserver: cluster has a downgrade job in progress";
    NoInflightDowngrade: FailedPrecondition, "etcdserver: no inflight downgrade job";

    Canceled: Canceled, "etcdserver: request canceled";
    DeadlineExceeded: DeadlineExceeded, "etcdserver: context deadline exceeded";
    /// Where Go passes its context's error through: the client gave up.
    ContextCanceled: Canceled, "context canceled";
    /// Where Go passes its context's error through: the client's deadline passed.
    ContextDeadlineExceeded: DeadlineExceeded, "context deadline exceeded";
    ClientClosing: Canceled, "the client connection is closing";

    ElectionNotLeader: Unknown, "election: not leader";
    ElectionNoLeader: Unknown, "election: no leader";
    ElectionMissingLeaderKey: Unknown, "\"leader\" field must be provided";
    MutexSessionExpired: Unknown, "mutex: session is expired";
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Error {}

/// What an RPC ends with when it fails: a code and a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// The text.
    pub message: Cow<'static, str>,
}

impl Status {
    /// A status with a text outside the table.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The same text without a code of its own, as the Lock and Election services answer: they are
    /// clients inside Go's server, and a client's error carries no code.
    #[must_use]
    pub fn into_unknown(self) -> Self {
        Self { code: Code::Unknown, ..self }
    }

    /// For a request of `size` bytes where `limit` are allowed, in grpc-go's words.
    #[must_use]
    pub fn message_too_large(size: usize, limit: usize) -> Self {
        let text = format!("grpc: received message larger than max ({size} vs. {limit})");
        Self::new(Code::ResourceExhausted, text)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.text())
    }
}

/// Prints as grpc-go does, which is also what some cancel reasons of watches are.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rpc error: code = {} desc = {}", self.code, self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose text holds a placeholder, with the reason for the exception.
    const PLACEHOLDERS: [&str; 2] = [
        "(any other text)",
        // `Status::message_too_large`
        "grpc: received message larger than max (N vs. M)",
    ];

    #[test]
    fn every_row_of_the_interface_is_in_the_table() {
        let rows = include_str!("../testdata/errors.tsv").lines().skip(1);
        let mut checked = 0;
        for row in rows {
            let columns: Vec<&str> = row.split('\t').collect();
            let (number, text, last_version) = (columns[1], columns[2], columns[6]);
            if PLACEHOLDERS.contains(&text) || !last_version.is_empty() {
                continue;
            }
            let error = Error::from_text(text).unwrap_or_else(|| panic!("no error says: {text}"));
            let without_code = columns[7].contains("wire code is Unknown");
            let expected = if without_code { 2 } else { number.parse().unwrap() };
            assert_eq!(error.code().number(), expected, "{text}");
            checked += 1;
        }
        assert_eq!(checked, 71);
    }

    #[test]
    fn texts_lead_back_to_their_errors() {
        for error in Error::ALL {
            assert_eq!(Error::from_text(error.text()), Some(*error));
        }
    }

    #[test]
    fn a_status_prints_as_in_go() {
        assert_eq!(
            Status::from(Error::PermissionDenied).to_string(),
            "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
        );
        assert_eq!(
            Status::message_too_large(2_097_157, 2_097_152).message,
            "grpc: received message larger than max (2097157 vs. 2097152)"
        );
    }
}
