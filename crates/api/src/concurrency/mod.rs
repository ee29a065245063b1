//! Locks and elections: recipes over keys and leases (etcd `client/v3/concurrency`, which Go's
//! server runs on a client of its own).
//!
//! Written against [`Service`] alone, so they have no rights but the caller's. As in Go, an error
//! of etcd's that comes out of one carries no code of its own.

mod election;
mod lock;
mod queue;

pub use election::{campaign, leader, observe, proclaim, resign};
pub use lock::{lock, unlock};

use crate::{Caller, Error, Service};
use proto::etcdserverpb::LeaseGrantRequest;

/// Seconds of the lease that a session without one gets (`defaultSessionTTL`).
const SESSION_TTL: i64 = 60;

/// The lease of a session: the given one, or a new one for 0.
async fn session<S: Service>(service: &S, caller: &Caller, lease: i64) -> Result<i64, Error> {
    if lease != 0 {
        return Ok(lease);
    }
    let request = LeaseGrantRequest { ttl: SESSION_TTL, id: 0 };
    Ok(service.lease_grant(caller, request).await.map_err(Error::into_unknown)?.id)
}

/// The key of a session below a name: `<name>/<lease in hexadecimal>`.
fn session_key(prefix: &[u8], lease: i64) -> Vec<u8> {
    let sign = if lease < 0 { "-" } else { "" };
    let mut key = prefix.to_vec();
    key.extend_from_slice(format!("{sign}{:x}", lease.unsigned_abs()).as_bytes());
    key
}

/// What all keys of a name begin with: `<name>/`.
fn prefix(name: &[u8]) -> Vec<u8> {
    let mut prefix = name.to_vec();
    prefix.push(b'/');
    prefix
}
