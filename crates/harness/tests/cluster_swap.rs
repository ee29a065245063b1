//! Under a steady load, all members of a cluster of the real etcd are replaced in place by the
//! server under test, one after the other, and then put back: nothing acknowledged is lost, no watch
//! has a gap, no lease ends early, and clients get errors only from a member that is down or during
//! an election.
//!
//! `OXETCD_SWAP_CYCLES` sets how many cycles run (20 for the full run: every second one ends members
//! by SIGTERM, the others by SIGKILL). The full run is done twice with the same seed, first with the
//! real etcd in both places: what that shows too is printed, not counted.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use checker::{Member, Report};
use clusters::{Outages, kinds, wait_for_leader};
use harness::{Cluster, ClusterOptions, Network, reference};
use load::{Failure, Load, Plan};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::{count, runtime, server_under_test};

const MEMBERS: usize = 3;

/// How long a member may take from its start until it serves.
const START_MAX: Duration = Duration::from_secs(60);

/// How a member is ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Terminate,
    Kill,
}

/// What a run showed.
struct Shown {
    report: Report,
    failures: Vec<Failure>,
    unexcused: Vec<Failure>,
    kept_lost: u64,
    compared: u64,
    swaps: u64,
    leader_swaps: u64,
    /// The longest time from a member's end until it served again.
    slowest: Duration,
}

struct Run {
    cluster: Cluster,
    load: Load,
    outages: Outages,
    swaps: u64,
    leader_swaps: u64,
    slowest: Duration,
}

impl Run {
    /// Replaces the program of one member.
    async fn swap(&mut self, position: usize, program: &PathBuf, end: End) {
        let was_leader = wait_for_leader(&self.cluster).await == position;
        let (from, start) = (self.load.now(), Instant::now());
        if was_leader {
            self.outages.election(from);
            self.leader_swaps += 1;
        }
        self.load.restarted(Member(position as u32));
        let member = self.cluster.member(position);
        match end {
            End::Terminate => drop(member.terminate().unwrap()),
            End::Kill => member.kill().unwrap(),
        }
        member.options.program.clone_from(program);
        self.load.restarted(Member(position as u32));
        let member = self.cluster.member(position);
        member.spawn().unwrap();
        tokio::task::block_in_place(|| member.wait_ready_within(START_MAX)).unwrap();
        self.slowest = self.slowest.max(start.elapsed());
        self.swaps += 1;
        self.outages.down(Member(position as u32), from, self.load.now());
        // Clients come back to it before the next one goes.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Swaps all members to `other` and back, again and again.
fn run(seed: u64, other: PathBuf, ends: &[[End; 2]]) -> Shown {
    let real = reference().unwrap().program("etcd");
    let options = ClusterOptions {
        programs: vec![real.clone(); MEMBERS],
        // Low enough for snapshots to be made on the way.
        arguments: vec!["--snapshot-count=2000".to_owned()],
        network: Network::Loopback,
    };
    let cluster = Cluster::started(&options).unwrap();
    runtime().block_on(async {
        let load = Load::start(Plan::new(seed, cluster.endpoints()));
        let outages = Outages::default();
        let (swaps, leader_swaps, slowest) = (0, 0, Duration::ZERO);
        let mut run = Run { cluster, load, outages, swaps, leader_swaps, slowest };
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (cycle, [there, back]) in ends.iter().enumerate() {
            for (program, end) in [(&other, there), (&real, back)] {
                for step in 0..MEMBERS {
                    run.swap((cycle + step) % MEMBERS, program, *end).await;
                }
            }
        }
        let Run { cluster: _cluster, load, outages, swaps, leader_swaps, slowest } = run;
        let recording = load.finish().await.unwrap();
        let report = checker::check(&recording.history);
        let unexcused = outages.unexcused(&recording.failures);
        Shown {
            report,
            unexcused,
            failures: recording.failures,
            kept_lost: recording.kept_lost,
            compared: recording.compared,
            swaps,
            leader_swaps,
            slowest,
        }
    })
}

impl Shown {
    fn print(&self, what: &str) {
        let Self { report, kept_lost, compared, swaps, leader_swaps, slowest, .. } = self;
        println!(
            "{what}: {swaps} swaps, {leader_swaps} of them of the leader, the slowest took \
             {slowest:.1?}; {compared} compactions with equal hashes; kept leases that ended: \
             {kept_lost}; errors: {:?}, of them not excused: {:?}; {report}",
            kinds(&self.failures),
            kinds(&self.unexcused)
        );
    }
}

#[test]
fn members_are_swapped_under_load_and_put_back() {
    let cycles = count("OXETCD_SWAP_CYCLES", 1);
    let seed = count("OXETCD_SEED", 1);
    let full = cycles > 1;
    let ends: Vec<[End; 2]> = (0..cycles)
        .map(|cycle| match (full, cycle % 2) {
            (false, _) => [End::Terminate, End::Kill],
            (true, 0) => [End::Terminate; 2],
            (true, _) => [End::Kill; 2],
        })
        .collect();
    let control = full.then(|| {
        let shown = run(seed, reference().unwrap().program("etcd"), &ends);
        shown.print("control, the real etcd only");
        shown
    });
    let shown = run(seed, server_under_test(), &ends);
    shown.print("swaps");
    let allowed = control.as_ref().map_or(BTreeMap::new(), |control| kinds(&control.unexcused));
    let control_found = control.map_or(BTreeMap::new(), |control| control.report.found);
    let found = shown.report.found.keys();
    let new: Vec<_> = found.filter(|kind| !control_found.contains_key(kind)).collect();
    assert!(new.is_empty(), "{new:?}: {}", shown.report);
    let stray = kinds(&shown.unexcused);
    let stray: Vec<_> = stray.keys().filter(|kind| !allowed.contains_key(*kind)).collect();
    assert!(stray.is_empty(), "{stray:?}: {:#?}", shown.unexcused);
    assert_eq!(shown.kept_lost, 0, "a lease that was kept alive ended");
    assert_eq!(shown.swaps, cycles * 2 * MEMBERS as u64);
    assert!(shown.compared > 0 && shown.leader_swaps > 0);
    assert!(shown.report.counts.answers > 500 * cycles, "{}", shown.report.counts);
}
