//! Running a workload: clients over connections, and what came of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::latency::Latencies;
use crate::workload::Sender;
use crate::{Arguments, process};

/// What a run showed.
#[derive(Debug)]
pub struct Report {
    requests: u64,
    elapsed: Duration,
    latencies: Latencies,
    server: Option<ServerCost>,
}

/// What it cost the server.
#[derive(Debug)]
struct ServerCost {
    cpu_seconds: f64,
    resident_bytes: u64,
}

/// Sends all requests; an error of any ends the run.
pub async fn run(arguments: &Arguments) -> Result<Report> {
    let mut channels = Vec::new();
    for _ in 0..arguments.conns.max(1) {
        let options = client::Options::default();
        channels.push(client::connect(&arguments.endpoint, &options).await?);
    }
    let cpu_before = arguments.pid.map(process::cpu_seconds).transpose()?;
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let clients: Vec<_> = (0..arguments.clients.max(1))
        .map(|number| {
            let channel = channels[number % channels.len()].clone();
            let sender = Sender::new(arguments.workload.clone(), channel);
            tokio::spawn(client_loop(sender, Arc::clone(&next), arguments.total))
        })
        .collect();
    let mut latencies = Latencies::default();
    for client in clients {
        latencies.merge(&client.await.context("a client panicked")??);
    }
    let elapsed = start.elapsed();
    let server = match (arguments.pid, cpu_before) {
        (Some(pid), Some(before)) => Some(ServerCost {
            cpu_seconds: process::cpu_seconds(pid)? - before,
            resident_bytes: process::resident_bytes(pid)?,
        }),
        _ => None,
    };
    Ok(Report { requests: arguments.total, elapsed, latencies, server })
}

async fn client_loop(mut sender: Sender, next: Arc<AtomicU64>, total: u64) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= total {
            return Ok(latencies);
        }
        let start = Instant::now();
        sender.send(number).await?;
        latencies.record(start.elapsed());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.requests as f64 / self.elapsed.as_secs_f64();
        let millis = |share| self.latencies.quantile(share).as_secs_f64() * 1000.0;
        write!(
            f,
            "{} requests in {:.2} s: {rate:.0}/s, p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms",
            self.requests,
            self.elapsed.as_secs_f64(),
            millis(0.5),
            millis(0.9),
            millis(0.99),
        )?;
        if let Some(server) = &self.server {
            let per_100k = server.cpu_seconds * 100_000.0 / self.requests as f64;
            let mib = server.resident_bytes as f64 / f64::from(1 << 20);
            write!(f, ", server {per_100k:.2} CPU s per 100k, {mib:.0} MiB resident")?;
        }
        Ok(())
    }
}
