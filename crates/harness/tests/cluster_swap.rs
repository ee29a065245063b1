//! Under a steady load, all members of a cluster of the real etcd are replaced in place by the
//! server under test, one after the other, and then put back: nothing acknowledged is lost, no watch
//! has a gap, no lease ends early, and clients get errors only from a member that is down or during
//! an election.
//!
//! `OXETCD_SWAP_CYCLES` sets how many cycles run (20 for the full run: every second one ends members
//! by SIGTERM, the others by SIGKILL). The full run is done twice with the same seed, first with the
//! real etcd in both places: what that shows too is printed, not counted; and elections that nothing
//! was done for, during which errors are excused, may be no more than there, a few aside.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use clusters::{End, Scene, Shown, kinds};
use harness::{ClusterOptions, Network, reference};
use load::Plan;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use support::{count, runtime, server_under_test};

const MEMBERS: usize = 3;

/// So many elections that nothing was done for may be due to the machine: one for a hundred swaps or
/// so on a busy one.
const OTHER_ELECTIONS_MORE_MAX: usize = 2;

/// Swaps all members to `other` and back, again and again; how many of them led then.
fn run(seed: u64, other: &PathBuf, ends: &[[End; 2]]) -> (Shown, u64) {
    let real = reference().unwrap().program("etcd");
    let options = ClusterOptions {
        programs: vec![real.clone(); MEMBERS],
        // Low enough for snapshots to be made on the way.
        arguments: vec!["--snapshot-count=2000".to_owned()],
        network: Network::Loopback,
    };
    runtime().block_on(async {
        let mut scene = Scene::start(&options, |endpoints| Plan::new(seed, endpoints));
        let mut leaders = 0;
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (cycle, [there, back]) in ends.iter().enumerate() {
            for (program, end) in [(other, there), (&real, back)] {
                for step in 0..MEMBERS {
                    let position = (cycle + step) % MEMBERS;
                    leaders += u64::from(scene.restart(position, *end, Some(program)).await);
                }
            }
        }
        (scene.finish().await, leaders)
    })
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
        let (shown, leaders) = run(seed, &reference().unwrap().program("etcd"), &ends);
        shown.print(&format!("control with the real etcd only, {leaders} swaps of the leader"));
        shown
    });
    let (shown, leaders) = run(seed, &server_under_test(), &ends);
    let swaps = cycles * 2 * MEMBERS as u64;
    shown.print(&format!("{swaps} swaps, {leaders} of them of the leader"));
    if let Some(control) = &control {
        let allowed = control.other_elections + OTHER_ELECTIONS_MORE_MAX;
        let elections = shown.other_elections;
        assert!(elections <= allowed, "{elections} elections without a cause, {allowed} allowed");
    }
    let allowed = control.as_ref().map_or(BTreeMap::new(), |control| kinds(&control.unexcused));
    let control_found = control.map_or(BTreeMap::new(), |control| control.report.found);
    let found = shown.report.found.keys();
    let new: Vec<_> = found.filter(|kind| !control_found.contains_key(kind)).collect();
    assert!(new.is_empty(), "{new:?}: {}", shown.report);
    let stray = kinds(&shown.unexcused);
    let stray: Vec<_> = stray.keys().filter(|kind| !allowed.contains_key(*kind)).collect();
    assert!(stray.is_empty(), "{stray:?}: {:#?}", shown.unexcused);
    assert_eq!(shown.kept_lost, 0, "a lease that was kept alive ended");
    assert!(shown.compared > 0 && leaders > 0);
    assert!(shown.report.counts.answers > 500 * cycles, "{}", shown.report.counts);
}
