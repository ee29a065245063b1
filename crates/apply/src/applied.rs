//! What came of an entry.

use auth::Login;
use lease::Lease;
use membership::Change;
use mvcc::{CompactionOrder, Counts};
use prost::Message as _;
use proto::RequestKind;
use proto::authpb::Permission;
use proto::error::Error;
use proto::etcdserverpb as pb;
use proto::raftpb::{ConfChangeV2, ConfState};
use proto::twin;
use proto::version::Version;
use types::{Index, LeaseId};

/// The result of one entry.
pub struct Applied {
    /// Where the entry stands.
    pub index: Index,
    /// The request that waits for it, on the member that proposed it; 0 for none.
    pub request_id: u64,
    /// What the request asks for; `None` if the entry is none, or of a form that 3.5 wrote.
    pub kind: Option<RequestKind>,
    /// The store's operations that it took.
    pub counts: Counts,
    /// The store's revision after it, for the answer's header.
    pub revision: i64,
    /// The answer, or the refusal. A refused request has changed nothing, and counts as applied.
    pub outcome: Result<Response, Error>,
    /// What `node` has to do about it, in order.
    pub effects: Vec<Effect>,
}

/// An answer without its header.
#[derive(Clone, PartialEq, Debug)]
pub enum Response {
    /// Nothing but a header.
    Empty,
    /// To a range.
    Range(twin::RangeResponse),
    /// To a put.
    Put(twin::PutResponse),
    /// To a delete.
    DeleteRange(twin::DeleteRangeResponse),
    /// To a transaction.
    Txn(twin::TxnResponse),
    /// To a grant.
    Lease(Lease),
    /// To any request about alarms.
    Alarms(Vec<pb::AlarmMember>),
    /// To a login.
    Login(Login),
    /// To a question for the state of authentication.
    AuthStatus(pb::AuthStatusResponse),
    /// Names: of a user's roles, of users, or of roles.
    Names(Vec<String>),
    /// To a question for a role.
    Permissions(Vec<Permission>),
    /// To a change of members: those there are now.
    Members(Vec<membership::Member>),
}

impl Response {
    /// How many bytes an answer about keys has without its header; `None` for others.
    #[must_use]
    pub fn encoded_len(&self) -> Option<usize> {
        match self {
            Self::Range(range) => Some(range.encoded_len()),
            Self::Put(put) => Some(put.encoded_len()),
            Self::DeleteRange(delete) => Some(delete.encoded_len()),
            Self::Txn(txn) => Some(txn.encoded_len()),
            _ => None,
        }
    }
}

/// What an entry asks of `node`.
pub enum Effect {
    /// Tell raft about a configuration change in the log.
    ConfChange {
        /// As it stands in the log; `None` if it was refused, so that it is not made.
        change: Option<ConfChangeV2>,
        /// The configuration after it, which raft's own has to equal.
        conf_state: ConfState,
    },
    /// A change of members was made.
    MembersChanged(Change),
    /// The first entry of a leader's term.
    TermBegun,
    /// A lease begins.
    LeaseGranted(Lease),
    /// A lease has ended.
    LeaseRevoked(LeaseId),
    /// What is left of a lease was noted.
    LeaseCheckpointed {
        /// Which.
        id: LeaseId,
        /// Seconds; 0 takes an earlier note back.
        remaining_ttl: i64,
    },
    /// Authentication changed.
    Auth(auth::Effect),
    /// Somebody logged in.
    LoggedIn(Login),
    /// A compaction has to be carried out: in the index, and once everything written so far is
    /// committed in the file.
    Compact(CompactionOrder),
    /// The database is beyond its quota: raise the alarm.
    NoSpace,
    /// Alarms were raised or ended.
    AlarmsChanged,
    /// The cluster version is another.
    ClusterVersion {
        /// Before; `None` if it was undecided.
        from: Option<Version>,
        /// From now on.
        to: Version,
    },
    /// A downgrade was begun or ended.
    DowngradeChanged,
}
