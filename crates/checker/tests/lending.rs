//! Leases: each kind of fault is found, and nothing else.

mod support;

use checker::{Call, Kind, Outcome, Refusal, Reply};
use std::time::Duration;
use support::{Tape, all};
use types::LeaseId;

const TTL: i64 = 5;

/// A lease of 5 s with two keys, granted at 0 s and renewed at 3 s.
fn leased() -> Tape {
    let mut tape = Tape::new();
    tape.grant(7, TTL);
    tape.put_with_lease("x", "x1", 7);
    tape.put_with_lease("y", "y1", 7);
    tape.wait(3000);
    tape.keep_alive(7, TTL);
    tape
}

fn end(tape: &mut Tape) {
    tape.apply_delete(&["x", "y"]);
    tape.watch(0, all());
}

#[test]
fn a_lease_that_ends_by_itself() {
    let mut tape = leased();
    tape.wait(5000);
    tape.apply_delete(&["x", "y"]);
    tape.wait(100);
    tape.keep_alive(7, 0);
    tape.time_to_live(7, -1, 0);
    tape.watch(0, all());
    let counts = tape.assert_clean();
    assert_eq!((counts.expiries, counts.renewals), (1, 1));
}

#[test]
fn a_lease_that_ends_early() {
    let mut tape = leased();
    // After the time of the grant, before that of the renewal.
    tape.wait(4000);
    end(&mut tape);
    tape.assert_found(&[Kind::LeaseEndedEarly]);
}

#[test]
fn a_lease_that_is_revoked() {
    let mut tape = leased();
    tape.apply_delete(&["x", "y"]);
    tape.done(0, Call::Revoke(LeaseId(7)), tape.revision, Reply::Revoke);
    tape.watch(0, all());
    assert_eq!(tape.assert_clean().expiries, 0);
    // One that may have been revoked is not early either.
    let mut tape = leased();
    tape.record(0, Call::Revoke(LeaseId(7)), Outcome::Unknown);
    end(&mut tape);
    tape.assert_clean();
}

#[test]
fn a_revocation_that_left_a_key() {
    let mut tape = leased();
    tape.apply_delete(&["x"]);
    tape.done(0, Call::Revoke(LeaseId(7)), tape.revision, Reply::Revoke);
    tape.watch(0, all());
    tape.assert_found(&[Kind::LostWrite, Kind::LeasePartial]);
}

#[test]
fn a_lease_that_ends_in_part_or_in_disorder() {
    for keys in [&["y"][..], &["y", "x"]] {
        let mut tape = leased();
        tape.wait(6000);
        tape.apply_delete(keys);
        tape.watch(0, all());
        tape.assert_found(&[Kind::LeasePartial]);
    }
}

#[test]
fn a_lease_that_is_said_to_be_lost() {
    type Say = fn(&mut Tape) -> usize;
    let ways: [Say; 4] = [
        |tape| tape.keep_alive(7, 0),
        |tape| tape.time_to_live(7, -1, 0),
        |tape| {
            let put = Call::Put(proto::etcdserverpb::PutRequest {
                key: "x".into(),
                value: "x2".into(),
                lease: 7,
                ..Default::default()
            });
            tape.refused(put, Refusal::LeaseNotFound)
        },
        |tape| tape.refused(Call::Revoke(LeaseId(7)), Refusal::LeaseNotFound),
    ];
    for say in ways {
        let mut tape = leased();
        tape.wait(4000);
        say(&mut tape);
        tape.assert_found(&[Kind::LeaseLost]);
        // Later it may be so.
        let mut tape = leased();
        tape.wait(6000);
        say(&mut tape);
        tape.assert_clean();
    }
}

#[test]
fn a_dead_lease_that_is_used() {
    let mut tape = leased();
    tape.wait(6000);
    end(&mut tape);
    tape.wait(10);
    tape.keep_alive(7, TTL);
    tape.assert_found(&[Kind::LeaseDeadUsed]);
    let mut tape = leased();
    tape.wait(6000);
    tape.apply_delete(&["x", "y"]);
    tape.put("z", "z1");
    tape.put_with_lease("x", "x2", 7);
    tape.watch(0, all());
    tape.assert_found(&[Kind::LeaseDeadUsed]);
    let mut tape = leased();
    tape.apply_delete(&["x", "y"]);
    tape.done(0, Call::Revoke(LeaseId(7)), tape.revision, Reply::Revoke);
    tape.keep_alive(7, TTL);
    tape.watch(0, all());
    tape.assert_found(&[Kind::LeaseDeadUsed]);
}

#[test]
fn times_that_are_too_short() {
    let mut tape = Tape::new();
    let grant = tape.grant(7, TTL);
    if let Outcome::Done { reply: Reply::Grant { ttl, .. }, .. } = tape.outcome(grant) {
        *ttl = 4;
    }
    tape.assert_found(&[Kind::LeaseTtl]);
    let mut tape = leased();
    tape.keep_alive(7, 4);
    tape.assert_found(&[Kind::LeaseTtl]);
    let mut tape = leased();
    tape.wait(1000);
    tape.time_to_live(7, 3, TTL);
    tape.assert_clean();
    tape.time_to_live(7, 1, TTL);
    tape.assert_found(&[Kind::LeaseTtl]);
}

#[test]
fn a_lease_that_never_ends() {
    let mut tape = leased();
    tape.history.lease_grace = Some(Duration::from_secs(10));
    tape.wait(14_000);
    tape.put("z", "z1");
    tape.assert_clean();
    tape.wait(2_000);
    tape.put("z", "z2");
    tape.assert_found(&[Kind::LeaseNeverEnded]);
}

#[test]
fn a_key_that_changed_its_lease_stays() {
    let mut tape = leased();
    tape.put("x", "free");
    tape.wait(6000);
    tape.apply_delete(&["y"]);
    tape.watch(0, all());
    assert_eq!(tape.assert_clean().expiries, 1);
}
