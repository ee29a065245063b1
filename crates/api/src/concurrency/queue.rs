//! Keys below a prefix as a queue in the order of their creation.

use bytes::Bytes;
use proto::error::Error as Known;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, WatchCreateRequest,
    WatchRequest,
};
use proto::mvccpb::{Event, KeyValue, event::EventType};
use proto::twin;

use crate::{Caller, Error, Service};

/// The end of the range of all keys with a prefix.
pub(super) fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end.into();
        }
    }
    Bytes::from_static(b"\0")
}

/// A range for the key below a prefix that was created first.
pub(super) fn first_created(prefix: &[u8]) -> RangeRequest {
    RangeRequest {
        key: Bytes::copy_from_slice(prefix),
        range_end: prefix_end(prefix),
        limit: 1,
        sort_order: SortOrder::Ascend.into(),
        sort_target: SortTarget::Create.into(),
        ..RangeRequest::default()
    }
}

/// A range for the key below a prefix that was created last, at or before a revision.
fn last_created(prefix: &[u8], create_revision_max: i64) -> RangeRequest {
    RangeRequest {
        sort_order: SortOrder::Descend.into(),
        max_create_revision: create_revision_max,
        ..first_created(prefix)
    }
}

/// A range for one key.
pub(super) fn get(key: &Bytes) -> RangeRequest {
    RangeRequest { key: key.clone(), ..RangeRequest::default() }
}

/// "The key was created at this revision"; 0 for "there is no such key".
pub(super) fn created_at(key: &Bytes, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.clone(),
        range_end: Bytes::new(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
    }
}

/// A put with a lease, inside of a transaction.
pub(super) fn put_op(key: &Bytes, value: Bytes, lease: i64) -> RequestOp {
    let put = PutRequest { key: key.clone(), value, lease, ..PutRequest::default() };
    RequestOp { request: Some(Request::RequestPut(put)) }
}

/// A range inside of a transaction.
pub(super) fn range_op(range: RangeRequest) -> RequestOp {
    RequestOp { request: Some(Request::RequestRange(range)) }
}

/// A delete of one key.
pub(super) fn delete(key: &Bytes) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key.clone(), ..DeleteRangeRequest::default() }
}

/// The first key-value of a range's answer.
pub(super) fn first_of(answer: &twin::RangeResponse) -> Option<KeyValue> {
    answer.kvs.first().and_then(|kv| proto::decode(kv.clone()).ok())
}

/// The first key-value of the answer to one operation of a transaction.
pub(super) fn first_of_op(answer: &twin::TxnResponse, op: usize) -> Option<KeyValue> {
    match answer.responses.get(op)?.response.as_ref()? {
        twin::Response::ResponseRange(range) => first_of(range),
        _ => None,
    }
}

/// The revision in an answer's header.
pub(super) fn revision(header: Option<&proto::etcdserverpb::ResponseHeader>) -> i64 {
    header.map_or(0, |header| header.revision)
}

/// Events of a watch on one range.
pub(super) struct Watch {
    // Dropped together with the replies, which ends the watch.
    _requests: crate::Requests<WatchRequest>,
    replies: crate::Replies<twin::WatchResponse>,
}

impl Watch {
    /// Watches a key or range from a revision on.
    pub(super) async fn start<S: Service>(
        service: &S,
        caller: &Caller,
        key: Bytes,
        range_end: Bytes,
        start_revision: i64,
    ) -> Result<Self, Error> {
        let (requests, replies) = service.watch(caller).await?;
        let create =
            WatchCreateRequest { key, range_end, start_revision, ..WatchCreateRequest::default() };
        let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        requests.send(request).await;
        Ok(Self { _requests: requests, replies })
    }

    /// The next events, with the revision of their header.
    pub(super) async fn next(&mut self) -> Result<(i64, Vec<Event>), Error> {
        let lost = || Error::from(Known::WatchCanceled);
        let answer = self.replies.next().await.ok_or_else(lost)??;
        if answer.compact_revision != 0 {
            return Err(Known::Compacted.into());
        }
        if answer.canceled {
            return Err(lost());
        }
        let events = answer.events.into_iter().map(proto::decode);
        let events = events.collect::<Result<_, _>>().map_err(|_| lost())?;
        Ok((revision(answer.header.as_ref()), events))
    }
}

/// Waits until every key below the prefix that was created at or before a revision is gone.
pub(super) async fn wait_for_deletes<S: Service>(
    service: &S,
    caller: &Caller,
    prefix: &[u8],
    create_revision_max: i64,
) -> Result<(), Error> {
    loop {
        let answer = service.range(caller, last_created(prefix, create_revision_max)).await?;
        let Some(last) = first_of(&answer) else { return Ok(()) };
        let from = revision(answer.header.as_ref());
        let mut watch = Watch::start(service, caller, last.key, Bytes::new(), from).await?;
        while !watch.next().await?.1.iter().any(|event| event.r#type() == EventType::Delete) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_prefixes() {
        assert_eq!(prefix_end(b"ab"), Bytes::from_static(b"ac"));
        assert_eq!(prefix_end(b"a\xff"), Bytes::from_static(b"b"));
        assert_eq!(prefix_end(b"\xff"), Bytes::from_static(b"\0"));
    }
}
