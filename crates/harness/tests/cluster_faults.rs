//! Clusters in network namespaces whose links are cut, lossy one way, flapping or slow, whose
//! members are killed and paused, and whose disks stall, under load: clients see no violation of
//! what is promised, and are served again soon after each fault.
//!
//! CI makes eight faults on three members. The full run is
//!
//! `OXETCD_FAULTS=500 cargo test --release -p harness --test cluster_faults -- --nocapture`
//!
//! It makes so many on clusters of three and five members in turn, of each kind its share, with ten
//! pauses of a minute among them, and asks for a million checked operations; fewer faults ask for
//! fewer of each. Slow disks are made by a fail point, so the test builds an optimised `etcd` that
//! has them into `target/failpoints`; where `OXETCD_BIN` names a folder, the `etcd` in it has to be
//! one (`cargo build --release -p etcd --features failpoints`). `OXETCD_SEED` sets the first seed.
//! Needs root.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/faults/mod.rs"]
mod faults;
mod support;

use faults::course::Course;
use faults::draw::Draw;
use faults::stage::{Back, Stage};
use faults::total::Total;
use harness::{Namespaces, ours_with_fail_points};
use load::Plan;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{count, reference_is_under_test, runtime, server_under_test};

/// Faults, or two at once, on one cluster; then another one is made, and what was seen is checked.
const FAULTS_PER_ROUND: u64 = 25;

/// Clients of a cluster that write and read keys at once.
const CLIENTS: u32 = 40;

/// Clusters side by side in a full run: most of a fault's time is waiting.
const LANES: u64 = 2;

/// Service is back so soon behind 99 of 100 faults.
const BACK_MAX: Duration = Duration::from_secs(3);

/// A full run's faults, and what it has at least.
const FULL: u64 = 500;
const OPERATIONS_MIN: u64 = 1_000_000;
const LONG_PAUSES: u64 = 10;

/// One cluster, and some faults one after the other.
fn round(program: &Path, members: usize, seed: u64, course: &mut Course, total: &Mutex<Total>) {
    let network = Arc::new(Namespaces::proxied(members).unwrap());
    // On a thread of its own, which stays in the network.
    let shown = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            network.enter().unwrap();
            runtime().block_on(async {
                let plan = |endpoints| Plan {
                    clients: CLIENTS,
                    pause: Duration::from_millis(2),
                    // Who waits for a member that is cut off does nothing else.
                    call_max: Duration::from_secs(2),
                    ..Plan::new(seed, endpoints)
                };
                let mut stage = Stage::start(Arc::clone(&network), program, members, plan);
                let mut draw = Draw::new(seed, members);
                for _ in 0..FAULTS_PER_ROUND {
                    if course.is_done() {
                        break;
                    }
                    tokio::time::sleep(draw.millis(100, 500)).await;
                    let injections = course.next(&mut draw, stage.leader().await);
                    let back = stage.inject(&injections).await;
                    println!("{back:.2?} behind {injections:?} of {members} members, seed {seed}");
                    total.lock().unwrap().add(&injections, back);
                }
                let stalls = stage.stalls;
                (stage.scene.finish().await, stalls)
            })
        });
        thread.join()
    });
    // Locked, so that the other lanes hear of a panic.
    let mut total = total.lock().unwrap();
    let (shown, stalls) = shown.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(shown.report.is_clean(), "seed {seed}, {members} members: {}", shown.report);
    total.counts += shown.report.counts;
    total.compared += shown.compared;
    total.stalls += stalls;
    println!("seed {seed}, {members} members: {}", shown.report);
    total.print();
}

/// A part of a full run: one round after the other, three and five members in turn.
fn lane(program: &Path, first_seed: u64, course: &mut Course, total: &Mutex<Total>) {
    for number in 0.. {
        let seed = first_seed + number * LANES;
        let members = if (first_seed + number).is_multiple_of(2) { 5 } else { 3 };
        round(program, members, seed, course, total);
        if course.is_done() || total.is_poisoned() {
            return;
        }
    }
}

/// A full run, or a part of one of that many faults.
fn run(faults: u64, first_seed: u64) {
    let ours = !reference_is_under_test();
    let program = if ours { ours_with_fail_points().unwrap() } else { server_under_test() };
    let long_pauses = LONG_PAUSES * faults / FULL;
    let mut courses: Vec<Course> = (0..LANES)
        .map(|lane| {
            let share = |of: u64| of * (lane + 1) / LANES - of * lane / LANES;
            Course::drawn(first_seed + lane, share(faults), share(long_pauses), ours)
        })
        .collect();
    let total = Mutex::new(Total::new());
    std::thread::scope(|scope| {
        for (seed, course) in (first_seed..).zip(&mut courses) {
            let (program, total) = (&program, &total);
            scope.spawn(move || lane(program, seed, course, total));
        }
    });
    let total = total.into_inner().unwrap();
    println!("all of it:");
    total.print();
    assert!(total.injected() >= faults);
    let mut floors = BTreeMap::new();
    for (name, least) in courses.iter().flat_map(Course::floors) {
        *floors.entry(name).or_insert(0) += least;
    }
    for (name, least) in floors {
        assert!(total.count(name) >= least, "{name}: {} of {least}", total.count(name));
        assert!(!name.ends_with("disk") || total.stalls >= least, "{name}: no sync was held up");
    }
    let least = OPERATIONS_MIN * faults / FULL;
    assert!(total.counts.checked() >= least, "{} of {least}", total.counts.checked());
    let back = total.back(Back::all, 0.99);
    assert!(back <= BACK_MAX, "service is back after {back:?}");
}

#[test]
fn clusters_keep_their_promises_under_faults() {
    let (faults, first_seed) = (count("OXETCD_FAULTS", 0), count("OXETCD_SEED", 1));
    if faults > 0 {
        return run(faults, first_seed);
    }
    let (mut course, total) = (Course::few(), Mutex::new(Total::new()));
    round(&server_under_test(), 3, first_seed, &mut course, &total);
    assert!(course.is_done());
    let counts = total.into_inner().unwrap().counts;
    assert!(counts.checked() > 1_000, "{counts}");
}
