//! What a run showed, for readers and for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::latency::Latencies;

/// What a run showed.
#[derive(Debug)]
pub struct Report {
    /// How many requests were counted.
    pub requests: u64,
    /// How long they took together.
    pub elapsed: Duration,
    /// How long each took.
    pub latencies: Latencies,
    /// One for each process id that was given.
    pub servers: Vec<ServerCost>,
    /// The highest revision in an answer's header.
    pub newest_revision: i64,
}

/// What a run cost a server.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct ServerCost {
    /// User and system time.
    pub cpu_seconds: f64,
    /// The same since the server's start.
    pub cpu_seconds_since_start: f64,
    /// Right after the run.
    pub resident_bytes: u64,
}

/// The same in numbers with their units in their names.
#[derive(Serialize, Debug)]
pub struct Figures {
    requests: u64,
    seconds: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    newest_revision: i64,
    servers: Vec<ServerCost>,
}

impl Report {
    /// For programs.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            requests: self.requests,
            seconds: self.elapsed.as_secs_f64(),
            p50_ms: self.millis(0.5),
            p90_ms: self.millis(0.9),
            p99_ms: self.millis(0.99),
            newest_revision: self.newest_revision,
            servers: self.servers.clone(),
        }
    }

    fn millis(&self, share: f64) -> f64 {
        self.latencies.quantile(share).as_secs_f64() * 1000.0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        write!(
            f,
            "{} requests in {seconds:.2} s: {:.0}/s, p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms",
            self.requests,
            self.requests as f64 / seconds,
            self.millis(0.5),
            self.millis(0.9),
            self.millis(0.99),
        )?;
        for server in &self.servers {
            let per_100k = server.cpu_seconds * 100_000.0 / self.requests as f64;
            let mib = server.resident_bytes as f64 / f64::from(1 << 20);
            write!(f, ", server {per_100k:.2} CPU s per 100k, {mib:.0} MiB resident")?;
        }
        Ok(())
    }
}
