//! The same long sequence of the real `etcdctl`'s commands against the real etcd and against ours,
//! on the same ports, one after the other: outputs and exit codes are equal after masking what a
//! server chooses for itself.
//!
//! Where 3.7 answers otherwise than 3.5.16, `testdata/changed-since-3.5.txt` names the command and
//! why, and `testdata/answers-since-3.5.txt` has the answers (`OXETCD_DIFF_ANSWERS` names a file to
//! write them to). To see what a real 3.7.1 answers let `OXETCD_BIN` name its folder. It gives these,
//! and puts other spaces into the text of alarms.
//!
//! With `OXETCD_DIFF_SELF=1` the reference is compared with itself, which shows that the masks hide
//! all that differs from run to run.

use harness::{Outcome, Port, Sequence, ours, reference};
use std::path::Path;

const SEQUENCE: &str = include_str!("../testdata/etcdctl-sequence.txt");

/// Commands that 3.7 answers otherwise than 3.5.16, each with where that was changed.
const CHANGED: &str = include_str!("../testdata/changed-since-3.5.txt");

/// What ours answers to them, one by one, as etcd 3.7.1 does.
const ANSWERS: &str = include_str!("../testdata/answers-since-3.5.txt");

/// Differences shown before the test gives up.
const SHOWN_MAX: usize = 40;

#[test]
fn etcdctl_finds_no_difference() {
    let sequence = Sequence::parse(SEQUENCE).unwrap_or_else(|error| panic!("{error:#}"));
    let reference = reference().unwrap();
    let etcdctl = reference.program("etcdctl");
    let other = if std::env::var_os("OXETCD_DIFF_SELF").is_some() {
        reference.program("etcd")
    } else {
        ours().unwrap().join("etcd")
    };
    let (client, peer) = (Port::take().unwrap(), Port::take().unwrap());
    let run = |server: &Path| {
        let outcomes = sequence.run(server, &etcdctl, &client, &peer);
        outcomes.unwrap_or_else(|error| panic!("{}: {error:#}", server.display()))
    };
    let (expected, found) = (run(&reference.program("etcd")), run(&other));
    if let Some(file) = std::env::var_os("OXETCD_DIFF_DUMP") {
        std::fs::write(file, expected.iter().map(show).collect::<String>()).unwrap();
    }
    let changed: Vec<&str> = CHANGED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').expect("`command<tab>source`").0)
        .collect();
    let pairs = expected.iter().zip(&found);
    let (listed, different): (Vec<_>, Vec<_>) = pairs
        .filter(|(expected, found)| expected != found)
        .partition(|(expected, _)| changed.contains(&expected.text.as_str()));
    for (expected, found) in different.iter().take(SHOWN_MAX) {
        println!("expected: {}found: {}", show(expected), show(found));
    }
    println!(
        "{} commands compared, {} different, {} otherwise since 3.5 as listed",
        expected.len(),
        different.len(),
        listed.len()
    );
    let ports = [(client.number(), "<client port>"), (peer.number(), "<peer port>")];
    let answers: String = listed.iter().map(|(_, found)| show(found)).collect();
    let answers = ports
        .iter()
        .fold(answers, |text, (port, name)| text.replace(&format!(":{port}"), &format!(":{name}")));
    if let Some(file) = std::env::var_os("OXETCD_DIFF_ANSWERS") {
        std::fs::write(file, &answers).unwrap();
    }
    assert!(expected.len() >= 250 && expected.len() == found.len());
    assert!(different.is_empty());
    if std::env::var_os("OXETCD_DIFF_SELF").is_some() {
        return;
    }
    for command in changed {
        let differs = listed.iter().any(|(expected, _)| expected.text == command);
        assert!(differs, "{command:?} is listed as changed, but equal");
    }
    assert_eq!(answers, ANSWERS);
}

fn show(outcome: &Outcome) -> String {
    let Outcome { number, text, stdout, stderr, code } = outcome;
    format!("line {number}: {text}\n{stdout}{stderr}code {code:?}\n\n")
}
