//! Deadlines: single rules, and random histories against a model that looks at every lease each
//! time.

use env::{Rng, SeededRng};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn lease(id: i64, ttl: i64) -> Lease {
    Lease { id: LeaseId(id), ttl, remaining_ttl: 0 }
}

fn at(seconds: u64) -> Monotonic {
    Monotonic(seconds * 1_000_000_000)
}

fn ids(numbers: &[i64]) -> Vec<LeaseId> {
    numbers.iter().copied().map(LeaseId).collect()
}

fn promoted(options: Options, leases: &[Lease]) -> Deadlines {
    let mut deadlines = Deadlines::new(options);
    deadlines.promote(at(0), leases.iter().copied(), SECOND);
    deadlines.check_invariants();
    deadlines
}

fn with_checkpoints() -> Options {
    Options { checkpoint_interval: Some(CHECKPOINT_INTERVAL), ..Options::default() }
}

#[test]
fn only_a_leader_has_deadlines() {
    let mut deadlines = Deadlines::new(Options::default());
    deadlines.granted(at(0), lease(1, 10));
    assert_eq!(deadlines.renew(at(0), LeaseId(1)), Err(Error::NotPrimary));
    assert_eq!(deadlines.remaining(at(0), LeaseId(1)), Err(Error::NotPrimary));
    assert_eq!(deadlines.next_due(), None);
    deadlines.promote(at(0), [lease(1, 10)], SECOND);
    assert_eq!(deadlines.renew(at(5), LeaseId(1)), Ok(Renewal::Renewed { ttl: 10 }));
    assert_eq!(deadlines.renew(at(5), LeaseId(2)), Err(Error::NotFound));
    deadlines.demote();
    assert_eq!(deadlines.renew(at(5), LeaseId(1)), Err(Error::NotPrimary));
    assert!(deadlines.expired(at(1000), 10).is_empty());
    deadlines.check_invariants();
}

#[test]
fn a_promotion_gives_the_remaining_time_and_an_election_timeout() {
    let checkpointed = Lease { id: LeaseId(2), ttl: 100, remaining_ttl: 20 };
    let mut deadlines = promoted(Options::default(), &[lease(1, 10), checkpointed]);
    assert_eq!(deadlines.remaining(at(0), LeaseId(1)), Ok(11 * SECOND));
    assert_eq!(deadlines.remaining(at(0), LeaseId(2)), Ok(21 * SECOND));
    deadlines.granted(at(1), lease(3, 30));
    assert_eq!(deadlines.remaining(at(1), LeaseId(3)), Ok(30 * SECOND));
    assert_eq!(deadlines.by_expiry(), ids(&[1, 2, 3]));
    assert_eq!(deadlines.next_due(), Some(at(11)));
    assert_eq!(deadlines.remaining(at(50), LeaseId(1)), Ok(Duration::ZERO));
}

#[test]
fn an_expired_lease_is_given_out_again_and_never_renewed() {
    let mut deadlines = promoted(Options::default(), &[lease(1, 10), lease(2, 9)]);
    assert!(deadlines.expired(at(9), 10).is_empty());
    assert_eq!(deadlines.expired(at(11), 1), ids(&[2]), "the older first, one only");
    assert_eq!(deadlines.expired(at(11), 10), ids(&[1]));
    assert!(deadlines.expired(at(13), 10).is_empty());
    assert_eq!(deadlines.renew(at(13), LeaseId(1)), Ok(Renewal::RevokePending));
    assert_eq!(deadlines.expired(at(14), 10), ids(&[1, 2]), "still there after 3 seconds");
    deadlines.revoked(LeaseId(1));
    deadlines.revoked(LeaseId(1));
    assert_eq!(deadlines.renew(at(14), LeaseId(1)), Err(Error::NotFound));
    assert_eq!(deadlines.expired(at(20), 10), ids(&[2]));
    deadlines.check_invariants();
}

#[test]
fn expiry_blocks_renewal_before_anything_is_proposed() {
    let mut deadlines = promoted(Options::default(), &[lease(1, 10)]);
    assert_eq!(deadlines.renew(at(11), LeaseId(1)), Ok(Renewal::RevokePending));
    assert_eq!(deadlines.expired(at(11), 10), ids(&[1]));
}

#[test]
fn a_checkpoint_counts_at_the_next_promotion_and_is_taken_back_by_a_renewal() {
    let mut deadlines = promoted(with_checkpoints(), &[lease(1, 1000), lease(2, 200)]);
    assert!(deadlines.checkpoints_due(at(299), 10).is_empty());
    let due = deadlines.checkpoints_due(at(300), 10);
    assert_eq!(due, [LeaseCheckpoint { id: 1, remaining_ttl: 701 }], "the short lease has none");
    deadlines.checkpointed(at(300), LeaseId(1), 701);
    assert_eq!(deadlines.remaining(at(300), LeaseId(1)), Ok(701 * SECOND));
    assert_eq!(deadlines.renew(at(301), LeaseId(1)), Ok(Renewal::CheckpointFirst));
    deadlines.checkpointed(at(302), LeaseId(1), 0);
    assert_eq!(deadlines.renew(at(302), LeaseId(1)), Ok(Renewal::Renewed { ttl: 1000 }));
    assert_eq!(deadlines.remaining(at(302), LeaseId(1)), Ok(1000 * SECOND));
    deadlines.revoked(LeaseId(2));
    assert_eq!(deadlines.next_due(), Some(at(602)));
    deadlines.check_invariants();
}

#[test]
fn a_checkpoint_that_was_lost_comes_again() {
    let mut deadlines = promoted(with_checkpoints(), &[lease(1, 1000)]);
    assert_eq!(deadlines.checkpoints_due(at(300), 10).len(), 1);
    assert!(deadlines.checkpoints_due(at(301), 10).is_empty());
    let due = deadlines.checkpoints_due(at(600), 10);
    assert_eq!(due, [LeaseCheckpoint { id: 1, remaining_ttl: 401 }]);
    // One that was renewed a moment ago has nothing to note, but does later.
    deadlines.renew(at(900), LeaseId(1)).unwrap();
    assert!(deadlines.checkpoints_due(at(900), 10).is_empty());
    assert_eq!(deadlines.checkpoints_due(at(1200), 10).len(), 1);
}

#[test]
fn an_old_checkpoint_does_not_shorten_a_renewal_when_checkpoints_are_off() {
    let old = Lease { id: LeaseId(1), ttl: 1000, remaining_ttl: 5 };
    let mut deadlines = promoted(Options::default(), &[old]);
    assert_eq!(deadlines.remaining(at(0), LeaseId(1)), Ok(6 * SECOND));
    assert_eq!(deadlines.renew(at(1), LeaseId(1)), Ok(Renewal::Renewed { ttl: 1000 }));
    assert_eq!(deadlines.remaining(at(1), LeaseId(1)), Ok(1000 * SECOND));
    assert!(deadlines.checkpoints_due(at(999), 10).is_empty());
}

#[test]
fn many_leases_of_one_length_do_not_expire_at_once() {
    let leases: Vec<Lease> = (1..=20_000).map(|id| lease(id, 10)).collect();
    let mut deadlines = promoted(Options::default(), &leases);
    let mut per_second = BTreeMap::new();
    for id in deadlines.by_expiry() {
        let left = deadlines.remaining(at(0), id).unwrap();
        assert!(left >= 11 * SECOND, "a promotion only extends");
        *per_second.entry(left.as_secs()).or_insert(0) += 1;
    }
    assert!(per_second.values().all(|count| *count <= 751), "{per_second:?}");
    let mut gone = 0;
    for round in 22..80 {
        let now = at(0) + LOOP_INTERVAL * round;
        for id in deadlines.expired(now, REVOKES_PER_SECOND / 2) {
            deadlines.revoked(id);
            gone += 1;
        }
    }
    assert_eq!(gone, 20_000, "all within 29 seconds");
    deadlines.check_invariants();
}

/// Every lease looked at each time: its expiry and when it may be given out next.
#[derive(Default)]
struct Model {
    leases: BTreeMap<LeaseId, (i64, Monotonic, Monotonic)>,
}

impl Model {
    fn expired(&mut self, now: Monotonic, max: usize) -> Vec<LeaseId> {
        let due = self.leases.iter().filter(|(_, (_, _, due))| *due <= now);
        let mut due: Vec<(Monotonic, LeaseId)> = due.map(|(id, (_, _, due))| (*due, *id)).collect();
        due.sort();
        due.truncate(max);
        for (_, id) in &due {
            self.leases.get_mut(id).unwrap().2 = now + REVOKE_INTERVAL;
        }
        due.into_iter().map(|(_, id)| id).collect()
    }
}

#[test]
fn random_histories_agree_with_a_plain_model() {
    for seed in 0..40 {
        let mut rng = SeededRng::new(seed);
        let mut deadlines = promoted(Options::default(), &[]);
        let mut model = Model::default();
        let mut now = at(0);
        for _ in 0..500 {
            now = now + Duration::from_millis(rng.below(1500));
            let id = LeaseId(1 + rng.below(12) as i64);
            match rng.below(8) {
                0 | 1 if !model.leases.contains_key(&id) => {
                    let ttl = 2 + rng.below(10) as i64;
                    deadlines.granted(now, lease(id.0, ttl));
                    let expiry = now + SECOND * u32::try_from(ttl).unwrap();
                    model.leases.insert(id, (ttl, expiry, expiry));
                }
                2 => {
                    deadlines.revoked(id);
                    model.leases.remove(&id);
                }
                3 | 4 => {
                    let expected = match model.leases.get_mut(&id) {
                        None => Err(Error::NotFound),
                        Some((_, expiry, _)) if *expiry <= now => Ok(Renewal::RevokePending),
                        Some((ttl, expiry, due)) => {
                            *expiry = now + SECOND * u32::try_from(*ttl).unwrap();
                            *due = *expiry;
                            Ok(Renewal::Renewed { ttl: *ttl })
                        }
                    };
                    assert_eq!(deadlines.renew(now, id), expected, "seed {seed}");
                }
                5 | 6 => {
                    let max = rng.below(4) as usize;
                    let expected = model.expired(now, max);
                    assert_eq!(deadlines.expired(now, max), expected, "seed {seed}");
                }
                _ => {
                    let expected = model.leases.get(&id).map(|(_, expiry, _)| expiry.since(now));
                    assert_eq!(deadlines.remaining(now, id).ok(), expected, "seed {seed}");
                }
            }
            deadlines.check_invariants();
        }
    }
}
