//! Bad flags and variables on the command line: the exit code and the error are those of the real
//! etcd 3.5.16.
//!
//! | class | tried by |
//! |---|---|
//! | every integer, duration, truth value, URL and choice: below and above its range, negative, empty, no such value, in other notations; as flag and as variable | `values_of_every_flag` |
//! | Go's flag syntax; flags twice; rules between flags; duplicated URLs; unix, IPv6 and host names to listen on; variables that are unknown, shadowed, empty | `command_lines` |
//! | names and URLs of `--initial-cluster`, advertised URLs that do not match, addresses that are taken, values at the ends of their type that are accepted | `starts` |
//!
//! Most are refused, or get as far as a data directory that is a file, which is looked at right
//! after the flags. A flag that 3.5.16 does not have is compared with one of the same type that it
//! has. What is answered otherwise since 3.5 is in `testdata/flags-changed-since-3.5.txt`, what
//! differs because of us in `testdata/flags-of-our-own.txt`, each with the reason; a line there that
//! does not differ any more is a failure.
//!
//! CI runs a fixed part of the first class; `OXETCD_FLAG_STRIDE=1` runs all of it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/bad_flags/mod.rs"]
mod bad_flags;
mod support;

use bad_flags::{Line, Lists, compare, lines, starts, values};

#[test]
fn values_of_every_flag() {
    let stride = usize::try_from(support::count("OXETCD_FLAG_STRIDE", 5)).unwrap();
    let lines: Vec<Line> = values::lines().into_iter().step_by(stride).collect();
    assert!(lines.len() >= 500, "{}", lines.len());
    compare("values", lines, Lists::read());
}

#[test]
fn command_lines() {
    compare("lines", lines::lines(), Lists::read());
}

#[test]
fn starts() {
    starts::compare(Lists::read());
}
