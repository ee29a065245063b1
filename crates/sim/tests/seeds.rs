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
    let (hours, took) = (sum.time.as_secs_f64() / 3600.0, sum.took.as_secs_f64());
    sim::remark(&format!(
        "{} seeds of {:.0} s, {hours:.2} virtual hours in {took:.0} s, {} operations, {} crashes, \
         {} states compared",
        sum.seeds,
        3600.0 * hours / sum.seeds.max(1) as f64,
        sum.count("operations checked"),
        crashes(&sum),
        sum.count("compared: states at an index"),
    ));
    assert!(sum.wrong.is_empty(), "run one with: cargo run -p sim -- --seed N");
    assert_eq!(sum.seeds, seeds);
    did_enough(&sum);
    if seeds >= MANY {
        did_everything(&sum);
    }
}

fn crashes(sum: &Sum) -> u64 {
    let crashes = ["crashes: killed", "crashes: power cut", "crashes: in start-up"];
    crashes.iter().map(|name| sum.count(name)).sum()
}

/// A run that did little would prove little.
fn did_enough(sum: &Sum) {
    let floors = [
        ("operations checked", 1000),
        ("watch events checked", 500),
        ("compared: states at an index", 500),
        ("compared: acknowledged writes", 100),
        ("messages sent", 5000),
    ];
    for (name, each) in floors {
        let floor = each * sum.seeds;
        assert!(sum.count(name) >= floor, "{name}: {} of {floor}", sum.count(name));
    }
    let crashes = crashes(sum);
    assert!(crashes >= 5 * sum.seeds, "{crashes} crashes");
    assert!(sum.time.as_secs() >= 110 * sum.seeds, "{:?}", sum.time);
}

/// Of many seeds each kind of fault has to be there, and as much of everything as they had when the
/// floors were last raised, but for a third.
fn did_everything(sum: &Sum) {
    for (name, count) in &sum.counts {
        assert!(*count > 0, "{name}: none in {} seeds", sum.seeds);
    }
    // In thousandths of one for each seed.
    let floors = [
        ("operations checked", 1_600_000),
        ("watch events checked", 1_100_000),
        ("compared: states at an index", 1_700_000),
        ("compared: changes at a revision", 4_000_000),
        ("compared: whole stores", 1600),
        ("compared: acknowledged writes", 1_600_000),
        ("messages sent", 13_000_000),
        ("lease ends checked", 3500),
        ("crashes: killed", 19_000),
        ("crashes: power cut", 24_000),
        ("crashes: in start-up", 18_000),
        ("crashes: disk failed", 2000),
        ("faults: all lose power", 6500),
        ("faults: cut", 10_000),
        ("faults: pause", 8000),
        ("faults: slow disk", 4500),
        ("snapshots sent", 2400),
        ("snapshots interrupted", 200),
        ("stops", 333),
        ("asked for: change of members", 4800),
        ("asked for: change of users", 1000),
    ];
    for (name, thousandths) in floors {
        let (count, floor) = (sum.count(name), thousandths * sum.seeds / 1000);
        assert!(count >= floor, "{name}: {count} of {floor}");
    }
    assert!(sum.time.as_secs() >= 120 * sum.seeds, "{:?}", sum.time);
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
