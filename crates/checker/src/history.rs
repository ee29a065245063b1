//! What clients saw of a cluster: every call with its beginning and end, every watch with all that
//! it received, and what members answered when all was quiet.
//!
//! Invariants that who records has to keep: all times come from one monotonic clock; values of puts
//! are unique in a history, but for puts that keep the value that is there; what is not known to
//! have failed is [`Outcome::Unknown`].

use bytes::Bytes;
use proto::error::Error as Known;
use proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, DeleteRangeResponse, LeaseGrantRequest,
    LeaseTimeToLiveResponse, PutRequest, PutResponse, RangeRequest, RangeResponse, TxnRequest,
    TxnResponse, WatchCreateRequest, WatchResponse,
};
use proto::mvccpb::{Event, KeyValue};
use std::fmt;
use std::time::Duration;
use types::LeaseId;

/// A moment: the time since a history's beginning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Time(pub Duration);

impl Time {
    /// The beginning.
    pub const ZERO: Self = Self(Duration::ZERO);
    /// Later than everything.
    pub const NEVER: Self = Self(Duration::MAX);

    /// The moment in seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The moment in milliseconds.
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// This much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            f.write_str("never")
        } else {
            write!(f, "{:.6}s", self.0.as_secs_f64())
        }
    }
}

/// A member, by a number that the one who records gives it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Member(pub u32);

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0 + 1)
    }
}

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What was there before the first call.
    pub base: Base,
    /// In any order.
    pub operations: Vec<Operation>,
    /// In any order.
    pub watches: Vec<Watch>,
    /// When members were started again: what they say may go back then.
    pub starts: Vec<(Member, Time)>,
    /// Answers to `HashKV`.
    pub hashes: Vec<Hash>,
    /// What members held at the end.
    pub finals: Vec<Final>,
    /// When the recording ended.
    pub end: Time,
    /// Watches that were open at the end have everything up to this revision; all of it, without.
    pub settled: Option<i64>,
    /// A lease that nobody keeps alive has to be gone so long after its time to live; `None` asks
    /// for no end.
    pub lease_grace: Option<Duration>,
}

/// The state that a history begins with.
#[derive(Clone, Debug)]
pub struct Base {
    /// The revision before the history's first.
    pub revision: i64,
    /// Up to where the history before it is compacted.
    pub compact_revision: i64,
    /// Every key at that revision.
    pub kvs: Vec<KeyValue>,
}

impl Default for Base {
    /// An empty store.
    fn default() -> Self {
        Self { revision: 1, compact_revision: 0, kvs: Vec::new() }
    }
}

/// A call of a client to a member.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Who called.
    pub client: u32,
    /// Who was called.
    pub member: Member,
    /// Before the call was sent.
    pub begin: Time,
    /// What was asked for.
    pub call: Call,
    /// What came of it.
    pub outcome: Outcome,
}

/// What is asked for.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "named as the calls of the API")]
pub enum Call {
    Range(RangeRequest),
    Put(PutRequest),
    Delete(DeleteRangeRequest),
    Txn(TxnRequest),
    Compact(CompactionRequest),
    Grant(LeaseGrantRequest),
    Revoke(LeaseId),
    KeepAlive(LeaseId),
    TimeToLive(LeaseId),
}

/// What came of a call.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// It was answered.
    Done {
        /// After the answer arrived.
        end: Time,
        /// The answer's header.
        header: Header,
        /// The answer.
        reply: Reply,
    },
    /// It was refused, and changed nothing for certain.
    Refused {
        /// After the refusal arrived.
        end: Time,
        /// Why.
        reason: Refusal,
    },
    /// It may have been carried out at any time after its beginning, or may be yet, or never.
    Unknown,
}

impl Outcome {
    /// What an error with this message, which came at `end`, means for the call.
    #[must_use]
    pub fn of_error(message: &str, end: Time) -> Self {
        let reason = match Known::from_text(message) {
            Some(Known::Compacted) => Refusal::Compacted,
            Some(Known::FutureRev) => Refusal::Future,
            Some(Known::LeaseNotFound) => Refusal::LeaseNotFound,
            Some(Known::LeaseExist) => Refusal::LeaseExists,
            Some(Known::KeyNotFound) => Refusal::KeyNotFound,
            Some(
                Known::NoSpace
                | Known::TooManyRequests
                | Known::DuplicateKey
                | Known::UserEmpty
                | Known::InvalidAuthToken
                | Known::AuthOldRevision
                | Known::PermissionDenied,
            ) => Refusal::Other(message.to_owned()),
            _ => return Self::Unknown,
        };
        Self::Refused { end, reason }
    }
}

/// What every answer says of the member that gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// The member's id in the cluster.
    pub member_id: u64,
    /// The revision.
    pub revision: i64,
    /// The term.
    pub raft_term: u64,
}

/// An answer.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "named as the calls of the API")]
pub enum Reply {
    Range(RangeResponse),
    Put(PutResponse),
    Delete(DeleteRangeResponse),
    Txn(TxnResponse),
    Compact,
    /// The granted seconds.
    Grant {
        id: LeaseId,
        ttl: i64,
    },
    Revoke,
    /// The seconds; zero or less says that there is no such lease.
    KeepAlive {
        ttl: i64,
    },
    TimeToLive(LeaseTimeToLiveResponse),
}

/// Why a call was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The revision is compacted.
    Compacted,
    /// The revision is not there yet.
    Future,
    /// There is no such lease.
    LeaseNotFound,
    /// There is such a lease already.
    LeaseExists,
    /// A put that keeps what is there found nothing.
    KeyNotFound,
    /// Anything else that is certain to have changed nothing.
    Other(String),
}

/// One watch on one stream.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Who watched.
    pub client: u32,
    /// Where.
    pub member: Member,
    /// Before the request was sent.
    pub begin: Time,
    /// What was asked for.
    pub request: WatchCreateRequest,
    /// The revision in the header of the answer to the creation, if there was one.
    pub created_revision: Option<i64>,
    /// What came then, in order.
    pub responses: Vec<WatchAnswer>,
    /// Whether the stream was still there at the end of the history: then everything has to have
    /// come.
    pub live: bool,
    /// The watch, by its place in the history, that this one goes on with after a broken stream.
    pub follows: Option<usize>,
}

/// A response of a watch.
#[derive(Clone, Debug, Default)]
pub struct WatchAnswer {
    /// When it arrived.
    pub at: Time,
    /// The revision in its header.
    pub revision: i64,
    /// Its events.
    pub events: Vec<Event>,
    /// More of this response comes with the next one.
    pub fragment: bool,
    /// The watch ends with this.
    pub canceled: bool,
    /// With the end: the revision up to which the history is compacted.
    pub compact_revision: i64,
    /// With the end: why.
    pub reason: String,
}

impl WatchAnswer {
    /// What a response that arrived at this time says.
    #[must_use]
    pub fn of(at: Time, response: WatchResponse) -> Self {
        Self {
            at,
            revision: response.header.as_ref().map_or(0, |header| header.revision),
            events: response.events,
            fragment: response.fragment,
            canceled: response.canceled,
            compact_revision: response.compact_revision,
            reason: response.cancel_reason,
        }
    }

    /// The revision from which a watch misses nothing behind this; `None` where it says nothing of
    /// that.
    #[must_use]
    pub fn next(&self) -> Option<i64> {
        match self.events.last().and_then(|event| event.kv.as_ref()) {
            Some(kv) if !self.fragment => Some(kv.mod_revision + 1),
            None if self.is_progress() => Some(self.revision + 1),
            _ => None,
        }
    }

    /// Whether it says that everything up to its revision was sent.
    #[must_use]
    pub fn is_progress(&self) -> bool {
        self.events.is_empty() && !self.canceled && !self.fragment
    }
}

/// An answer to `HashKV`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hash {
    /// Who answered.
    pub member: Member,
    /// Which revision was hashed.
    pub revision: i64,
    /// Up to where the history was compacted then.
    pub compact_revision: i64,
    /// The hash.
    pub hash: u32,
}

/// What a member held at the end, when nothing was written any more but by leases.
#[derive(Clone, Debug)]
pub struct Final {
    /// The member.
    pub member: Member,
    /// Its revision.
    pub revision: i64,
    /// All keys.
    pub kvs: Vec<KeyValue>,
}

impl Call {
    /// Whether the answer's place among all others is promised: everything but what says that it
    /// may be stale, and what the API answers without asking the cluster.
    #[must_use]
    pub fn is_linearizable(&self) -> bool {
        match self {
            Self::Range(request) => !request.serializable,
            Self::Txn(request) => !crate::evaluate::is_serializable(request),
            Self::Put(_) | Self::Delete(_) | Self::Compact(_) => true,
            Self::Grant(_) | Self::Revoke(_) => true,
            Self::KeepAlive(_) | Self::TimeToLive(_) => false,
        }
    }
}

impl Operation {
    /// When the answer arrived; never for what was not answered.
    #[must_use]
    pub const fn end(&self) -> Time {
        match self.outcome {
            Outcome::Done { end, .. } | Outcome::Refused { end, .. } => end,
            Outcome::Unknown => Time::NEVER,
        }
    }

    /// The answer's header, if there was an answer.
    #[must_use]
    pub const fn header(&self) -> Option<Header> {
        match self.outcome {
            Outcome::Done { header, .. } => Some(header),
            Outcome::Refused { .. } | Outcome::Unknown => None,
        }
    }
}

/// A key for reports.
#[must_use]
pub fn show(bytes: &Bytes) -> String {
    bytes.escape_ascii().to_string().chars().take(60).collect()
}
