//! Seeds go through: whatever goes wrong, nothing acknowledged is lost, no answer is wrong, and after
//! healing everything comes to rest.

use sim::{Lines, Plan, Sum, run};

/// How many seeds a debug build runs; `OXETCD_SEEDS` for another number.
const SEEDS: u64 = 4;
/// From so many on each kind of fault has to be there, and everything else that is counted.
const MANY: u64 = 100;
/// Where they begin; `OXETCD_SEED` for elsewhere.
const FIRST: u64 = 9;

fn number(name: &str, without: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(without)
}

#[test]
fn seeds_go_through() {
    let (first, seeds) = (number("OXETCD_SEED", FIRST), number("OXETCD_SEEDS", SEEDS));
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let sum = Sum::of(first..first + seeds, jobs);
    println!("{sum}");
    assert!(sum.wrong.is_empty(), "run one with: cargo run -p sim -- --seed N");
    // A run that did little would prove little.
    let floors = [
        ("operations checked", 1000),
        ("watch events checked", 500),
        ("compared: states at an index", 500),
        ("compared: acknowledged writes", 100),
        ("messages sent", 5000),
    ];
    for (name, each) in floors {
        let floor = each * seeds;
        assert!(sum.count(name) >= floor, "{name}: {} of {floor}", sum.count(name));
    }
    if seeds >= MANY {
        for (name, count) in &sum.counts {
            assert!(*count > 0, "{name}: none in {seeds} seeds");
        }
        let some = [("snapshots interrupted", 5), ("stops", 3), ("asked for: change of users", 1)];
        for (name, in_seeds) in some {
            let (count, floor) = (sum.count(name), seeds / in_seeds);
            assert!(count >= floor, "{name}: {count} of {floor}");
        }
    }
    let crashes = ["crashes: killed", "crashes: power cut", "crashes: in start-up"];
    let crashes: u64 = crashes.iter().map(|name| sum.count(name)).sum();
    assert!(crashes >= 5 * seeds, "{crashes} crashes");
    assert!(sum.time.as_secs() >= 110 * seeds, "{:?}", sum.time);
}

#[test]
fn a_seed_gives_the_same_trace_each_time() {
    for seed in [9, 12] {
        let once = run(&Plan::of(seed), Lines::Last(0));
        let again = run(&Plan::of(seed), Lines::Last(0));
        assert_eq!((once.hash, once.counts), (again.hash, again.counts), "seed {seed}");
        assert_ne!(once.hash, run(&Plan::of(seed + 1), Lines::Last(0)).hash);
    }
}
