//! `etcdserverpb.KV`, but for the stream of ranges.
//!
//! What changes nothing is read from a view; the rest is proposed, and checked for permission where
//! it is applied.

use apply::{NestedCost, Response};
use node::Answer;
use proto::access::{is_read_only, is_serializable};
use proto::etcdserverpb::{self as pb, InternalRaftRequest};
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
    if !request.serializable {
        server.node.linearize().await?;
    }
    let mut answer = server.read(who, request, |view, request| view.range(request)).await?;
    server.fill(&mut answer.header);
    Ok(answer)
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
        if !is_serializable(&request) {
            server.node.linearize().await?;
        }
        server.read(who, request, |view, request| Ok(view.txn(request)?.response)).await?
    } else {
        let request = InternalRaftRequest { txn: Some(request), ..InternalRaftRequest::default() };
        let Answer { response, .. } = server.propose(who, request).await?;
        let Response::Txn(answer) = response else { unreachable!("{response:?}") };
        answer
    };
    server.fill(&mut answer.header);
    Ok(answer)
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
        tokio::select! {
            compacted = server.node.compacted(revision) => compacted?,
            () = server.node.stopped() => return Err(proto::error::Error::Stopped.into()),
        }
    }
    Ok(pb::CompactionResponse { header: server.header_now() })
}

/// Asks for a key that nobody can have, with the rights of root.
pub(crate) async fn try_read(server: &Server, read: Read) -> Result<(), Error> {
    if read == Read::Linearizable {
        server.node.linearize().await?;
    }
    let request = pb::RangeRequest { limit: 1, keys_only: true, ..pb::RangeRequest::default() };
    let answer = server.node.view().read.range(&request);
    answer.map(|_| ()).map_err(|error| failed(&server.node, error))
}
