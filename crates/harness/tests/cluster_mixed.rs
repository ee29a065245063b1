//! Clusters of the server under test and the real etcd together: everything that a cluster does, on
//! either side, under load.
//!
//! `OXETCD_MIXED=all` runs every mixture with a leader of either side; CI runs one of them.
//!
//! The warnings and errors that the real etcd logs must be among those that it logs beside etcd
//! 3.6.14 in the same script, over all mixtures, which `testdata/warnings-beside-3.6.txt` lists. With
//! `OXETCD_BESIDE`, the path of an `etcd` program, that one takes the place of the server under test
//! and the list is written anew.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/mixed/mod.rs"]
mod mixed;
mod support;

use mixed::script::{Mixture, Side, play};
use mixed::warnings::Warnings;
use std::path::PathBuf;
use support::server_under_test;

/// What stands in for the server under test while the list is made.
fn beside() -> Option<PathBuf> {
    std::env::var_os("OXETCD_BESIDE").map(PathBuf::from)
}

fn run(mixtures: &[Mixture]) -> Warnings {
    let tested = beside().unwrap_or_else(server_under_test);
    let mut found = Warnings::default();
    for mixture in mixtures {
        found.add(play(mixture, &tested));
        if beside().is_some() {
            found.write();
        }
    }
    found
}

fn mixture(tested: usize, real: usize, leader: Side) -> Mixture {
    Mixture { tested, real, leader, older: false, short: false, judged: beside().is_none() }
}

#[test]
fn mixed_clusters_work_as_one() {
    if beside().is_none() && std::env::var("OXETCD_MIXED").is_err() {
        run(&[Mixture { short: true, ..mixture(1, 2, Side::Tested) }]).assert_known();
        return;
    }
    let mut mixtures = Vec::new();
    for (tested, real) in [(1, 2), (2, 1), (3, 2), (2, 3)] {
        mixtures.extend([Side::Tested, Side::Real].map(|side| mixture(tested, real, side)));
    }
    let found = run(&mixtures);
    if beside().is_none() {
        found.assert_known();
    }
    // An older one's log is its own: it warns of things that were mended since.
    if beside().is_none() {
        for (tested, real, leader) in
            [(2, 1, Side::Tested), (1, 2, Side::Real), (3, 2, Side::Tested), (3, 2, Side::Real)]
        {
            let older = Mixture { older: true, ..mixture(tested, real, leader) };
            play(&older, &server_under_test());
        }
    }
}
