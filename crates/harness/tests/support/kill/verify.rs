//! After a restart: nothing that was acknowledged or seen is lost, and the server agrees with a
//! replay of its history.

use super::ledger::{Changes, Lease, Ledger};
use super::load::TTL;
use super::model::Model;
use crate::support::Api;
use proto::etcdserverpb::{LeaseLeasesRequest, LeaseTimeToLiveRequest};
use proto::mvccpb::{Event, event::EventType};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What verifications looked at.
#[derive(Clone, Copy, Default, Debug)]
pub struct Verified {
    /// Acknowledged, and found.
    pub writes: u64,
    /// Found without having been acknowledged.
    pub unanswered: u64,
    pub events: u64,
    pub hashes: u64,
    pub leases: u64,
}

impl std::ops::AddAssign for Verified {
    fn add_assign(&mut self, more: Self) {
        self.writes += more.writes;
        self.unanswered += more.unanswered;
        self.events += more.events;
        self.hashes += more.hashes;
        self.leases += more.leases;
    }
}

/// Checks a restarted server, and brings model and ledger up to what it holds.
pub async fn verify(api: &Api, ledger: &Ledger, model: &mut Model) -> Verified {
    let mut verified = Verified::default();
    let revision = api.revision().await;
    let newest = api.hash_kv(0).await.unwrap();
    let compacted = newest.compact_revision.max(0);
    {
        let state = ledger.state();
        assert!(revision >= state.revision, "revision {revision} after {}", state.revision);
        assert!(compacted >= state.compacted, "compacted {compacted} after {}", state.compacted);
    }
    let events = api.events(compacted + 1, revision).await;
    verified.events = events.len() as u64;
    let since = add_history(ledger, model, &events, compacted);
    assert_eq!(model.revision().max(1), revision, "the newest revision is that of the last event");
    (verified.writes, verified.unanswered) = check_writes(ledger, &since);
    model.compact(compacted);
    let range = api.all_at(0).await.unwrap();
    let found: BTreeMap<_, _> = range.kvs.into_iter().map(|kv| (kv.key.to_vec(), kv)).collect();
    assert!(found == *model.live(), "the keys are not those of a replay of the history");
    let middle = compacted + (revision - compacted) / 2;
    for at in BTreeSet::from([compacted.max(1), compacted + 1, middle, revision - 1, revision]) {
        let hash = api.hash_kv(at).await.unwrap_or_else(|status| {
            panic!("HashKV at {at} of {compacted}..={revision}: {status}");
        });
        if at == compacted && hash.compact_revision < newest.compact_revision {
            // The hash that a compaction left, over what it looked at.
            continue;
        }
        let expected = model.hash_kv(at, newest.compact_revision);
        assert_eq!(hash.hash, expected, "HashKV at {at} of {compacted}..={revision}");
        verified.hashes += 1;
    }
    verified.leases = check_leases(api, ledger, model).await;
    let mut state = ledger.state();
    state.revision = revision;
    state.compacted = compacted;
    verified
}

/// What the watch has shown is what a new one shows; the rest is new. Gives all events since the
/// last verification.
fn add_history(ledger: &Ledger, model: &mut Model, events: &[Event], compacted: i64) -> Vec<Event> {
    let mut state = ledger.state();
    let revision = |event: &Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
    let seen: Vec<Event> = std::mem::take(&mut state.seen);
    let last_seen = seen.last().map_or(0, revision);
    assert!(compacted <= last_seen.max(model.revision()), "only what was seen is compacted");
    let (again, new): (Vec<&Event>, Vec<&Event>) =
        events.iter().partition(|event| revision(event) <= last_seen);
    let before: Vec<&Event> = seen.iter().filter(|event| revision(event) > compacted).collect();
    // The watch began after what the model knows, and that may reach back before the compaction.
    let known = model.revision();
    let again: Vec<&Event> = again.into_iter().filter(|event| revision(event) > known).collect();
    let before: Vec<&Event> = before.into_iter().filter(|event| revision(event) > known).collect();
    assert!(before == again, "the history that a watch had shown is another one now");
    let new = new.into_iter().filter(|event| revision(event) > known);
    let seen_since = seen.iter().filter(|event| revision(event) > known);
    let since: Vec<Event> = seen_since.chain(new).cloned().collect();
    for event in &since {
        model.add(event).unwrap_or_else(|error| panic!("{error}"));
    }
    // The next watch begins behind it.
    state.seen = events.last().cloned().or_else(|| seen.last().cloned()).into_iter().collect();
    since
}

/// Each acknowledged write is in the history at its revision, whole and as it was asked for; what
/// else is there is a write without an answer, whole and once. How many of either kind there are.
fn check_writes(ledger: &Ledger, events: &[Event]) -> (u64, u64) {
    let mut history: BTreeMap<i64, Changes> = BTreeMap::new();
    for event in events {
        let kv = event.kv.as_ref().unwrap();
        let value = (event.r#type == EventType::Put as i32).then(|| kv.value.to_vec());
        history.entry(kv.mod_revision).or_default().insert(kv.key.to_vec(), value);
    }
    let mut state = ledger.state();
    let acknowledged = std::mem::take(&mut state.acknowledged);
    let mut sent = std::mem::take(&mut state.sent);
    drop(state);
    for (revision, changes) in &acknowledged {
        let found = history.remove(revision);
        assert!(
            found.as_ref() == Some(changes),
            "acknowledged at {revision}: {changes:?}; {found:?}"
        );
    }
    let unanswered = history.len() as u64;
    for (revision, changes) in history {
        let number = sent.iter().find(|(_, sent)| **sent == changes).map(|(number, _)| *number);
        let number = number.unwrap_or_else(|| panic!("nobody asked for {changes:?} of {revision}"));
        sent.remove(&number);
    }
    (acknowledged.len() as u64, unanswered)
}

/// Leases are there as far as their grant or end was acknowledged, with the keys of the replay.
async fn check_leases(api: &Api, ledger: &Ledger, model: &Model) -> u64 {
    let mut lease = api.lease.clone();
    let found = lease.lease_leases(LeaseLeasesRequest {}).await.unwrap().into_inner().leases;
    let found: BTreeSet<i64> = found.into_iter().map(|lease| lease.id).collect();
    let mut attached: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
    for kv in model.live().values().filter(|kv| kv.lease != 0) {
        attached.entry(kv.lease).or_default().push(kv.key.to_vec());
    }
    let mut alive = VecDeque::new();
    for id in &found {
        let request = LeaseTimeToLiveRequest { id: *id, keys: true };
        let mut answer = lease.lease_time_to_live(request).await.unwrap().into_inner();
        assert_eq!(answer.granted_ttl, TTL, "lease {id}");
        assert!((0..=TTL).contains(&answer.ttl), "lease {id}");
        answer.keys.sort();
        let keys: Vec<Vec<u8>> = answer.keys.iter().map(|key| key.to_vec()).collect();
        assert_eq!(keys, attached.remove(id).unwrap_or_default(), "the keys of lease {id}");
        alive.push_back((*id, keys));
    }
    assert!(attached.is_empty(), "keys with leases that are not there: {attached:?}");
    let mut state = ledger.state();
    state.alive = alive;
    for (id, is) in &mut state.leases {
        match (*is, found.contains(id)) {
            (Lease::Granted, false) => panic!("lease {id} was granted and is not there"),
            (Lease::Revoked, true) => panic!("lease {id} was revoked and is there"),
            (_, true) => *is = Lease::Granted,
            (_, false) => *is = Lease::Revoked,
        }
    }
    found.len() as u64
}
