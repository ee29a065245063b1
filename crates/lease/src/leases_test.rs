//! Grants, revokes, attached keys and rows, as every member has to have them.

use env::{Rng, SeededRng};
use prost::Message;
use proto::etcdserverpb::InternalRaftRequest;
use proto::version::Version;
use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::testing::{golden, open};

const TTL_MIN: i64 = 2;

fn texts(keys: &[Key]) -> Vec<&str> {
    keys.iter().map(|key| std::str::from_utf8(key).unwrap()).collect()
}

fn rows(backend: &Backend) -> Vec<(i64, Vec<u8>)> {
    let rows = backend.rows(Bucket::Lease).unwrap();
    let id = |key: &[u8]| i64::from_be_bytes(key.try_into().unwrap());
    rows.into_iter().map(|(key, value)| (id(&key), value.to_vec())).collect()
}

#[test]
fn a_grant_is_checked_and_stored_as_go_stores_it() {
    let mut opened = open();
    let backend = &mut opened.backend;
    let mut leases = Leases::open(backend, TTL_MIN).unwrap();
    let grant = |leases: &mut Leases, backend: &mut Backend, id, ttl| {
        leases.grant(backend, LeaseId(id), ttl).map(|lease| lease.ttl)
    };
    assert_eq!(grant(&mut leases, backend, 0, 60), Err(Error::NotFound));
    assert_eq!(grant(&mut leases, backend, 1, TTL_MAX + 1), Err(Error::TtlTooLarge));
    assert_eq!(grant(&mut leases, backend, 1, TTL_MAX), Ok(TTL_MAX));
    assert_eq!(grant(&mut leases, backend, 0x1111, 500), Ok(500));
    assert_eq!(grant(&mut leases, backend, 0x1111, 600), Err(Error::Exists));
    assert_eq!(grant(&mut leases, backend, 3, 1), Ok(TTL_MIN));
    assert_eq!(grant(&mut leases, backend, 4, 0), Ok(TTL_MIN));
    assert_eq!(grant(&mut leases, backend, 5, i64::MIN), Ok(TTL_MIN));
    let stored = rows(backend);
    assert!(stored.contains(&(0x1111, vec![0x08, 0x91, 0x22, 0x10, 0xf4, 0x03])));
    assert!(stored.contains(&(3, vec![0x08, 3, 0x10, 2])));
    assert_eq!(stored.len(), 5);
    leases.check_invariants();
}

const GOLDEN: [&str; 2] =
    [include_str!("../testdata/golden-3.5.1.txt"), include_str!("../testdata/golden-3.7.1.txt")];

#[test]
fn entries_of_the_real_etcd_leave_its_rows() {
    for text in GOLDEN {
        let golden = golden(text);
        let mut opened = open();
        let backend = &mut opened.backend;
        let mut leases = Leases::open(backend, TTL_MIN).unwrap();
        assert_eq!(golden.entries.len(), 4);
        for (_, _, data) in &golden.entries {
            let request = InternalRaftRequest::decode(&data[..]).unwrap();
            if let Some(grant) = request.lease_grant {
                leases.grant(backend, LeaseId(grant.id), grant.ttl).unwrap();
            }
            if let Some(revoke) = request.lease_revoke {
                leases.revoke(backend, LeaseId(revoke.id)).unwrap();
            }
        }
        let rows = backend.rows(Bucket::Lease).unwrap();
        let rows: Vec<_> =
            rows.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        assert_eq!(rows, golden.rows_of("lease"));
    }
}

#[test]
fn errors_are_those_of_the_api() {
    let texts = [Error::NotFound, Error::Exists, Error::TtlTooLarge, Error::NotPrimary]
        .map(|error| (proto::error::Error::from(error).code().number(), error.to_string()));
    assert_eq!(
        texts,
        [
            (5, "etcdserver: requested lease not found".to_owned()),
            (9, "etcdserver: lease already exists".to_owned()),
            (11, "etcdserver: too large lease TTL".to_owned()),
            (2, "not a primary lessor".to_owned()),
        ]
    );
}

#[test]
fn a_revoke_gives_the_keys_sorted_and_leaves_nothing() {
    let mut opened = open();
    let backend = &mut opened.backend;
    let mut leases = Leases::open(backend, TTL_MIN).unwrap();
    for id in [1, 2] {
        leases.grant(backend, LeaseId(id), 60).unwrap();
    }
    for key in ["b", "a", "c", "a\0"] {
        leases.attach(LeaseId(1), key.as_bytes()).unwrap();
    }
    leases.attach(LeaseId(2), b"other").unwrap();
    let before = leases.view().clone();
    let keys = leases.revoke(backend, LeaseId(1)).unwrap();
    assert_eq!(texts(&keys), ["a", "a\0", "b", "c"]);
    assert_eq!(leases.view().lookup(LeaseId(1)), None);
    assert_eq!(leases.view().keys(LeaseId(1)).count(), 0);
    assert_eq!(leases.lease_of(b"a"), LeaseId::NONE);
    assert_eq!(leases.lease_of(b"other"), LeaseId(2));
    assert_eq!(rows(backend).len(), 1);
    assert_eq!(leases.revoke(backend, LeaseId(1)), Err(Error::NotFound));
    assert_eq!(before.keys(LeaseId(1)).count(), 4, "a view does not change");
    assert_eq!(before.len(), 2);
    leases.check_invariants();
}

#[test]
fn a_put_moves_a_key_between_leases() {
    let mut opened = open();
    let backend = &mut opened.backend;
    let mut leases = Leases::open(backend, TTL_MIN).unwrap();
    for id in [-1, 1, i64::MAX] {
        leases.grant(backend, LeaseId(id), 60).unwrap();
    }
    leases.attach(LeaseId(1), b"k").unwrap();
    leases.attach(LeaseId(1), b"k").unwrap();
    assert_eq!(leases.attach(LeaseId(9), b"k"), Err(Error::NotFound));
    assert_eq!(leases.lease_of(b"k"), LeaseId(1));
    leases.attach(LeaseId(i64::MAX), b"k").unwrap();
    leases.attach(LeaseId(-1), b"negative").unwrap();
    assert_eq!(leases.view().keys(LeaseId(1)).count(), 0);
    assert_eq!(leases.view().keys(LeaseId(i64::MAX)).count(), 1);
    assert_eq!(leases.view().keys(LeaseId(-1)).count(), 1);
    leases.check_invariants();
    leases.detach(b"k");
    leases.detach(b"k");
    assert_eq!(leases.lease_of(b"k"), LeaseId::NONE);
    leases.check_invariants();
}

#[test]
fn a_checkpoint_is_stored_by_the_rule() {
    let mut opened = open();
    let backend = &mut opened.backend;
    let mut leases = Leases::open(backend, TTL_MIN).unwrap();
    leases.grant(backend, LeaseId(1), 600).unwrap();
    leases.checkpoint(backend, LeaseId(1), 300, Checkpoints::InMemory).unwrap();
    assert_eq!(leases.view().lookup(LeaseId(1)).unwrap().seconds_at_promotion(), 300);
    assert_eq!(rows(backend), [(1, vec![0x08, 1, 0x10, 0xd8, 0x04])]);
    leases.checkpoint(backend, LeaseId(1), 200, Checkpoints::Persisted).unwrap();
    assert_eq!(rows(backend), [(1, vec![0x08, 1, 0x10, 0xd8, 0x04, 0x18, 0xc8, 0x01])]);
    let again = Leases::open(backend, TTL_MIN).unwrap();
    assert_eq!(again.view().lookup(LeaseId(1)).unwrap().remaining_ttl, 200);
    leases.checkpoint(backend, LeaseId(1), 0, Checkpoints::Persisted).unwrap();
    assert_eq!(leases.view().lookup(LeaseId(1)).unwrap().seconds_at_promotion(), 600);
    assert_eq!(leases.checkpoint(backend, LeaseId(2), 5, Checkpoints::Persisted), None);

    let v = |minor| Some(Version::new(3, minor, 0));
    assert_eq!(Checkpoints::rule(false, v(5)), Checkpoints::InMemory);
    assert_eq!(Checkpoints::rule(false, None), Checkpoints::InMemory);
    assert_eq!(Checkpoints::rule(true, None), Checkpoints::Persisted);
    assert_eq!(Checkpoints::rule(false, v(6)), Checkpoints::Persisted);
}

#[test]
fn loading_raises_short_leases_and_takes_negative_ids() {
    let mut opened = open();
    let backend = &mut opened.backend;
    for (id, ttl) in [(-5, 60), (7, 1)] {
        let stored = proto::leasepb::Lease { id, ttl, remaining_ttl: 0 };
        backend.put(Bucket::Lease, row::key(LeaseId(id)).to_vec(), row::encode(&stored));
    }
    let leases = Leases::open(backend, TTL_MIN).unwrap();
    let all: Vec<(i64, i64)> = leases.view().iter().map(|lease| (lease.id.0, lease.ttl)).collect();
    assert_eq!(all, [(-5, 60), (7, TTL_MIN)]);
}

#[test]
fn a_damaged_row_is_named() {
    let mut opened = open();
    opened.backend.put(Bucket::Lease, vec![0_u8; 8], vec![0x08_u8]);
    let error = Leases::open(&opened.backend, TTL_MIN).err().unwrap().to_string();
    assert!(error.contains("bucket lease") && error.contains("a Lease message"), "{error}");
}

#[test]
fn random_histories_agree_with_a_plain_model() {
    for seed in 0..30 {
        let mut opened = open();
        let backend = &mut opened.backend;
        let mut rng = SeededRng::new(seed);
        let mut leases = Leases::open(backend, TTL_MIN).unwrap();
        let mut model: BTreeMap<i64, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for _ in 0..300 {
            let id = 1 + rng.below(8) as i64;
            let key = vec![b'a' + rng.below(20) as u8];
            match rng.below(10) {
                0 | 1 => {
                    let granted = leases.grant(backend, LeaseId(id), 60);
                    assert_eq!(granted.is_ok(), !model.contains_key(&id), "seed {seed}");
                    model.entry(id).or_default();
                }
                2 => {
                    let revoked = leases.revoke(backend, LeaseId(id)).ok();
                    let revoked =
                        revoked.map(|keys| keys.iter().map(|key| key.to_vec()).collect::<Vec<_>>());
                    let expected = model.remove(&id).map(|keys| keys.into_iter().collect());
                    assert_eq!(revoked, expected, "seed {seed}");
                }
                3 => {
                    leases.detach(&key);
                    model.values_mut().for_each(|keys| _ = keys.remove(&key));
                }
                _ => {
                    let attached = leases.attach(LeaseId(id), &key);
                    assert_eq!(attached.is_ok(), model.contains_key(&id), "seed {seed}");
                    if model.contains_key(&id) {
                        model.values_mut().for_each(|keys| _ = keys.remove(&key));
                        model.get_mut(&id).unwrap().insert(key);
                    }
                }
            }
        }
        leases.check_invariants();
        let found: BTreeMap<i64, BTreeSet<Vec<u8>>> = leases
            .view()
            .iter()
            .map(|lease| {
                (lease.id.0, leases.view().keys(lease.id).map(|key| key.to_vec()).collect())
            })
            .collect();
        assert_eq!(found, model, "seed {seed}");
        let stored: Vec<i64> = rows(backend).into_iter().map(|(id, _)| id).collect();
        assert_eq!(stored, model.into_keys().collect::<Vec<_>>(), "seed {seed}");
    }
}
