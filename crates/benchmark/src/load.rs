//! Running a workload: clients over connections, and what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::latency::Latencies;
use crate::report::{Report, ServerCost};
use crate::unary::Connection;
use crate::watch::{self, Watching};
use crate::workload::Sender;
use crate::{Arguments, Workload, process};

/// Sends all requests, those of the warm-up first; an error of any ends the run.
pub async fn run(arguments: &Arguments) -> Result<Report> {
    if let Workload::Watch { streams, watchers, val_size } = arguments.workload {
        return watch::run(arguments, Watching { streams, watchers, val_size }).await;
    }
    let connections = connect(arguments).await?;
    let end_of_warm_up = arguments.warm_up;
    if end_of_warm_up > 0 {
        send(arguments, &connections, 0..end_of_warm_up).await?;
    }
    let clock = Stopwatch::start(arguments)?;
    let numbers = end_of_warm_up..end_of_warm_up + arguments.total;
    let (latencies, newest_revision) = send(arguments, &connections, numbers).await?;
    let (elapsed, servers) = clock.stop(arguments)?;
    Ok(Report { requests: arguments.total, elapsed, latencies, servers, newest_revision })
}

/// Time and the servers' CPU time since a load began.
pub struct Stopwatch {
    start: Instant,
    cpu_seconds: Vec<f64>,
}

impl Stopwatch {
    /// From now on.
    pub fn start(arguments: &Arguments) -> Result<Self> {
        let cpu_seconds = cpu_seconds(&arguments.pids)?;
        Ok(Self { start: Instant::now(), cpu_seconds })
    }

    /// What has passed.
    pub fn stop(self, arguments: &Arguments) -> Result<(Duration, Vec<ServerCost>)> {
        let elapsed = self.start.elapsed();
        let after = cpu_seconds(&arguments.pids)?;
        let mut servers = Vec::new();
        for ((pid, before), after) in arguments.pids.iter().zip(self.cpu_seconds).zip(after) {
            let resident_bytes = process::resident_bytes(*pid)?;
            servers.push(ServerCost {
                cpu_seconds: after - before,
                cpu_seconds_since_start: after,
                resident_bytes,
            });
        }
        Ok((elapsed, servers))
    }
}

async fn connect(arguments: &Arguments) -> Result<Vec<Connection>> {
    let mut connections = Vec::new();
    for endpoint in arguments.endpoints_of_connections() {
        let connection = Connection::open(endpoint).await;
        connections.push(connection.with_context(|| format!("connect to {endpoint}"))?);
    }
    Ok(connections)
}

fn cpu_seconds(pids: &[u32]) -> Result<Vec<f64>> {
    pids.iter().map(|pid| process::cpu_seconds(*pid)).collect()
}

/// Sends the requests of these numbers from all clients at once; gives their latencies and the
/// highest revision that was answered.
async fn send(
    arguments: &Arguments,
    connections: &[Connection],
    numbers: std::ops::Range<u64>,
) -> Result<(Latencies, i64)> {
    let next = Arc::new(AtomicU64::new(numbers.start));
    let mut clients = Vec::new();
    for number in 0..arguments.clients.max(1) {
        let connection = connections[number % connections.len()].clone();
        let sender = Sender::new(arguments.workload.clone(), connection)?;
        clients.push(tokio::spawn(client_loop(sender, Arc::clone(&next), numbers.end)));
    }
    let mut latencies = Latencies::default();
    let mut newest_revision = 0;
    for client in clients {
        let (its_latencies, revision) = client.await.context("a client panicked")??;
        latencies.merge(&its_latencies);
        newest_revision = newest_revision.max(revision);
    }
    Ok((latencies, newest_revision))
}

async fn client_loop(
    mut sender: Sender,
    next: Arc<AtomicU64>,
    end: u64,
) -> Result<(Latencies, i64)> {
    let mut latencies = Latencies::default();
    let mut newest_revision = 0;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return Ok((latencies, newest_revision));
        }
        let start = Instant::now();
        newest_revision = newest_revision.max(sender.send(number).await?);
        latencies.record(start.elapsed());
    }
}
