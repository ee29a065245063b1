//! What the real etcd warns of beside another program.

use harness::{LogLine, workspace_folder};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Messages that depend on how busy the machine is, or on when a connection breaks.
const TIMING: [&str; 0] = [];

/// Warnings and errors, each once: level and message.
#[derive(Clone, Default, Debug)]
pub struct Warnings {
    found: BTreeSet<String>,
}

fn list() -> PathBuf {
    workspace_folder().join("crates/harness/testdata/warnings-beside-3.6.txt")
}

impl Warnings {
    /// Adds lines of a log.
    pub fn add(&mut self, lines: Vec<LogLine>) {
        for line in lines {
            let timing = TIMING.iter().any(|text| line.message.starts_with(text));
            if !timing {
                self.found.insert(format!("{} {}", line.level, line.message));
            }
        }
    }

    /// Replaces the list.
    pub fn write(&self) {
        let lines: Vec<&str> = self.found.iter().map(String::as_str).collect();
        std::fs::write(list(), lines.join("\n") + "\n").unwrap();
    }

    /// Fails if something is not in the list.
    pub fn assert_known(&self) {
        let known = std::fs::read_to_string(list()).unwrap();
        let known: BTreeSet<&str> = known.lines().collect();
        let unknown: Vec<&String> =
            self.found.iter().filter(|line| !known.contains(line.as_str())).collect();
        println!(
            "{} kinds of warnings in the real etcd's logs, {} listed",
            self.found.len(),
            known.len()
        );
        assert!(
            unknown.is_empty(),
            "the real etcd warns of what it does not beside 3.6: {unknown:#?}"
        );
    }
}
