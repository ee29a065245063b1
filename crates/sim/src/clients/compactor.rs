//! The client that compacts: never what the watch of everything has not seen yet.

use std::sync::atomic::Ordering;
use std::time::Duration;

use checker::Call;
use env::Rng as _;
use proto::etcdserverpb::CompactionRequest;

use crate::clients::session::Session;

/// Revisions that are kept below what was seen, at most.
const KEPT_MAX: u64 = 100;

pub(super) async fn run(mut session: Session, pause: Duration) {
    let mut compacted = 0;
    while !session.record.has_ended() {
        session.pause(2 * pause).await;
        let recorded = session.record.recorded.load(Ordering::Relaxed);
        let revision = recorded - session.rng.below(KEPT_MAX) as i64;
        if revision <= compacted {
            continue;
        }
        let physical = session.rng.below(2) == 0;
        session.wander();
        let call = Call::Compact(CompactionRequest { revision, physical });
        if session.call(call).await.is_none() {
            return;
        }
        compacted = revision;
    }
}
