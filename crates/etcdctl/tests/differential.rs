//! Our `etcdctl` and Go's 3.5.16, with the same command lines, against the real server: what they
//! print and their exit codes are equal, after masking what a server chooses for itself.
//!
//! `OXETCD_OTHER_ETCDCTL` puts another program in the place of ours, such as Go's 3.7.
//!
//! What 3.7 prints differently from 3.5 is listed with the source of the change, and has to differ.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use harness::{Outcome, Port, Sequence, reference};

/// Command lines for which ours follows 3.7, and where 3.7 changed them.
const CHANGED: &str = include_str!("../testdata/changed-in-3.7.txt");

/// Differences shown before a test gives up.
const SHOWN_MAX: usize = 60;

#[test]
fn keys_and_transactions_do_and_say_the_same() {
    compare(include_str!("../testdata/keys.txt"), 200);
}

#[test]
fn watches_locks_and_elections_do_and_say_the_same() {
    compare(include_str!("../testdata/waiting.txt"), 50);
}

#[test]
fn leases_members_and_maintenance_do_and_say_the_same() {
    compare(include_str!("../testdata/cluster.txt"), 150);
}

#[test]
fn users_roles_and_authentication_do_and_say_the_same() {
    compare(include_str!("../testdata/access.txt"), 200);
}

/// Runs a list with both, each on a server of its own, and compares at least so many outcomes.
fn compare(list: &str, at_least: usize) {
    let sequence = Sequence::parse(list).unwrap();
    let changed = CHANGED.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let changed: Vec<&str> =
        changed.map(|line| line.split_once('\t').expect("`command<tab>source`").0).collect();
    let reference = reference().unwrap();
    let go = reference.program("etcdctl");
    let ours = std::env::var_os("OXETCD_OTHER_ETCDCTL")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_etcdctl")), PathBuf::from);
    let (expected, found) = std::thread::scope(|scope| {
        let expected = scope.spawn(|| run(&sequence, &reference.program("etcd"), &go));
        let found = run(&sequence, &reference.program("etcd"), &ours);
        (expected.join().expect("the other run ends well"), found)
    });
    assert_eq!(expected.len(), found.len());
    let mut faults = 0;
    for (expected, found) in expected.iter().zip(&found) {
        let may_differ = changed.contains(&expected.text.as_str());
        if (expected != found) != may_differ {
            faults += 1;
            if faults <= SHOWN_MAX {
                let what = if may_differ { "listed as changed, but equal" } else { "different" };
                println!("{what}\nexpected: {}found: {}", show(expected), show(found));
            }
        }
    }
    println!("{} commands compared", expected.len());
    assert!(expected.len() >= at_least);
    assert_eq!(faults, 0);
}

fn run(sequence: &Sequence, server: &Path, etcdctl: &Path) -> Vec<Outcome> {
    let (client, peer) = (Port::take().unwrap(), Port::take().unwrap());
    let outcomes = sequence.run(server, etcdctl, &client, &peer).unwrap();
    let ports = [(client.number(), "<client>"), (peer.number(), "<peer>")];
    let without_ports = |text: String| {
        ports.iter().fold(text, |text, (port, name)| text.replace(&format!(":{port}"), name))
    };
    let outcomes = outcomes.into_iter().map(|outcome| {
        let stdout = without_ports(outcome.stdout);
        let stderr = without_ports(outcome.stderr);
        comparable(Outcome { stdout, stderr, ..outcome })
    });
    outcomes.collect()
}

/// What is compared of standard error: the sentences, not the lines of Go's loggers, nor the help
/// and crash reports behind them.
fn comparable(outcome: Outcome) -> Outcome {
    let code = outcome.code;
    let mut sentences = Vec::new();
    for line in outcome.stderr.lines() {
        if line.starts_with('{') || line.starts_with("stty:") {
            continue;
        }
        if line.is_empty() || line.starts_with("Usage:") || line.starts_with("goroutine ") {
            break;
        }
        sentences.push(line);
    }
    let stderr = if code == Some(2) && sentences.iter().any(|line| line.starts_with("panic: ")) {
        // Ours says what is wrong where Go's crashes; the exit code is compared.
        "Error: (a crash)".to_owned()
    } else {
        sentences.join("\n")
    };
    // 3.5 prints the help behind an error to standard output, 3.7 to standard error.
    let help = outcome.stdout.starts_with("NAME:\n") && stderr.starts_with("Error: ");
    let stdout = if help { String::new() } else { outcome.stdout };
    Outcome { stdout, stderr, ..outcome }
}

fn show(outcome: &Outcome) -> String {
    let Outcome { number, text, stdout, stderr, code } = outcome;
    format!("line {number}: {text}\n{stdout}{stderr}\ncode {code:?}\n\n")
}
