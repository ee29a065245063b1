//! Calls in the log: what each was about and how long it took, with a warning for the slow ones.
//!
//! Knows the messages of the key-value service; of others it tells the method alone, as etcd does.

use std::any::Any;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use api::Remote;
use prost::Message;
use proto::etcdserverpb as pb;
use proto::shown::Shown;
use proto::twin;
use telemetry::{GoDuration, Timestamp};

/// What of a call is told when it ends.
pub(crate) struct Stats {
    /// From when on a call is slow.
    slow: Duration,
    remote: Option<Remote>,
    began: Instant,
    request: Told,
}

/// A request, kept until its answer is there.
enum Told {
    Range(pb::RangeRequest),
    Put(pb::PutRequest),
    DeleteRange(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Other,
}

/// The numbers that are told of an exchange; -1 is unknown.
#[derive(PartialEq, Eq, Debug)]
struct Numbers {
    request_count: i64,
    request_bytes: i64,
    reply_count: i64,
    reply_bytes: i64,
}

impl Stats {
    pub(crate) fn begin<T: Any>(request: &T, remote: Option<Remote>, slow: Duration) -> Self {
        Self { slow, remote, began: Instant::now(), request: Told::of(request) }
    }

    /// The call has ended without an answer.
    pub(crate) fn fail(self, path: impl FnOnce() -> String) {
        self.end(path, None::<&()>);
    }

    /// The call has ended, with this reply if it was answered.
    pub(crate) fn end<T: Any>(self, path: impl FnOnce() -> String, reply: Option<&T>) {
        let took = self.began.elapsed();
        let is_slow = took > self.slow;
        if !is_slow && !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let Numbers { request_count, request_bytes, reply_count, reply_bytes } =
            numbers(&self.request, reply.map(|reply| reply as &dyn Any));
        let remote = self.remote.as_ref().map_or("No remote client info.", Remote::as_str);
        let (path, content) = (path(), self.request.shown());
        let start = start(took);
        let took = GoDuration::from(took);
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    "start time" = %start, "time spent" = %took, remote,
                    "response type" = %path, "request count" = request_count,
                    "request size" = request_bytes, "response count" = reply_count,
                    "response size" = reply_bytes, "request content" = %content,
                    "request stats"
                )
            };
        }
        if is_slow { tell!(warn) } else { tell!(debug) }
    }
}

/// When a call began that took so long.
fn start(took: Duration) -> Timestamp {
    let start = SystemTime::now().checked_sub(took).unwrap_or(UNIX_EPOCH);
    let nanos = start.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    Timestamp { unix_nanos: u64::try_from(nanos).unwrap_or(u64::MAX), offset_seconds: 0 }
}

impl Told {
    fn of(request: &dyn Any) -> Self {
        if let Some(range) = request.downcast_ref::<pb::RangeRequest>() {
            Self::Range(range.clone())
        } else if let Some(put) = request.downcast_ref::<pb::PutRequest>() {
            Self::Put(put.clone())
        } else if let Some(delete) = request.downcast_ref::<pb::DeleteRangeRequest>() {
            Self::DeleteRange(delete.clone())
        } else if let Some(txn) = request.downcast_ref::<pb::TxnRequest>() {
            Self::Txn(txn.clone())
        } else {
            Self::Other
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Range(range) => range.shown(),
            Self::Put(put) => put.shown(),
            Self::DeleteRange(delete) => delete.shown(),
            Self::Txn(txn) => txn.shown(),
            Self::Other => String::new(),
        }
    }
}

/// As etcd counts them: a range's keys with the reply, a put as one request, a transaction's
/// operations as those of the branch taken.
fn numbers(request: &Told, reply: Option<&dyn Any>) -> Numbers {
    let reply_as = |count: i64, bytes: usize| (count, bytes as i64);
    let ((request_count, request_bytes), (reply_count, reply_bytes)) = match request {
        Told::Range(range) => {
            let reply = reply.and_then(<dyn Any>::downcast_ref::<twin::RangeResponse>);
            let told = reply.map(|reply| reply_as(reply.count, reply.encoded_len()));
            ((0, range.encoded_len() as i64), told.unwrap_or_default())
        }
        Told::Put(put) => {
            let reply = reply.and_then(<dyn Any>::downcast_ref::<twin::PutResponse>);
            let told = reply.map(|reply| reply_as(0, reply.encoded_len()));
            ((1, put.encoded_len() as i64), told.unwrap_or_default())
        }
        Told::DeleteRange(delete) => {
            let reply = reply.and_then(<dyn Any>::downcast_ref::<twin::DeleteRangeResponse>);
            let told = reply.map(|reply| reply_as(reply.deleted, reply.encoded_len()));
            ((0, delete.encoded_len() as i64), told.unwrap_or_default())
        }
        Told::Txn(txn) => match reply.and_then(<dyn Any>::downcast_ref::<twin::TxnResponse>) {
            None => Default::default(),
            Some(reply) => {
                let ops = if reply.succeeded { &txn.success } else { &txn.failure };
                let bytes = ops.iter().map(|op| op.encoded_len() as i64).sum();
                ((ops.len() as i64, bytes), reply_as(0, reply.encoded_len()))
            }
        },
        Told::Other => ((-1, -1), (-1, -1)),
    };
    Numbers { request_count, request_bytes, reply_count, reply_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::etcdserverpb::request_op::Request;

    #[test]
    fn a_transaction_counts_the_branch_taken() {
        let range = pb::RangeRequest { key: "k".into(), ..Default::default() };
        let op = pb::RequestOp { request: Some(Request::RequestRange(range)) };
        let bytes = op.encoded_len() as i64;
        let success = vec![op.clone(), op];
        let txn = Told::of(&pb::TxnRequest { success, ..Default::default() });
        let reply = |succeeded| twin::TxnResponse { succeeded, ..Default::default() };
        let taken = numbers(&txn, Some(&reply(true)));
        assert_eq!((taken.request_count, taken.request_bytes), (2, 2 * bytes));
        assert_eq!(numbers(&txn, Some(&reply(false))).request_count, 0);
    }

    #[test]
    fn other_methods_have_no_numbers() {
        let status = Told::of(&pb::StatusRequest::default());
        let told = numbers(&status, Some(&pb::StatusResponse::default()));
        let unknown =
            Numbers { request_count: -1, request_bytes: -1, reply_count: -1, reply_bytes: -1 };
        assert_eq!(told, unknown);
        assert_eq!(status.shown(), "");
    }
}
