//! Those who wait for the same thing stand in a queue: keys under one prefix, each on its holder's
//! lease, in the order of their creation. The first has it.
//!
//! This is the layout of clientv3's `concurrency`, so that its users and ours wait for each other.
//!
//! Invariants: a holder's key is `<prefix>/<lease in hexadecimal>`; nobody is ahead of a key except
//! those created before it.

use std::sync::Arc;

use bytes::Bytes;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response;
use proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RangeResponse, RequestOp,
    ResponseHeader, TxnRequest, TxnResponse, WatchCreateRequest,
};
use proto::mvccpb::KeyValue;
use proto::mvccpb::event::EventType;

use crate::client::{Client, Safety};
use crate::error::Error;
use crate::grpc::etcdserverpb::kv_client::KvClient;
use crate::session::Session;
use crate::watch::Watch;

/// A place in a queue.
#[derive(Debug)]
pub(crate) struct Place {
    pub key: Bytes,
    /// The revision in which the key was created.
    pub revision: i64,
    /// Of the answer that gave the place.
    pub header: ResponseHeader,
    /// The value that the key already had, when the session stood in the queue before.
    pub found: Option<KeyValue>,
    prefix: Bytes,
}

/// Enters a queue at its end; a session that stands in it keeps its place.
pub(crate) async fn enter(session: &Session, name: &[u8], value: &[u8]) -> Result<Place, Error> {
    let prefix = Bytes::from([name, b"/"].concat());
    let key = Bytes::from([&prefix[..], format!("{:x}", session.lease().0).as_bytes()].concat());
    let put = PutRequest {
        key: key.clone(),
        value: Bytes::copy_from_slice(value),
        lease: session.lease().0,
        ..PutRequest::default()
    };
    let get = RangeRequest { key: key.clone(), ..RangeRequest::default() };
    let txn = TxnRequest {
        compare: vec![created_in(&key, 0)],
        success: vec![operation(Request::RequestPut(put))],
        failure: vec![operation(Request::RequestRange(get))],
    };
    let response = transact(session.client(), txn).await?;
    let header = response.header.unwrap_or_default();
    let found = match response.responses.into_iter().next().and_then(|op| op.response) {
        Some(Response::ResponseRange(range)) => range.kvs.into_iter().next(),
        _ => None,
    };
    let revision = found.as_ref().map_or(header.revision, |kv| kv.create_revision);
    Ok(Place { key, revision, header, found, prefix })
}

impl Place {
    /// Waits until nobody is ahead.
    pub(crate) async fn wait(&self, client: &Arc<Client>) -> Result<(), Error> {
        loop {
            let ahead = RangeRequest {
                key: self.prefix.clone(),
                range_end: end_of_prefix(&self.prefix),
                limit: 1,
                sort_order: SortOrder::Descend.into(),
                sort_target: SortTarget::Create.into(),
                max_create_revision: self.revision - 1,
                ..RangeRequest::default()
            };
            let response = read(client, ahead).await?;
            let Some(last) = response.kvs.into_iter().next() else { return Ok(()) };
            let revision = response.header.unwrap_or_default().revision;
            wait_for_delete(client, last.key, revision).await?;
        }
    }

    /// Leaves the queue, if the place is still its own.
    pub(crate) async fn leave(&self, client: &Client) -> Result<ResponseHeader, Error> {
        let delete = DeleteRangeRequest { key: self.key.clone(), ..DeleteRangeRequest::default() };
        let txn = TxnRequest {
            compare: vec![created_in(&self.key, self.revision)],
            success: vec![operation(Request::RequestDeleteRange(delete))],
            failure: Vec::new(),
        };
        Ok(transact(client, txn).await?.header.unwrap_or_default())
    }
}

/// Waits until a key that was there at a revision is deleted.
async fn wait_for_delete(client: &Arc<Client>, key: Bytes, revision: i64) -> Result<(), Error> {
    let request =
        WatchCreateRequest { key, start_revision: revision, ..WatchCreateRequest::default() };
    let mut watch = Watch::new(client.clone(), request);
    while let Some(response) = watch.next().await? {
        if response.events.iter().any(|event| event.r#type() == EventType::Delete) {
            return Ok(());
        }
    }
    Err(Error::WatchLost)
}

/// The first in a queue.
pub(crate) async fn first(client: &Client, prefix: &[u8]) -> Result<RangeResponse, Error> {
    let range = RangeRequest {
        key: Bytes::copy_from_slice(prefix),
        range_end: end_of_prefix(prefix),
        limit: 1,
        sort_order: SortOrder::Ascend.into(),
        sort_target: SortTarget::Create.into(),
        ..RangeRequest::default()
    };
    read(client, range).await
}

/// Reads.
pub(crate) async fn read(client: &Client, range: RangeRequest) -> Result<RangeResponse, Error> {
    let send = |channel| {
        let range = range.clone();
        let mut kv = KvClient::new(channel).max_decoding_message_size(usize::MAX);
        async move { kv.range(range).await }
    };
    client.call(Safety::Read, send).await
}

pub(crate) async fn transact(client: &Client, txn: TxnRequest) -> Result<TxnResponse, Error> {
    let send = |channel| {
        let txn = txn.clone();
        async move { KvClient::new(channel).txn(txn).await }
    };
    client.call(Safety::Write, send).await
}

pub(crate) fn operation(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

/// The condition that a key was created in a revision; 0: that it is not there.
pub(crate) fn created_in(key: &Bytes, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.clone(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
        range_end: Bytes::new(),
    }
}

/// The end of the range of all keys with a prefix: the prefix with its last byte that can be raised
/// raised; one zero byte ("to the end") where there is none.
#[must_use]
pub fn end_of_prefix(prefix: &[u8]) -> Bytes {
    match prefix.iter().rposition(|byte| *byte < 0xff) {
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            Bytes::from(end)
        }
        None => Bytes::from_static(b"\0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(end_of_prefix(b"abc"), &b"abd"[..]);
        assert_eq!(end_of_prefix(b"a\xff\xff"), &b"b"[..]);
        assert_eq!(end_of_prefix(b"\xff"), &b"\0"[..]);
        assert_eq!(end_of_prefix(b""), &b"\0"[..]);
    }
}
