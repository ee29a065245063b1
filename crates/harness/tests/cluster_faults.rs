//! Clusters in network namespaces whose links are cut, lossy one way, flapping or slow, whose
//! members are killed and paused, and whose disks stall, under load: clients see no violation of
//! what is promised, and are served again soon after each fault.
//!
//! `OXETCD_FAULTS=500` runs so many faults on clusters of three and five in turn, ten pauses of a
//! minute among them, and asks for a million checked operations; `OXETCD_SEED` sets the first seed.
//! CI runs eight faults on three members. Needs root.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/faults/mod.rs"]
mod faults;
mod support;

use checker::Counts;
use faults::draw::Draw;
use faults::fault::Injection;
use faults::stage::{Back, Stage};
use harness::Namespaces;
use load::Plan;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use support::{count, reference_is_under_test, runtime, server_under_test};

/// Faults on one cluster; then another one is made, and what was seen is checked.
const FAULTS_PER_ROUND: u64 = 25;

/// Service is back so soon behind 99 of 100 faults.
const BACK_MAX: Duration = Duration::from_secs(3);

const OPERATIONS_MIN: u64 = 1_000_000;
const LONG_PAUSES: u64 = 10;

/// What all rounds showed.
#[derive(Default)]
struct Total {
    faults: BTreeMap<&'static str, u64>,
    back: Vec<Back>,
    counts: Counts,
    compared: u64,
}

impl Total {
    fn injected(&self) -> u64 {
        self.faults.values().sum()
    }

    fn quantile(&self, of: impl Fn(&Back) -> Duration, share: f64) -> Duration {
        let mut times: Vec<Duration> = self.back.iter().map(of).collect();
        times.sort_unstable();
        times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1]
    }

    fn print(&self) {
        println!("{} faults: {:#?}", self.injected(), self.faults);
        for (what, of) in
            [("some member", Back::first as fn(&Back) -> Duration), ("all", Back::all)]
        {
            let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| self.quantile(of, share));
            println!(
                "{what} acknowledged a write again: half {half:.2?}, p99 {most:.2?}, worst {worst:.2?}"
            );
        }
        println!("{}; {} compactions with equal hashes", self.counts, self.compared);
    }
}

/// One cluster, and some faults one after the other.
fn round(
    program: &Path,
    members: usize,
    seed: u64,
    names: &[Option<&'static str>],
    total: &mut Total,
) {
    let network = Arc::new(Namespaces::proxied(members).unwrap());
    // On a thread of its own, which stays in the network.
    let shown = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            network.enter().unwrap();
            let runtime = runtime();
            runtime.block_on(async {
                let plan = |endpoints| Plan {
                    clients: 16,
                    pause: Duration::from_millis(3),
                    ..Plan::new(seed, endpoints)
                };
                let mut stage = Stage::start(Arc::clone(&network), program, members, plan);
                let mut draw = Draw::new(seed, members, !reference_is_under_test());
                for name in names {
                    tokio::time::sleep(draw.millis(200, 800)).await;
                    let injections = choose(&mut draw, *name, stage.leader().await);
                    let back = stage.inject(&injections).await;
                    println!("{back:.2?} behind {injections:?}");
                    total.back.push(back);
                    for injection in &injections {
                        *total.faults.entry(injection.name).or_default() += 1;
                    }
                }
                stage.scene.finish().await
            })
        });
        thread.join()
    });
    let shown = shown.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    println!("seed {seed}, {members} members: {}", shown.report);
    assert!(shown.report.is_clean(), "seed {seed}, {members} members: {}", shown.report);
    total.counts += shown.report.counts;
    total.compared += shown.compared;
}

/// One fault, sometimes two; without a name a long pause.
fn choose(draw: &mut Draw, name: Option<&'static str>, leader: usize) -> Vec<Injection> {
    let Some(name) = name else { return vec![draw.long_pause(leader)] };
    let mut injections = vec![draw.fault(name, leader)];
    if draw.one_in(8) {
        let other = draw.name();
        injections.push(draw.fault(other, leader));
    }
    injections
}

fn program() -> PathBuf {
    server_under_test()
}

#[test]
fn clusters_keep_their_promises_under_faults() {
    let faults = count("OXETCD_FAULTS", 0);
    let first_seed = count("OXETCD_SEED", 1);
    let mut total = Total::default();
    if faults == 0 {
        let names: Vec<Option<&str>> = Draw::few().into_iter().map(Some).collect();
        round(&program(), 3, first_seed, &names, &mut total);
        total.print();
        assert!(total.injected() >= names.len() as u64);
        assert!(total.counts.answers > 1_000, "{}", total.counts);
        return;
    }
    let long_every = faults.div_ceil(LONG_PAUSES);
    let mut done = 0;
    for seed in first_seed.. {
        let members = if seed % 2 == 0 { 5 } else { 3 };
        let mut draw = Draw::new(seed ^ 0x5eed, members, !reference_is_under_test());
        let count = FAULTS_PER_ROUND.min(faults - done);
        let names: Vec<_> = (done..done + count)
            .map(|number| (number % long_every != long_every / 2).then(|| draw.name()))
            .collect();
        round(&program(), members, seed, &names, &mut total);
        total.print();
        done += count;
        if done == faults {
            break;
        }
    }
    assert!(total.injected() >= faults);
    let scaled = OPERATIONS_MIN * faults / 500;
    assert!(total.counts.answers >= scaled, "{} of {scaled}", total.counts.answers);
    let back = total.quantile(Back::all, 0.99);
    assert!(back <= BACK_MAX, "service is back after {back:?}");
}
