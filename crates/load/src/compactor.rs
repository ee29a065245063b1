//! The client that compacts, and compares the members' hashes after each compaction.

use crate::api::Api;
use crate::session::Session;
use checker::{Call, Hash, Member, Outcome};
use env::Rng as _;
use proto::etcdserverpb::{CompactionRequest, PutRequest};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Revisions that are kept below what is recorded.
const KEPT_MAX: u64 = 300;

/// How long members may take to compact.
const FOLLOW_MAX: Duration = Duration::from_secs(5);

const DIAL_MAX: Duration = Duration::from_millis(500);

/// Where a history is compacted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Where {
    /// At any revision.
    Anywhere,
    /// At revisions of puts: an etcd before 3.5.16 loses a deletion at whose revision it compacts,
    /// though watches may begin there.
    AtPuts,
}

/// Compacts until the load ends.
pub async fn run(mut session: Session, pause: Duration, place: Where) {
    let (mut compacted, mut put) = (0, 0);
    for round in 0_u64.. {
        let shared = session.shared.clone();
        shared.pause(pause).await;
        // What is recorded need not be read again.
        let recorded = shared.recorded.load(Ordering::Acquire);
        let revision = match place {
            Where::Anywhere => recorded - session.rng.below(KEPT_MAX) as i64,
            Where::AtPuts => put,
        };
        if place == Where::AtPuts
            && let Some(made) = put_once(&mut session, round).await
        {
            put = made;
        }
        if revision <= compacted || revision > recorded {
            if shared.has_ended() {
                return;
            }
            continue;
        }
        let physical = session.rng.below(2) == 0;
        let call = Call::Compact(CompactionRequest { revision, physical });
        let Some(outcome) = session.call(call).await else { return };
        if !matches!(outcome, Outcome::Done { .. }) {
            continue;
        }
        compacted = revision;
        compare(&mut session, compacted).await;
    }
}

/// Puts a key of its own; the revision.
async fn put_once(session: &mut Session, round: u64) -> Option<i64> {
    let value = format!("compactor:{round}").into();
    let put = PutRequest { key: "compactor".into(), value, ..PutRequest::default() };
    match session.call(Call::Put(put)).await? {
        Outcome::Done { header, .. } => Some(header.revision),
        _ => None,
    }
}

/// Asks every member for its hash of the newest revision that all of them may have, once all have
/// compacted. Members that don't answer are left out.
async fn compare(session: &mut Session, compacted: i64) {
    let revision = session.shared.newest.load(Ordering::Relaxed);
    let members = session.shared.members();
    let mut hashes = Vec::new();
    for (member, endpoint) in &members {
        if let Some(hash) = hash(*member, endpoint, revision, compacted).await {
            hashes.push(hash);
        }
    }
    session.shared.record(|record| {
        record.compared += u64::from(hashes.len() == members.len());
        record.hashes.extend(hashes);
    });
}

/// A member's hash at a revision, once it has compacted.
pub async fn hash(member: Member, endpoint: &str, revision: i64, compacted: i64) -> Option<Hash> {
    let start = Instant::now();
    let api = Api::connect(endpoint, DIAL_MAX).await.ok()?;
    while start.elapsed() < FOLLOW_MAX {
        let answer = tokio::time::timeout(FOLLOW_MAX, api.hash_kv(revision)).await.ok()?;
        if let Ok(answer) = answer
            && answer.compact_revision >= compacted
        {
            let (hash, compact_revision) = (answer.hash, answer.compact_revision);
            return Some(Hash { member, revision, compact_revision, hash });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}
