//! Replays scripts of commands and compares the output to the letter.
//!
//! etcd-raft's scripts lie outside the project, in `raft-scenarios` of the folder that
//! `OXETCD_SHARED` names (else `../shared` beside the workspace); without them the test says so, and
//! fails only if the variable is set. Scripts of our own are in `testdata`; with `UPDATE_EXPECT=1`
//! their output is written anew instead of compared.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "scenario/mod.rs"]
mod scenario;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use scenario::{Outcome, Rewrite, run_folder};

fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("OXETCD_SHARED").map(PathBuf::from);
    let required = named.is_some();
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = named.unwrap_or_else(beside).join("raft-scenarios");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(!required, "OXETCD_SHARED is set, but there is no {}", folder.display());
    None
}

fn report(what: &str, outcome: &Outcome) {
    println!("{what}: {} scripts, {} commands", outcome.scripts, outcome.commands);
    assert!(outcome.failures.is_empty(), "{}", outcome.failures.join("\n"));
    assert!(outcome.commands > 0, "{what}: nothing was run");
}

#[test]
fn etcd_rafts_scripts_give_the_same_output() {
    match shared() {
        // Not by `println`, which is shown for failed tests only.
        None => writeln!(std::io::stderr(), "\nnot run: etcd-raft's scripts").unwrap(),
        Some(folder) => report("etcd-raft's scripts", &run_folder(&folder, Rewrite::Never)),
    }
}

#[test]
fn our_scripts_give_the_same_output() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let rewrite = if update { Rewrite::Always } else { Rewrite::Never };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    report("our scripts", &run_folder(&folder, rewrite));
}
