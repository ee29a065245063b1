//! Clusters of the server under test and the real etcd together: everything that a cluster does, on
//! either side, under load.
//!
//! `OXETCD_MIXED=all` runs every mixture with a leader of either side, `OXETCD_MIXED=older` those with
//! etcd 3.5.1 only, which are part of all; CI runs one of them.
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
    if beside().is_some() {
        drop(run(&all()));
        return;
    }
    match std::env::var("OXETCD_MIXED").as_deref() {
        Err(_) => run(&[Mixture { short: true, ..mixture(1, 2, Side::Tested) }]).assert_known(),
        Ok("older") => run_older(),
        Ok("all") => {
            run(&all()).assert_known();
            run_older();
        }
        Ok(other) => panic!("OXETCD_MIXED={other}: it is \"all\" or \"older\""),
    }
}

fn all() -> Vec<Mixture> {
    let of = |(tested, real)| [Side::Tested, Side::Real].map(|side| mixture(tested, real, side));
    [(1, 2), (2, 1), (3, 2), (2, 3)].into_iter().flat_map(of).collect()
}

/// An older one's log is its own: it warns of things that were mended since.
fn run_older() {
    for (tested, real, leader) in
        [(2, 1, Side::Tested), (1, 2, Side::Real), (3, 2, Side::Tested), (3, 2, Side::Real)]
    {
        let older = Mixture { older: true, ..mixture(tested, real, leader) };
        play(&older, &server_under_test());
    }
}
