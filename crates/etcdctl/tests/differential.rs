//! Our `etcdctl` and Go's 3.5.16, with the same command lines, against the same real server: what
//! they print and their exit codes are equal, after masking what a server chooses for itself.
//!
//! What 3.7 prints differently from 3.5 is listed with the source of the change, and has to differ.

use std::path::PathBuf;

use harness::{Outcome, Port, Sequence, reference};

const SEQUENCE: &str = include_str!("../testdata/commands.txt");

/// Lines of the sequence for which ours follows 3.7, and where 3.7 changed them.
const CHANGED: &str = include_str!("../testdata/changed-in-3.7.txt");

/// Differences shown before the test gives up.
const SHOWN_MAX: usize = 60;

#[test]
fn the_same_command_lines_do_and_say_the_same() {
    let sequence = Sequence::parse(SEQUENCE).unwrap();
    let changed: Vec<&str> = CHANGED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('\t').expect("a line is `command<tab>source`").0)
        .collect();
    let reference = reference().unwrap();
    let server = reference.program("etcd");
    let (client, peer) = (Port::take().unwrap(), Port::take().unwrap());
    let run = |etcdctl: PathBuf| {
        let outcomes = sequence.run(&server, &etcdctl, &client, &peer).unwrap();
        outcomes.into_iter().map(comparable).collect::<Vec<_>>()
    };
    let ours = match std::env::var_os("OXETCD_OTHER_ETCDCTL") {
        Some(other) => PathBuf::from(other),
        None => PathBuf::from(env!("CARGO_BIN_EXE_etcdctl")),
    };
    let (expected, found) = (run(reference.program("etcdctl")), run(ours));
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
    println!("{} commands compared, {} of them changed in 3.7", expected.len(), changed.len());
    assert!(expected.len() >= 60);
    assert_eq!(faults, 0);
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
