//! Sends a request and keeps what two servers have to have in common.

use super::generator::Request;
use super::support::Api;
use proto::etcdserverpb::request_op::Request as Op;
use proto::etcdserverpb::response_op::Response as OpResponse;
use proto::etcdserverpb::{
    LeaseLeasesRequest, RangeRequest, RangeResponse, ResponseHeader, TxnRequest, TxnResponse,
};
use tonic::Code;

/// What came back, with the server's own ids taken out.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    Done {
        /// From the header.
        revision: i64,
        /// Everything else.
        shown: String,
    },
    Refused(Code, String),
    /// No answer came: the connection is broken, or there is none.
    Broken(String),
}

/// Why an operation of a transaction is refused when its turn comes.
const OPERATION_REFUSALS: [&str; 4] = [
    "etcdserver: key not found",
    "etcdserver: requested lease not found",
    "etcdserver: mvcc: required revision has been compacted",
    "etcdserver: mvcc: required revision is a future revision",
];

impl Answer {
    pub const fn refused(&self) -> bool {
        matches!(self, Self::Refused(..))
    }

    /// Whether two servers mean the same. Where several operations of a transaction are refused,
    /// 3.5 names the first put's reason before any range's; since 3.6 the first operation's counts.
    pub fn agrees(&self, other: &Self, request: &Request) -> bool {
        let named = |answer: &Self| match answer {
            Self::Refused(_, text) => OPERATION_REFUSALS.contains(&text.as_str()),
            _ => false,
        };
        let same = self == other && !matches!(self, Self::Broken(_));
        same || matches!(request, Request::Txn(_)) && named(self) && named(other)
    }
}

/// Sends a request.
pub async fn send(api: &Api, request: &Request) -> Answer {
    match exchange(api, request).await {
        Ok((header, shown)) => {
            let revision = header.expect("every answer has a header").revision;
            Answer::Done { revision, shown }
        }
        Err(status) if std::error::Error::source(&status).is_some() => {
            Answer::Broken(format!("{status:?}"))
        }
        Err(status) => Answer::Refused(status.code(), status.message().to_owned()),
    }
}

type Exchanged = Result<(Option<ResponseHeader>, String), tonic::Status>;

async fn exchange(api: &Api, request: &Request) -> Exchanged {
    let (mut kv, mut lease) = (api.kv.clone(), api.lease.clone());
    Ok(match request.clone() {
        Request::Range(request) => {
            let mut response = kv.range(request.clone()).await?.into_inner();
            mask_range(&request, &mut response);
            (response.header.take(), format!("{response:?}"))
        }
        Request::Put(request) => {
            let mut response = kv.put(request).await?.into_inner();
            (response.header.take(), format!("{response:?}"))
        }
        Request::Delete(request) => {
            let mut response = kv.delete_range(request).await?.into_inner();
            (response.header.take(), format!("{response:?}"))
        }
        Request::Txn(request) => {
            let mut response = kv.txn(request.clone()).await?.into_inner();
            let header = response.header.take();
            mask_txn(&request, &mut response);
            (header, format!("{response:?}"))
        }
        Request::Compact(request) => {
            let mut response = kv.compact(request).await?.into_inner();
            (response.header.take(), format!("{response:?}"))
        }
        Request::Grant(request) => {
            let mut response = lease.lease_grant(request).await?.into_inner();
            (response.header.take(), format!("{response:?}"))
        }
        Request::Revoke(request) => {
            let mut response = lease.lease_revoke(request).await?.into_inner();
            (response.header.take(), format!("{response:?}"))
        }
        Request::TimeToLive(request) => {
            let mut response = lease.lease_time_to_live(request).await?.into_inner();
            // Seconds may pass between the servers. The order of keys is that of a Go map.
            response.ttl = response.ttl.min(0);
            response.keys.sort();
            (response.header.take(), format!("{response:?}"))
        }
        Request::Leases => {
            let mut response = lease.lease_leases(LeaseLeasesRequest {}).await?.into_inner();
            // In the order of their end, which depends on the time.
            response.leases.sort_by_key(|lease| lease.id);
            (response.header.take(), format!("{response:?}"))
        }
    })
}

/// Keys-only answers name the lease or, since 3.7, do not.
fn mask_range(request: &RangeRequest, response: &mut RangeResponse) {
    if request.keys_only {
        response.kvs.iter_mut().for_each(|kv| kv.lease = 0);
    }
}

fn mask_header(header: &mut Option<ResponseHeader>) {
    if let Some(header) = header {
        *header = ResponseHeader { revision: header.revision, ..ResponseHeader::default() };
    }
}

fn mask_txn(request: &TxnRequest, response: &mut TxnResponse) {
    mask_header(&mut response.header);
    let branch = if response.succeeded { &request.success } else { &request.failure };
    assert_eq!(branch.len(), response.responses.len(), "an answer for each operation");
    for (op, response) in branch.iter().zip(&mut response.responses) {
        match (&op.request, &mut response.response) {
            (Some(Op::RequestRange(request)), Some(OpResponse::ResponseRange(response))) => {
                mask_header(&mut response.header);
                mask_range(request, response);
            }
            (Some(Op::RequestPut(_)), Some(OpResponse::ResponsePut(response))) => {
                mask_header(&mut response.header);
            }
            (Some(Op::RequestDeleteRange(_)), Some(OpResponse::ResponseDeleteRange(response))) => {
                mask_header(&mut response.header)
            }
            (Some(Op::RequestTxn(request)), Some(OpResponse::ResponseTxn(response))) => {
                mask_txn(request, response);
            }
            (request, response) => panic!("{request:?} was answered by {response:?}"),
        }
    }
}
