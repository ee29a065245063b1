//! The log line that says with which settings a server starts: those that were given, and the
//! defaults of the others, under the names and in the shapes that the real etcd gives them.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use harness::{LogLine, reference};
use serde_json::{Map, Value};
use std::path::PathBuf;
use support::{Member, server_under_test};

/// Fields that every line has, and those that came or whose values changed after 3.5.
const NOT_COMPARED: [&str; 5] = ["ts", "caller", "etcd-version", "v2-deprecation", "max-learners"];

/// Those whose defaults changed after 3.5.
const CHANGED_DEFAULTS: [&str; 2] = ["--snapshot-count=10000", "--max-snapshots=5"];

/// Starts a program twice: with which settings, each time.
fn settings(program: PathBuf, flags: &[&str]) -> [Map<String, Value>; 2] {
    let mut member = Member::new("settings", program, flags);
    for _ in 0..2 {
        member.start();
        member.terminate();
    }
    let own = [
        (member.folder().display().to_string(), "FOLDER"),
        (format!("127.0.0.1:{}", member.client_port()), "CLIENT"),
        (format!("127.0.0.1:{}", member.peer_port()), "PEER"),
    ];
    let log = std::fs::read_to_string(&member.options.log).unwrap();
    let masked = own.iter().fold(log, |log, (text, mask)| log.replace(text, mask));
    let lines = masked.lines().map(LogLine::parse);
    let lines = lines.filter(|line| line.message == "starting an etcd server");
    let fields: Vec<_> = lines.map(|line| line.fields.as_object().unwrap().clone()).collect();
    fields.try_into().unwrap()
}

fn compare(flags: &[&str]) {
    let ours = settings(server_under_test(), flags);
    let reference = settings(reference().unwrap().program("etcd"), flags);
    for (ours, reference) in ours.iter().zip(&reference) {
        assert!(ours.len() > 30, "{ours:?}");
        for (name, value) in ours {
            if !NOT_COMPARED.contains(&name.as_str()) {
                assert_eq!(Some(value), reference.get(name), "{flags:?}: {name}");
            }
        }
        assert_eq!(ours["v2-deprecation"], "write-only");
        assert_eq!(ours["max-learners"], 1);
    }
    let initialized = ours.each_ref().map(|fields| fields["member-initialized"].clone());
    assert_eq!(initialized, [false, true]);
}

#[test]
fn defaults_are_shown() {
    compare(&CHANGED_DEFAULTS);
}

#[test]
fn what_was_given_is_shown() {
    let flags = [
        "--heartbeat-interval=50",
        "--election-timeout=1234",
        "--initial-election-tick-advance=false",
        "--initial-cluster-state=new",
        "--initial-cluster-token=a-token",
        "--snapshot-count=77",
        "--experimental-snapshot-catchup-entries=1000",
        "--max-wals=0",
        "--max-snapshots=3",
        "--quota-backend-bytes=-1",
        "--max-request-bytes=1000000",
        "--max-concurrent-streams=123",
        "--pre-vote=false",
        "--auto-compaction-mode=revision",
        "--auto-compaction-retention=1000",
    ];
    compare(&flags);
}

#[test]
fn periods_are_shown_as_durations() {
    let flags = [
        CHANGED_DEFAULTS[0],
        CHANGED_DEFAULTS[1],
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=90m",
        "--experimental-corrupt-check-time=1h",
        "--experimental-downgrade-check-time=7s",
        "--quota-backend-bytes=123456789",
    ];
    compare(&flags);
}
