//! Sends a call and says what came of it.

use crate::api::Api;
use checker::{Call, Header, Member, Outcome, Refusal, Reply, Time};
use proto::etcdserverpb::{
    LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseRevokeRequest, LeaseTimeToLiveRequest,
    ResponseHeader,
};
use tonic::{Code, Status};
use types::LeaseId;

/// An error that a client got and that a cluster without faults does not give.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Who gave it.
    pub member: Member,
    /// When the call was sent.
    pub begin: Time,
    /// When the error arrived.
    pub end: Time,
    /// The status.
    pub code: Code,
    /// Its text.
    pub message: String,
}

/// Sends a call; what it was answered, or the error.
pub async fn send(api: &Api, call: &Call) -> Result<(Header, Reply), Status> {
    Ok(match call {
        Call::Range(request) => {
            let reply = api.kv.clone().range(request.clone()).await?.into_inner();
            (header(reply.header.as_ref())?, Reply::Range(reply))
        }
        Call::Put(request) => {
            let reply = api.kv.clone().put(request.clone()).await?.into_inner();
            (header(reply.header.as_ref())?, Reply::Put(reply))
        }
        Call::Delete(request) => {
            let reply = api.kv.clone().delete_range(request.clone()).await?.into_inner();
            (header(reply.header.as_ref())?, Reply::Delete(reply))
        }
        Call::Txn(request) => {
            let reply = api.kv.clone().txn(request.clone()).await?.into_inner();
            (header(reply.header.as_ref())?, Reply::Txn(reply))
        }
        Call::Compact(request) => {
            let reply = api.kv.clone().compact(*request).await?.into_inner();
            (header(reply.header.as_ref())?, Reply::Compact)
        }
        Call::Grant(request) => {
            let reply = api.lease.clone().lease_grant(*request).await?.into_inner();
            let grant = Reply::Grant { id: LeaseId(reply.id), ttl: reply.ttl };
            (header(reply.header.as_ref())?, grant)
        }
        Call::Revoke(id) => {
            let request = LeaseRevokeRequest { id: id.get() };
            let reply = api.lease.clone().lease_revoke(request).await?.into_inner();
            (header(reply.header.as_ref())?, Reply::Revoke)
        }
        Call::KeepAlive(id) => {
            let reply = keep_alive(api, *id).await?;
            (header(reply.header.as_ref())?, Reply::KeepAlive { ttl: reply.ttl })
        }
        Call::TimeToLive(id) => {
            let request = LeaseTimeToLiveRequest { id: id.get(), keys: true };
            let reply = api.lease.clone().lease_time_to_live(request).await?.into_inner();
            (header(reply.header.as_ref())?, Reply::TimeToLive(reply))
        }
    })
}

/// One renewal, on a stream of its own.
async fn keep_alive(api: &Api, id: LeaseId) -> Result<LeaseKeepAliveResponse, Status> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let request = LeaseKeepAliveRequest { id: id.get() };
    sender.try_send(request).map_err(|_| Status::internal("a new channel has room"))?;
    let requests = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut replies = api.lease.clone().lease_keep_alive(requests).await?.into_inner();
    let reply = replies.message().await?;
    drop(sender);
    reply.ok_or_else(|| Status::unavailable("the stream ended without an answer"))
}

fn header(header: Option<&ResponseHeader>) -> Result<Header, Status> {
    let header = header.ok_or_else(|| Status::internal("an answer without a header"))?;
    let ResponseHeader { member_id, revision, raft_term, .. } = *header;
    Ok(Header { member_id, revision, raft_term })
}

/// Whether an error is an answer that any cluster may give to these calls.
pub const fn is_plain_refusal(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { reason, .. } if !matches!(reason, Refusal::Other(_)))
}
