//! Random clusters under faults, checked after every step against what raft promises.
//!
//! `OXETCD_RAFT_SEEDS` says how many seeds to run (default 200); odd ones use asynchronous storage.
//! `OXETCD_RAFT_SEED` runs one seed alone. A failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "cluster/mod.rs"]
mod cluster;

use cluster::{Counts, run_seed};

const SEEDS_DEFAULT: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn random_clusters_keep_rafts_promises() {
    let seeds = match number("OXETCD_RAFT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("OXETCD_RAFT_SEEDS").unwrap_or(SEEDS_DEFAULT),
    };
    let many = seeds.end - seeds.start >= 100;
    let mut total = Counts::default();
    for seed in seeds.clone() {
        match std::panic::catch_unwind(|| run_seed(seed)) {
            Ok(counts) => total.add(&counts),
            Err(panic) => {
                println!("seed {seed} failed; run it alone with OXETCD_RAFT_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{} seeds: {total}", seeds.end - seeds.start);
    let stuck = total.get("nobody electable");
    assert!(stuck * 100 <= seeds.end - seeds.start, "too many clusters end stuck: {stuck}");
    assert!(!many || total.covers_everything(), "something was never exercised: {total}");
}
