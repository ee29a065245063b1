//! Leases: the replicated part beside a plain map, and the deadlines beside the promises made.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use env::Monotonic;
use lease::{Checkpoints, Deadlines, Error, Lease, Leases, Options, Renewal};
use simenv::SimDisk;
use types::LeaseId;

use crate::features::Features;
use crate::input::Input;
use crate::target::{Target, choices};

pub(super) const TARGETS: &[Target] = &[
    Target::new("leases", leases, choices, 300),
    Target::new("lease-deadlines", deadlines, choices, 1500),
];

const TTL_MIN: i64 = 2;

fn id(input: &mut Input<'_>) -> LeaseId {
    LeaseId(if input.one_in(10) { input.signed() } else { 1 + input.below(6) as i64 })
}

/// Leases and attached keys beside plain maps.
struct Held {
    backend: backend::Backend,
    leases: Leases,
    terms: BTreeMap<LeaseId, i64>,
    owners: BTreeMap<Vec<u8>, LeaseId>,
}

impl Held {
    fn grant(&mut self, id: LeaseId, ttl: i64) -> bool {
        let expected = if !id.is_some() {
            Err(Error::NotFound)
        } else if ttl > lease::TTL_MAX {
            Err(Error::TtlTooLarge)
        } else if let Entry::Vacant(place) = self.terms.entry(id) {
            place.insert(ttl.max(TTL_MIN));
            Ok(Lease { id, ttl: ttl.max(TTL_MIN), remaining_ttl: 0 })
        } else {
            Err(Error::Exists)
        };
        assert_eq!(self.leases.grant(&mut self.backend, id, ttl), expected);
        expected.is_ok()
    }

    fn revoke(&mut self, id: LeaseId) {
        let of_it = self.owners.iter().filter(|(_, of)| **of == id);
        let keys: Vec<Vec<u8>> = of_it.map(|(key, _)| key.clone()).collect();
        let revoked = self.leases.revoke(&mut self.backend, id);
        let revoked = revoked.map(|keys| keys.iter().map(|key| key.to_vec()).collect());
        let expected = self.terms.remove(&id).map(|_| keys).ok_or(Error::NotFound);
        self.owners.retain(|_, of| *of != id || expected.is_err());
        assert_eq!(revoked, expected);
    }

    fn attach(&mut self, id: LeaseId, key: Vec<u8>) {
        let is_there = self.terms.contains_key(&id);
        let expected = if is_there { Ok(()) } else { Err(Error::NotFound) };
        assert_eq!(self.leases.attach(id, &key), expected);
        if is_there {
            self.owners.insert(key, id);
        }
    }

    fn checkpoint(&mut self, id: LeaseId, left: i64) {
        let noted = self.leases.checkpoint(&mut self.backend, id, left, Checkpoints::Persisted);
        assert_eq!(noted.map(|lease| lease.remaining_ttl), self.terms.get(&id).map(|_| left));
    }

    /// Leases come from the file, keys are attached anew from the store.
    fn reopen(&mut self) {
        self.leases = Leases::open(&self.backend, TTL_MIN).expect("what was written is read");
        for (key, id) in &self.owners {
            self.leases.attach(*id, key).expect("it has its lease");
        }
    }

    fn check(&self) {
        self.leases.check_invariants();
        let held = self.leases.view().iter().map(|lease| (lease.id, lease.ttl));
        assert!(held.eq(self.terms.iter().map(|(id, ttl)| (*id, *ttl))));
    }
}

fn leases(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    let disk = SimDisk::new();
    disk.put_dir(Path::new("/data"));
    let options = backend::Options::new("/data/db");
    let (backend, _committer) = backend::open(Arc::new(disk), options).expect("a new file opens");
    let leases = Leases::open(&backend, TTL_MIN).expect("a new file has no leases");
    let mut held = Held { backend, leases, terms: BTreeMap::new(), owners: BTreeMap::new() };
    for _ in 0..200 {
        if input.is_empty() {
            break;
        }
        let (id, key) = (id(&mut input), input.key().to_vec());
        match input.below(8) {
            0 | 1 => {
                let ttl = if input.one_in(4) { input.signed() } else { 5 };
                features.note(u64::from(held.grant(id, ttl)));
            }
            2 => held.revoke(id),
            3 | 4 => held.attach(id, key),
            5 => {
                held.leases.detach(&key);
                held.owners.remove(&key);
            }
            6 => held.checkpoint(id, input.below(9) as i64),
            _ => held.reopen(),
        }
        held.check();
        features.size(held.owners.len());
    }
    features.number()
}

/// What a leader promised of a lease.
struct Promise {
    ttl: i64,
    until: Monotonic,
    has_checkpoint: bool,
    given_out: Option<Monotonic>,
}

/// A leader's deadlines beside what it promised.
struct Leading {
    deadlines: Deadlines,
    with_checkpoints: bool,
    now: Monotonic,
    primary: bool,
    promises: BTreeMap<LeaseId, Promise>,
}

/// What a promotion adds to each lease's time.
const EXTEND: Duration = Duration::from_secs(1);

impl Leading {
    fn promote(&mut self) {
        self.primary = true;
        let of = |(id, promise): (&LeaseId, &Promise)| Lease {
            id: *id,
            ttl: promise.ttl,
            remaining_ttl: 0,
        };
        let all: Vec<Lease> = self.promises.iter().map(of).collect();
        self.deadlines.promote(self.now, all, EXTEND);
        for promise in self.promises.values_mut() {
            promise.until = self.now + EXTEND + Duration::from_secs(promise.ttl as u64);
            promise.has_checkpoint = false;
            promise.given_out = None;
        }
    }

    fn grant(&mut self, id: LeaseId, ttl: i64) {
        if let Entry::Vacant(place) = self.promises.entry(id) {
            self.deadlines.granted(self.now, Lease { id, ttl, remaining_ttl: 0 });
            let until = self.now + Duration::from_secs(ttl as u64);
            place.insert(Promise { ttl, until, has_checkpoint: false, given_out: None });
        }
    }

    fn checkpointed(&mut self, id: LeaseId, left: i64) {
        self.deadlines.checkpointed(self.now, id, left);
        if let Some(promise) = self.promises.get_mut(&id).filter(|_| self.primary) {
            promise.has_checkpoint = left > 0;
        }
    }

    fn checkpoints(&mut self, max: usize) {
        for checkpoint in self.deadlines.checkpoints_due(self.now, max) {
            let promise = &self.promises[&LeaseId(checkpoint.id)];
            assert!((1..promise.ttl).contains(&checkpoint.remaining_ttl));
        }
    }

    fn expire(&mut self, max: usize) -> usize {
        let expired = self.deadlines.expired(self.now, max);
        for id in &expired {
            let promise = self.promises.get_mut(id).expect("it was not revoked");
            assert!(self.primary && promise.until <= self.now, "{id} ends before its time");
            let again = promise.given_out.replace(self.now);
            let rested = again.is_none_or(|last| self.now >= last + lease::REVOKE_INTERVAL);
            assert!(rested, "{id} is given out again too soon");
        }
        expired.len()
    }

    fn renew(&mut self, id: LeaseId) {
        let remaining = self.deadlines.remaining(self.now, id);
        let renewed = self.deadlines.renew(self.now, id);
        if !self.primary {
            return assert_eq!(renewed, Err(Error::NotPrimary));
        }
        let Some(promise) = self.promises.get_mut(&id) else {
            return assert_eq!(renewed, Err(Error::NotFound));
        };
        match renewed.expect("it is there") {
            Renewal::Renewed { ttl } => {
                assert_eq!(ttl, promise.ttl);
                assert!(promise.given_out.is_none(), "what was given out as expired is over");
                promise.until = self.now + Duration::from_secs(ttl as u64);
            }
            Renewal::CheckpointFirst => assert!(promise.has_checkpoint && self.with_checkpoints),
            Renewal::RevokePending => {
                assert!(promise.until <= self.now);
                assert_eq!(remaining, Ok(Duration::ZERO));
            }
        }
    }

    fn check(&self) {
        self.deadlines.check_invariants();
        assert_eq!(self.deadlines.is_primary(), self.primary);
        let count = if self.primary { self.promises.len() } else { 0 };
        assert_eq!(self.deadlines.by_expiry().len(), count);
    }
}

fn deadlines(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    let with_checkpoints = input.one_in(2);
    let options = Options {
        checkpoint_interval: with_checkpoints.then_some(Duration::from_secs(4)),
        revokes_per_second: 1 + input.below(20),
        ..Options::default()
    };
    let mut leading = Leading {
        deadlines: Deadlines::new(options),
        with_checkpoints,
        now: Monotonic(0),
        primary: false,
        promises: BTreeMap::new(),
    };
    for _ in 0..300 {
        if input.is_empty() {
            break;
        }
        let id = LeaseId(1 + input.below(8) as i64);
        match input.below(12) {
            0 | 1 => {
                leading.now = leading.now + Duration::from_millis(250 * input.below(40) as u64)
            }
            2 => leading.promote(),
            3 if input.one_in(2) => {
                leading.primary = false;
                leading.deadlines.demote();
            }
            4 | 5 => leading.grant(id, 2 + input.below(12) as i64),
            6 => {
                leading.deadlines.revoked(id);
                leading.promises.remove(&id);
            }
            7 => leading.checkpointed(id, input.below(3) as i64),
            8 | 9 => leading.renew(id),
            10 => leading.checkpoints(1 + input.below(5)),
            _ => features.size(leading.expire(1 + input.below(5))),
        }
        leading.check();
    }
    features.size(leading.promises.len());
    features.number()
}
