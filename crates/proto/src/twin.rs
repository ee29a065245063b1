//! Wire twins: the answers on the hot paths, with keys and events as bytes that are encoded
//! already (design.md 3.1).
//!
//! A stored record is an encoded `mvccpb.KeyValue`, and a field that holds encoded bytes looks on
//! the wire like one that holds the message. So a twin encodes to the very bytes of its namesake in
//! [`etcdserverpb`] or [`mvccpb`] without decoding a record.
//!
//! Knows nothing of what is in the bytes: who builds a twin vouches for them.
//!
//! Invariant: for every message `m`, `Twin::from(&m)` encodes to the bytes of `m`; and a twin
//! decoded from those bytes encodes to them again.

use bytes::Bytes;
use prost::{Message, Oneof};

use crate::etcdserverpb::{self, ResponseHeader};
use crate::mvccpb;

/// Twin of [`etcdserverpb::RangeResponse`].
#[derive(Clone, PartialEq, Message)]
pub struct RangeResponse {
    /// As in the namesake.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// Encoded [`mvccpb::KeyValue`]s.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub kvs: Vec<Bytes>,
    /// As in the namesake.
    #[prost(bool, tag = "3")]
    pub more: bool,
    /// As in the namesake.
    #[prost(int64, tag = "4")]
    pub count: i64,
}

/// Twin of [`etcdserverpb::RangeStreamResponse`].
#[derive(Clone, PartialEq, Message)]
pub struct RangeStreamResponse {
    /// As in the namesake.
    #[prost(message, optional, tag = "1")]
    pub range_response: Option<RangeResponse>,
}

/// Twin of [`etcdserverpb::PutResponse`].
#[derive(Clone, PartialEq, Message)]
pub struct PutResponse {
    /// As in the namesake.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// An encoded [`mvccpb::KeyValue`].
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub prev_kv: Option<Bytes>,
}

/// Twin of [`etcdserverpb::DeleteRangeResponse`].
#[derive(Clone, PartialEq, Message)]
pub struct DeleteRangeResponse {
    /// As in the namesake.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// As in the namesake.
    #[prost(int64, tag = "2")]
    pub deleted: i64,
    /// Encoded [`mvccpb::KeyValue`]s.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub prev_kvs: Vec<Bytes>,
}

/// Twin of [`etcdserverpb::TxnResponse`].
#[derive(Clone, PartialEq, Message)]
pub struct TxnResponse {
    /// As in the namesake.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// As in the namesake.
    #[prost(bool, tag = "2")]
    pub succeeded: bool,
    /// As in the namesake.
    #[prost(message, repeated, tag = "3")]
    pub responses: Vec<ResponseOp>,
}

/// Twin of [`etcdserverpb::ResponseOp`].
#[derive(Clone, PartialEq, Message)]
pub struct ResponseOp {
    /// As in the namesake.
    #[prost(oneof = "Response", tags = "1, 2, 3, 4")]
    pub response: Option<Response>,
}

/// Twin of [`etcdserverpb::response_op::Response`].
#[derive(Clone, PartialEq, Oneof)]
#[allow(missing_docs)]
pub enum Response {
    #[prost(message, tag = "1")]
    ResponseRange(RangeResponse),
    #[prost(message, tag = "2")]
    ResponsePut(PutResponse),
    #[prost(message, tag = "3")]
    ResponseDeleteRange(DeleteRangeResponse),
    #[prost(message, tag = "4")]
    ResponseTxn(TxnResponse),
}

/// Twin of [`etcdserverpb::WatchResponse`].
#[derive(Clone, PartialEq, Message)]
pub struct WatchResponse {
    /// As in the namesake.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// As in the namesake.
    #[prost(int64, tag = "2")]
    pub watch_id: i64,
    /// As in the namesake.
    #[prost(bool, tag = "3")]
    pub created: bool,
    /// As in the namesake.
    #[prost(bool, tag = "4")]
    pub canceled: bool,
    /// As in the namesake.
    #[prost(int64, tag = "5")]
    pub compact_revision: i64,
    /// As in the namesake.
    #[prost(string, tag = "6")]
    pub cancel_reason: String,
    /// As in the namesake.
    #[prost(bool, tag = "7")]
    pub fragment: bool,
    /// Encoded [`mvccpb::Event`]s, each encoded once for any number of watchers ([`Event`]).
    #[prost(bytes = "bytes", repeated, tag = "11")]
    pub events: Vec<Bytes>,
}

/// Twin of [`mvccpb::Event`].
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// As in the namesake.
    #[prost(enumeration = "mvccpb::event::EventType", tag = "1")]
    pub r#type: i32,
    /// An encoded [`mvccpb::KeyValue`].
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub kv: Option<Bytes>,
    /// An encoded [`mvccpb::KeyValue`].
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub prev_kv: Option<Bytes>,
}

fn encoded<M: Message>(message: &M) -> Bytes {
    message.encode_to_vec().into()
}

impl From<&etcdserverpb::RangeResponse> for RangeResponse {
    fn from(real: &etcdserverpb::RangeResponse) -> Self {
        let etcdserverpb::RangeResponse { header, kvs, more, count } = real;
        let kvs = kvs.iter().map(encoded).collect();
        Self { header: *header, kvs, more: *more, count: *count }
    }
}

impl From<&etcdserverpb::RangeStreamResponse> for RangeStreamResponse {
    fn from(real: &etcdserverpb::RangeStreamResponse) -> Self {
        Self { range_response: real.range_response.as_ref().map(Into::into) }
    }
}

impl From<&etcdserverpb::PutResponse> for PutResponse {
    fn from(real: &etcdserverpb::PutResponse) -> Self {
        Self { header: real.header, prev_kv: real.prev_kv.as_ref().map(encoded) }
    }
}

impl From<&etcdserverpb::DeleteRangeResponse> for DeleteRangeResponse {
    fn from(real: &etcdserverpb::DeleteRangeResponse) -> Self {
        let etcdserverpb::DeleteRangeResponse { header, deleted, prev_kvs } = real;
        let prev_kvs = prev_kvs.iter().map(encoded).collect();
        Self { header: *header, deleted: *deleted, prev_kvs }
    }
}

impl From<&etcdserverpb::TxnResponse> for TxnResponse {
    fn from(real: &etcdserverpb::TxnResponse) -> Self {
        let etcdserverpb::TxnResponse { header, succeeded, responses } = real;
        let responses = responses.iter().map(Into::into).collect();
        Self { header: *header, succeeded: *succeeded, responses }
    }
}

impl From<&etcdserverpb::ResponseOp> for ResponseOp {
    fn from(real: &etcdserverpb::ResponseOp) -> Self {
        use etcdserverpb::response_op::Response as Real;
        let response = real.response.as_ref().map(|response| match response {
            Real::ResponseRange(range) => Response::ResponseRange(range.into()),
            Real::ResponsePut(put) => Response::ResponsePut(put.into()),
            Real::ResponseDeleteRange(delete) => Response::ResponseDeleteRange(delete.into()),
            Real::ResponseTxn(txn) => Response::ResponseTxn(txn.into()),
        });
        Self { response }
    }
}

impl From<&etcdserverpb::WatchResponse> for WatchResponse {
    fn from(real: &etcdserverpb::WatchResponse) -> Self {
        let real = real.clone();
        Self {
            header: real.header,
            watch_id: real.watch_id,
            created: real.created,
            canceled: real.canceled,
            compact_revision: real.compact_revision,
            cancel_reason: real.cancel_reason,
            fragment: real.fragment,
            events: real.events.iter().map(encoded).collect(),
        }
    }
}

impl From<&mvccpb::Event> for Event {
    fn from(real: &mvccpb::Event) -> Self {
        Self {
            r#type: real.r#type,
            kv: real.kv.as_ref().map(encoded),
            prev_kv: real.prev_kv.as_ref().map(encoded),
        }
    }
}

#[cfg(test)]
#[path = "twin_test.rs"]
mod tests;
