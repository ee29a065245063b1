//! A client that lives with leases: some it keeps alive, some it revokes, some it forgets.

use std::time::Duration;

use bytes::Bytes;
use checker::{Call, Outcome, Reply};
use env::Rng as _;
use proto::etcdserverpb::{LeaseGrantRequest, PutRequest};
use types::LeaseId;

use crate::clients::session::Session;

/// Keys of one lease.
const KEYS: u64 = 2;
/// Seconds that leases live, at least and more.
const TTL_MIN: i64 = 2;
const TTL_SPREAD: u64 = 8;
/// Renewals that come late come within this time.
const LATE: Duration = Duration::from_millis(400);
/// How often a lease is renewed at most.
const RENEWALS_MAX: u64 = 12;

pub(super) async fn run(mut session: Session) {
    let mut lent = 0;
    loop {
        lent += 1;
        if lease(&mut session, lent).await.is_none() {
            return;
        }
    }
}

/// The life of a lease; `None` when clients are to end.
async fn lease(session: &mut Session, lent: i64) -> Option<()> {
    // Ids are told apart from all others by the client and the count.
    let id = (i64::from(session.client) + 1) << 32 | lent;
    let ttl = TTL_MIN + session.rng.below(TTL_SPREAD) as i64;
    let granted = session.call(Call::Grant(LeaseGrantRequest { ttl, id })).await?;
    if !matches!(granted, Outcome::Done { .. }) {
        session.pause(Duration::from_millis(200)).await;
        return Some(());
    }
    for key in 0..KEYS {
        attach(session, id, key).await?;
    }
    for _ in 0..session.rng.below(RENEWALS_MAX) {
        if session.rng.below(4) == 0 {
            // Its end is on its way, or soon will be.
            session.record.sleep(Duration::from_secs(ttl.unsigned_abs()) - LATE / 4).await;
            session.pause(LATE).await;
        } else {
            session.pause(Duration::from_secs(ttl.unsigned_abs()) / 2).await;
        }
        // Granted by one member, renewed by any.
        session.wander();
        let renewed = session.call(Call::KeepAlive(LeaseId(id))).await?;
        if let Outcome::Done { reply: Reply::KeepAlive { ttl: ..=0 }, .. } = renewed {
            return Some(());
        }
        match session.rng.below(8) {
            0 => drop(session.call(Call::TimeToLive(LeaseId(id))).await?),
            1 => {
                let key = session.rng.below(KEYS);
                attach(session, id, key).await?;
            }
            _ => {}
        }
    }
    if session.rng.below(3) == 0 {
        session.call(Call::Revoke(LeaseId(id))).await?;
    } else {
        session.pause(3 * Duration::from_secs(ttl.unsigned_abs())).await;
        session.call(Call::TimeToLive(LeaseId(id))).await?;
    }
    Some(())
}

async fn attach(session: &mut Session, id: i64, key: u64) -> Option<()> {
    let value = format!("{}:{:x}", session.client, session.rng.next_u64());
    let put = PutRequest {
        key: Bytes::from(format!("l/{id:x}/{key}")),
        value: value.into(),
        lease: id,
        ..PutRequest::default()
    };
    session.call(Call::Put(put)).await.map(drop)
}
