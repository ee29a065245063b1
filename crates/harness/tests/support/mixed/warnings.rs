//! What the real etcd warns of beside another program.

use harness::{LogLine, workspace_folder};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Messages that depend on how busy the machine is, or on when a connection breaks.
const TIMING: [&str; 16] = [
    // Slow requests.
    "apply request took too long",
    "request stats",
    "waiting for ReadIndex response took too long, retrying",
    "ignored out-of-date read index response",
    "timed out waiting for read index response",
    // The tests ask a member for its health while it starts: such a read waits in vain for a leader.
    "Health check error",
    "failed to publish local member to cluster through raft",
    // Late heartbeats and slow syncs.
    "leader failed to send out heartbeat on time",
    "slow fdatasync",
    // Connections that break and come back.
    "closed TCP streaming connection with remote peer",
    "lost TCP streaming connection with remote peer",
    "peer became inactive (message send to peer failed)",
    "prober detected unhealthy status",
    "failed to reach the peer URL",
    "failed to get version",
    // The tests ask for a change of members until all connections are old enough.
    "rejecting member add request; local member has not been connected to all peers",
];

/// Warnings and errors, each once: level and message.
#[derive(Clone, Default, Debug)]
pub struct Warnings {
    found: BTreeSet<String>,
}

fn list() -> PathBuf {
    workspace_folder().join("crates/harness/testdata/warnings-beside-3.6.txt")
}

/// Raft's messages name members, whose ids follow from their ports.
fn without_ids(message: &str) -> String {
    let is_id = |word: &&str| word.len() > 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = message.split(' ').map(|word| if is_id(&word) { "<id>" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

impl Warnings {
    /// Adds lines of a log.
    pub fn add(&mut self, lines: Vec<LogLine>) {
        for line in lines {
            let timing = TIMING.iter().any(|text| line.message.starts_with(text));
            // The gRPC library prints by itself, and dated, that a connection broke.
            let by_grpc = line.level == "none" && line.message.contains("WARNING: [core]");
            if !timing && !by_grpc {
                self.found.insert(format!("{} {}", line.level, without_ids(&line.message)));
            }
        }
    }

    /// Replaces the list.
    pub fn write(&self) {
        let lines: String = self.found.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(list(), lines).unwrap();
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
