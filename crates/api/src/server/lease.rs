//! `etcdserverpb.Lease`.

use std::time::Duration;

use ::lease::Renewal;
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

/// How long a request may take, but for elections (etcd's `ReqTimeout`).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How soon the leader is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

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
    let ttl = match renew(server, who, id).await {
        Ok(ttl) => ttl,
        Err(error) if error == Known::LeaseNotFound.into() => 0,
        Err(error) => return Err(error),
    };
    Ok(pb::LeaseKeepAliveResponse { header, id: request.id, ttl })
}

async fn renew(server: &Server, who: &Admitted, id: LeaseId) -> Result<i64, Error> {
    loop {
        env::fail_point!("beforeServeHTTPLeaseRenew");
        server.node.applied_all().await?;
        check_keys(&server.node.view(), who, id, Touch::Write)?;
        match when_leading(server, || server.node.renew_lease(id)).await? {
            Renewal::Renewed { ttl } => return Ok(ttl),
            // What was noted of the lease's remaining time has to be taken back first.
            Renewal::CheckpointFirst => {
                env::fail_point!("beforeCheckpointInLeaseRenew");
                clear_checkpoint(server, id).await?;
            }
            Renewal::RevokePending => server.node.lease_revoked(id).await?,
        }
    }
}

/// Asks what only the leader knows, again and again until this member leads. Go asks the leader in
/// its place, and waits for one as long.
async fn when_leading<T>(
    server: &Server,
    mut ask: impl FnMut() -> Result<T, ::lease::Error>,
) -> Result<T, Error> {
    let asking = async {
        loop {
            match ask() {
                Err(::lease::Error::NotPrimary) => tokio::time::sleep(RETRY_INTERVAL).await,
                answer => return answer,
            }
        }
    };
    match tokio::time::timeout(REQUEST_TIMEOUT + 2 * server.settings.election, asking).await {
        Ok(answer) => Ok(answer.map_err(Known::from)?),
        Err(_) if server.node.has_leader() => Err(Known::Timeout.into()),
        Err(_) => Err(Known::NoLeader.into()),
    }
}

async fn clear_checkpoint(server: &Server, id: LeaseId) -> Result<(), Error> {
    let checkpoint = pb::LeaseCheckpoint { id: id.get(), remaining_ttl: 0 };
    let request = pb::LeaseCheckpointRequest { checkpoints: vec![checkpoint] };
    let request =
        InternalRaftRequest { lease_checkpoint: Some(request), ..InternalRaftRequest::default() };
    server.node.propose_as_root(request).await?;
    Ok(())
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
    server.node.applied_all().await?;
    env::fail_point!("beforeLookupWhenLeaseTimeToLive");
    let remaining = when_leading(server, || match server.node.lease_remaining(id) {
        Err(::lease::Error::NotFound) => Ok(None),
        remaining => remaining.map(Some),
    });
    let remaining = remaining.await?;
    // The keys are shown as of the very state in which the caller may see them.
    let view = server.node.view();
    if request.keys {
        check_keys(&view, who, id, Touch::Read)?;
    }
    let Some((lease, remaining)) = view.leases.lookup(id).zip(remaining) else {
        // Unlike its siblings this answers a lease that is gone with a TTL of -1.
        return Ok(pb::LeaseTimeToLiveResponse {
            header: server.header_now(),
            id: request.id,
            ttl: -1,
            ..pb::LeaseTimeToLiveResponse::default()
        });
    };
    let keys = request.keys.then(|| view.leases.keys(id));
    Ok(pb::LeaseTimeToLiveResponse {
        header: server.header_now(),
        id: request.id,
        ttl: remaining.as_secs() as i64,
        granted_ttl: lease.ttl,
        keys: keys.into_iter().flatten().map(|key| Bytes::copy_from_slice(key)).collect(),
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
