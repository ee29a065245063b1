//! `etcdserverpb.KV`, but for the stream of ranges.
//!
//! What changes nothing is read from a view; the rest is proposed, and checked for permission where
//! it is applied.

use std::sync::Arc;

use apply::{NestedCost, Response};
use mvcc::{Counts, ReadView};
use node::{Answer, ReadKind, Slow};
use prost::Message;
use proto::access::{is_read_only, is_serializable};
use proto::etcdserverpb::{self as pb, InternalRaftRequest};
use proto::shown::Shown;
use proto::twin;

use crate::server::Server;
use crate::server::admit::{Admitted, Rule};
use crate::server::read::failed;
use crate::{Error, Read, check};

pub(crate) async fn range(
    server: &Server,
    who: &Admitted,
    request: pb::RangeRequest,
) -> Result<twin::RangeResponse, Error> {
    if !request.serializable {
        server.check_member(&who.caller, Rule::Keys)?;
    }
    check::range(&request)?;
    let start = server.node.now();
    let request = Arc::new(request);
    let mut answer = read_range(server, who, &request).await;
    let took = server.node.now().since(start);
    server.node.metrics().requests.read(ReadKind::Range, took, answer.is_ok(), || Slow {
        request: request.shown(),
        response: answer.as_ref().map_or_else(
            |_| String::new(),
            |answer| {
                let (count, bytes) = (answer.kvs.len(), answer.encoded_len());
                format!("range_response_count:{count} size:{bytes}")
            },
        ),
        error: answer.as_ref().err().map(|error| error.message.to_string()),
    });
    if let Ok(answer) = &mut answer {
        server.fill(&mut answer.header);
    }
    answer
}

async fn read_range(
    server: &Server,
    who: &Admitted,
    request: &Arc<pb::RangeRequest>,
) -> Result<twin::RangeResponse, Error> {
    if !request.serializable {
        server.node.linearize().await?;
    }
    server.read(who, ReadKind::Range, request, read_one).await
}

/// Reads a range, and says what it cost.
fn read_one(
    view: &ReadView,
    request: &pb::RangeRequest,
) -> mvcc::Result<(twin::RangeResponse, Counts)> {
    Ok((view.range(request)?, Counts { ranges: 1, ..Counts::default() }))
}

pub(crate) async fn put(
    server: &Server,
    who: &Admitted,
    request: pb::PutRequest,
) -> Result<twin::PutResponse, Error> {
    server.check_room(apply::put_cost(&request)).await?;
    check::put(&request)?;
    let request = InternalRaftRequest { put: Some(request), ..InternalRaftRequest::default() };
    let Answer { response, .. } = server.propose(who, request).await?;
    let Response::Put(mut answer) = response else { unreachable!("{response:?}") };
    server.fill(&mut answer.header);
    Ok(answer)
}

pub(crate) async fn delete_range(
    server: &Server,
    who: &Admitted,
    request: pb::DeleteRangeRequest,
) -> Result<twin::DeleteRangeResponse, Error> {
    check::delete_range(&request)?;
    let request =
        InternalRaftRequest { delete_range: Some(request), ..InternalRaftRequest::default() };
    let Answer { response, .. } = server.propose(who, request).await?;
    let Response::DeleteRange(mut answer) = response else { unreachable!("{response:?}") };
    server.fill(&mut answer.header);
    Ok(answer)
}

pub(crate) async fn txn(
    server: &Server,
    who: &Admitted,
    request: pb::TxnRequest,
) -> Result<twin::TxnResponse, Error> {
    server.check_room(apply::txn_cost(&request, NestedCost::Counted)).await?;
    check::txn(&request, server.settings.txn_ops_max)?;
    let mut answer = if is_read_only(&request) {
        read_txn(server, who, request).await?
    } else {
        let request = InternalRaftRequest { txn: Some(request), ..InternalRaftRequest::default() };
        let Answer { response, .. } = server.propose(who, request).await?;
        let Response::Txn(answer) = response else { unreachable!("{response:?}") };
        answer
    };
    server.fill(&mut answer.header);
    Ok(answer)
}

async fn read_txn(
    server: &Server,
    who: &Admitted,
    request: pb::TxnRequest,
) -> Result<twin::TxnResponse, Error> {
    if !is_serializable(&request) {
        server.node.linearize().await?;
    }
    // As in Go the wait for the index does not count here.
    let start = server.node.now();
    let request = Arc::new(request);
    let run = |view: &ReadView, request: &pb::TxnRequest| {
        view.txn(request).map(|applied| (applied.response, applied.counts))
    };
    let answer = server.read(who, ReadKind::Txn, &request, run).await;
    let took = server.node.now().since(start);
    server.node.metrics().requests.read(ReadKind::Txn, took, answer.is_ok(), || Slow {
        request: request.shown(),
        response: answer.as_ref().map_or_else(|_| String::new(), shown_txn),
        error: answer.as_ref().err().map(|error| error.message.to_string()),
    });
    answer
}

/// What a warning says of the answer to a transaction that only reads.
fn shown_txn(answer: &twin::TxnResponse) -> String {
    let counts = answer.responses.iter().filter_map(|op| match op.response.as_ref()? {
        twin::Response::ResponseRange(range) => {
            Some(format!("range_response_count:{}", range.kvs.len()))
        }
        _ => None,
    });
    let counts = counts.collect::<Vec<_>>().join(" ");
    format!("responses:<{counts}> size:{}", answer.encoded_len())
}

pub(crate) async fn compact(
    server: &Server,
    who: &Admitted,
    request: pb::CompactionRequest,
) -> Result<pb::CompactionResponse, Error> {
    let pb::CompactionRequest { revision, physical } = request;
    let request =
        InternalRaftRequest { compaction: Some(request), ..InternalRaftRequest::default() };
    server.propose(who, request).await?;
    if physical {
        server.node.compacted(revision).await?;
    }
    Ok(pb::CompactionResponse { header: server.header_now() })
}

/// Asks for a key that nobody can have, with the rights of root.
pub(crate) async fn try_read(server: &Server, read: Read) -> Result<(), Error> {
    let start = server.node.now();
    let request = pb::RangeRequest { limit: 1, keys_only: true, ..pb::RangeRequest::default() };
    let answer = async {
        if read == Read::Linearizable {
            server.node.linearize().await?;
        }
        let answer = server.timed(ReadKind::Range, || read_one(&server.node.view().read, &request));
        answer.map(|_| ()).map_err(|error| failed(&server.node, error))
    };
    let answer = answer.await;
    let took = server.node.now().since(start);
    server.node.metrics().requests.read(ReadKind::Range, took, answer.is_ok(), || Slow {
        request: request.shown(),
        response: String::new(),
        error: answer.as_ref().err().map(|error| error.message.to_string()),
    });
    answer
}
