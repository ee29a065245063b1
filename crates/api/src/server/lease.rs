//! `etcdserverpb.Lease`.

use apply::{Response, View};
use bytes::Bytes;
use node::Answer;
use proto::error::Error as Known;
use proto::etcdserverpb::{self as pb, InternalRaftRequest};
use types::{KeyRange, LeaseId};

use crate::Error;
use crate::server::Server;
use crate::server::admit::Admitted;
use crate::server::quota::LEASE_COST;

pub(crate) async fn grant(
    server: &Server,
    who: &Admitted,
    mut request: pb::LeaseGrantRequest,
) -> Result<pb::LeaseGrantResponse, Error> {
    server.check_room(LEASE_COST).await?;
    while request.id == 0 {
        request.id = (server.node.next_id() & (u64::MAX >> 1)) as i64;
    }
    let request =
        InternalRaftRequest { lease_grant: Some(request), ..InternalRaftRequest::default() };
    let Answer { revision, response, .. } = server.propose(who, request).await?;
    let Response::Lease(lease) = response else { unreachable!("{response:?}") };
    Ok(pb::LeaseGrantResponse {
        header: server.header(revision),
        id: lease.id.get(),
        ttl: lease.ttl,
        error: String::new(),
    })
}

pub(crate) async fn revoke(
    server: &Server,
    who: &Admitted,
    request: pb::LeaseRevokeRequest,
) -> Result<pb::LeaseRevokeResponse, Error> {
    let request =
        InternalRaftRequest { lease_revoke: Some(request), ..InternalRaftRequest::default() };
    let answer = server.propose(who, request).await?;
    Ok(pb::LeaseRevokeResponse { header: server.header(answer.revision) })
}

/// The header is filled before the lease is renewed: its revision is one at which the lease was
/// alive (etcd `v3rpc/lease.go`).
pub(crate) async fn keep_alive(
    server: &Server,
    who: &Admitted,
    request: pb::LeaseKeepAliveRequest,
) -> Result<pb::LeaseKeepAliveResponse, Error> {
    let id = LeaseId(request.id);
    let header = server.header_now();
    let check = |view: &View| check_keys(view, who, id, Touch::Write);
    let ttl = match server.node.renew_lease(id, &check).await {
        Ok(ttl) => ttl,
        Err(error) if error == Known::LeaseNotFound.into() => 0,
        Err(error) => return Err(error),
    };
    Ok(pb::LeaseKeepAliveResponse { header, id: request.id, ttl })
}

/// What is done with the keys of a lease.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touch {
    Read,
    Write,
}

/// Whether the caller may do that with every key of a lease.
fn check_keys(view: &View, who: &Admitted, id: LeaseId, touch: Touch) -> Result<(), Error> {
    let keys = view.leases.keys(id);
    if touch == Touch::Write {
        return Ok(view.auth.check_lease(&who.identity, keys).map_err(Known::from)?);
    }
    if view.auth.check_admin(&who.identity).is_ok() {
        return Ok(());
    }
    let access = view.auth.access(&who.identity);
    let mut ranges = keys.map(|key| KeyRange::Key(Bytes::copy_from_slice(key)));
    Ok(ranges.try_for_each(|range| access.read(&range)).map_err(Known::from)?)
}

pub(crate) async fn time_to_live(
    server: &Server,
    who: &Admitted,
    request: pb::LeaseTimeToLiveRequest,
) -> Result<pb::LeaseTimeToLiveResponse, Error> {
    let id = LeaseId(request.id);
    let check = |view: &View| match request.keys {
        true => check_keys(view, who, id, Touch::Read),
        false => Ok(()),
    };
    let found = server.node.lease_time_to_live(request, &check).await?;
    let header = server.header_now();
    Ok(match found {
        Some(response) => pb::LeaseTimeToLiveResponse { header, ..response },
        // Unlike its siblings this answers a lease that is gone with a TTL of -1.
        None => pb::LeaseTimeToLiveResponse {
            header,
            id: request.id,
            ttl: -1,
            ..pb::LeaseTimeToLiveResponse::default()
        },
    })
}

pub(crate) async fn leases(
    server: &Server,
    who: &Admitted,
    _: pb::LeaseLeasesRequest,
) -> Result<pb::LeaseLeasesResponse, Error> {
    let view = server.node.view();
    for lease in view.leases.iter() {
        check_keys(&view, who, lease.id, Touch::Read)?;
    }
    drop(view);
    let by_expiry = server.node.leases_by_expiry();
    let leases = by_expiry.into_iter().map(|id| pb::LeaseStatus { id: id.get() }).collect();
    Ok(pb::LeaseLeasesResponse { header: server.header_now(), leases })
}
