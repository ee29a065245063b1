//! Long histories of many clients at once: without fault they are clean, and one wrong answer in
//! them is found. `CHECKER_CALLS` sets their length.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use checker::{Call, Kind, Member, Outcome, Reply, Time};
use proto::etcdserverpb::PutResponse;
use std::time::{Duration, Instant};
use support::{Tape, all};

/// Numbers that only depend on the seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Calls that take effect one after the other and overlap in time.
fn history(seed: u64, calls: u64) -> Tape {
    let mut random = Random(seed);
    let mut tape = Tape::new();
    for number in 0..calls {
        let effect = Time::millis(1000 + number);
        let key = format!("k{}", random.below(50));
        let value = format!("v{number}");
        let call = match random.below(10) {
            0..5 => {
                tape.put(&key, &value);
                tape.history.operations.len() - 1
            }
            5 => tape.delete(&key),
            6 => {
                // Its answer is lost.
                tape.apply_put(&key, &value, 0);
                tape.record(0, Tape::put_call(&key, &value), Outcome::Unknown)
            }
            _ => tape.read(&key),
        };
        let operation = &mut tape.history.operations[call];
        operation.client = (number % 50) as u32;
        operation.member = Member((number % 3) as u32);
        operation.begin = Time(effect.0 - Duration::from_millis(random.below(20)));
        if let Outcome::Done { end, .. } = &mut operation.outcome {
            *end = effect.after(Duration::from_millis(random.below(20)));
        }
    }
    tape.now = Time::millis(2000 + calls);
    for member in 0..3 {
        tape.watch(member, all());
    }
    // Headers of one member may be overtaken by others of its own here: they are not one process's.
    tape
}

/// Whether the members' own order is all that is complained of: these histories have none.
fn faults(tape: &Tape) -> Vec<Kind> {
    let report = tape.check();
    report.found.keys().copied().filter(|kind| *kind != Kind::WentBack).collect()
}

#[test]
fn long_histories() {
    let calls = std::env::var("CHECKER_CALLS").map_or(5_000, |text| text.parse().unwrap());
    let tape = history(1, calls);
    let start = Instant::now();
    let report = tape.check();
    let took = start.elapsed();
    assert!(report.is_clean(), "{report}");
    println!("{} in {took:.2?}", report.counts);
    assert!(report.counts.unknown_applied > calls / 20);
}

#[test]
fn any_wrong_answer_is_found() {
    for seed in 0..100 {
        let mut random = Random(seed * 77 + 5);
        let mut tape = history(seed, 300);
        assert_eq!(faults(&tape), []);
        let answered = |tape: &Tape, call: usize| {
            matches!(tape.history.operations[call].outcome, Outcome::Done { .. })
        };
        let call = loop {
            let call = random.below(300) as usize;
            if answered(&tape, call) {
                break call;
            }
        };
        let is_put = matches!(tape.history.operations[call].call, Call::Put(_));
        let Outcome::Done { reply, .. } = tape.outcome(call) else { unreachable!() };
        match reply {
            // Something that nobody asked for.
            Reply::Put(reply) => {
                let kv = proto::mvccpb::KeyValue { version: 1, ..Default::default() };
                *reply = PutResponse { prev_kv: Some(kv), ..PutResponse::default() };
            }
            Reply::Delete(reply) => reply.deleted += 1,
            Reply::Range(reply) => reply.count += 1,
            _ => unreachable!(),
        }
        assert_ne!(faults(&tape), [], "seed {seed}");
        // The right answer with the header of another revision.
        let mut tape = history(seed, 300);
        let Outcome::Done { header: moved, .. } = tape.outcome(call) else { unreachable!() };
        moved.revision += if moved.revision > 50 { -50 } else { 50 };
        assert_ne!(faults(&tape), [], "seed {seed}, put {is_put}");
    }
}
