//! Asks a member's API, and says what came of it in the words of the checker.

use api::{Caller, Server, Service as _};
use bytes::Bytes;
use checker::{Call, Header, Reply};
use prost::{Message, Name};
use proto::error::{Code, Status};
use proto::etcdserverpb::{
    LeaseKeepAliveRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest, ResponseHeader,
};
use types::LeaseId;

/// Asks; the answer, or the error.
pub(super) async fn send(
    server: &Server,
    caller: &Caller,
    call: Call,
) -> Result<(Header, Reply), Status> {
    Ok(match call {
        Call::Range(request) => {
            let reply: proto::etcdserverpb::RangeResponse =
                plain(&server.range(caller, request).await?)?;
            (header(reply.header.as_ref())?, Reply::Range(reply))
        }
        Call::Put(request) => {
            let reply: proto::etcdserverpb::PutResponse =
                plain(&server.put(caller, request).await?)?;
            (header(reply.header.as_ref())?, Reply::Put(reply))
        }
        Call::Delete(request) => {
            let reply: proto::etcdserverpb::DeleteRangeResponse =
                plain(&server.delete_range(caller, request).await?)?;
            (header(reply.header.as_ref())?, Reply::Delete(reply))
        }
        Call::Txn(request) => {
            let reply: proto::etcdserverpb::TxnResponse =
                plain(&server.txn(caller, request).await?)?;
            (header(reply.header.as_ref())?, Reply::Txn(reply))
        }
        Call::Compact(request) => {
            let reply = server.compact(caller, request).await?;
            (header(reply.header.as_ref())?, Reply::Compact)
        }
        Call::Grant(request) => {
            let reply = server.lease_grant(caller, request).await?;
            let grant = Reply::Grant { id: LeaseId(reply.id), ttl: reply.ttl };
            (header(reply.header.as_ref())?, grant)
        }
        Call::Revoke(id) => {
            let request = LeaseRevokeRequest { id: id.get() };
            let reply = server.lease_revoke(caller, request).await?;
            (header(reply.header.as_ref())?, Reply::Revoke)
        }
        Call::KeepAlive(id) => {
            let request = LeaseKeepAliveRequest { id: id.get() };
            let reply = server.lease_keep_alive(caller, request).await?;
            (header(reply.header.as_ref())?, Reply::KeepAlive { ttl: reply.ttl })
        }
        Call::TimeToLive(id) => {
            let request = LeaseTimeToLiveRequest { id: id.get(), keys: true };
            let reply = server.lease_time_to_live(caller, request).await?;
            (header(reply.header.as_ref())?, Reply::TimeToLive(reply))
        }
    })
}

/// A reply as clients decode it.
pub(super) fn plain<T: Message + Name + Default>(twin: &impl Message) -> Result<T, Status> {
    proto::decode(Bytes::from(twin.encode_to_vec()))
        .map_err(|error| Status::new(Code::Internal, format!("no reply: {error}")))
}

fn header(header: Option<&ResponseHeader>) -> Result<Header, Status> {
    let none = || Status::new(Code::Internal, "an answer without a header");
    let ResponseHeader { member_id, revision, raft_term, .. } = *header.ok_or_else(none)?;
    Ok(Header { member_id, revision, raft_term })
}
