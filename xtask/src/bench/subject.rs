//! The two servers that are compared, and the program that loads them.

use anyhow::{Context, Result, ensure};
use harness::{Cluster, ClusterOptions, Folder, Network, Port, Server, ServerOptions};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::workspace;

/// One of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The real etcd.
    Reference,
    /// Ours.
    Ours,
}

/// Both, in the order of the table's columns.
pub const SIDES: [Side; 2] = [Side::Reference, Side::Ours];

/// A figure of each.
#[derive(Clone, Debug, Default)]
pub struct Pair<T> {
    pub reference: T,
    pub ours: T,
}

impl<T> Pair<T> {
    /// One side's.
    pub fn side(&mut self, side: Side) -> &mut T {
        match side {
            Side::Reference => &mut self.reference,
            Side::Ours => &mut self.ours,
        }
    }
}

/// The order of the two in a round: whoever comes second meets another machine.
pub fn order(round: usize) -> [Side; 2] {
    if round.is_multiple_of(2) { SIDES } else { [Side::Ours, Side::Reference] }
}

/// The programs.
pub struct Subjects {
    reference: PathBuf,
    ours: PathBuf,
    benchmark: PathBuf,
    /// Of the reference.
    pub reference_version: String,
}

impl Subjects {
    /// Finds the reference, and builds ours for release unless `OXETCD_BIN` says where they are.
    pub fn prepare() -> Result<Self> {
        let reference = harness::reference()?;
        let built = match std::env::var_os("OXETCD_BIN") {
            Some(folder) => PathBuf::from(folder),
            None => build()?,
        };
        Ok(Self {
            reference: reference.program("etcd"),
            ours: built.join("etcd"),
            benchmark: built.join("benchmark"),
            reference_version: reference.version,
        })
    }

    /// Starts a server of one side on an empty folder.
    pub fn start(&self, side: Side) -> Result<Subject<'_>> {
        let folder = Folder::new("bench")?;
        let options = ServerOptions {
            program: self.program(side).clone(),
            name: "bench".to_owned(),
            data_dir: folder.path().join("data"),
            log: folder.path().join("log"),
            arguments: vec!["--log-level=warn".to_owned()],
            variables: Vec::new(),
        };
        let ports = [Port::take()?, Port::take()?];
        let server = Server::start(&options, &ports[0], &ports[1])?;
        Ok(Subject { benchmark: &self.benchmark, options, ports, server, _folder: folder })
    }

    /// Starts three members of one side.
    pub fn start_three(&self, side: Side) -> Result<Three<'_>> {
        let options = ClusterOptions {
            programs: vec![self.program(side).clone(); 3],
            arguments: vec!["--log-level=warn".to_owned()],
            network: Network::Loopback,
        };
        Ok(Three { benchmark: &self.benchmark, cluster: Cluster::started(&options)? })
    }

    fn program(&self, side: Side) -> &PathBuf {
        match side {
            Side::Reference => &self.reference,
            Side::Ours => &self.ours,
        }
    }
}

/// Builds ours and gives their folder.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--package=etcd", "--package=benchmark"])
        .current_dir(workspace::root())
        .status()
        .context("run cargo build")?;
    ensure!(status.success(), "cargo build failed");
    Ok(harness::target_folder().join("release"))
}

/// A running server.
pub struct Subject<'a> {
    benchmark: &'a PathBuf,
    options: ServerOptions,
    ports: [Port; 2],
    server: Server,
    _folder: Folder,
}

/// Who sends how much.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub clients: usize,
    pub connections: usize,
    pub requests: u64,
    pub warm_up: u64,
}

impl Load {
    /// With a tenth of the requests before it to warm up.
    pub const fn new(clients: usize, connections: usize, requests: u64) -> Self {
        Self { clients, connections, requests, warm_up: requests / 10 }
    }

    /// Without a warm-up.
    pub const fn cold(self) -> Self {
        Self { warm_up: 0, ..self }
    }
}

/// What a load showed.
#[derive(Clone, Copy, Default, Debug)]
pub struct Figures {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub cpu_s_per_100k: f64,
    pub resident_mib: f64,
    /// Of the server since its start.
    pub cpu_s: f64,
    pub newest_revision: i64,
}

impl Subject<'_> {
    /// Loads the server with a workload of the `benchmark` program. CPU time is for what is counted:
    /// requests, or events.
    ///
    /// # Errors
    /// If a request fails; shows the end of the server's log.
    pub fn load(&self, load: Load, workload: &[&str]) -> Result<Figures> {
        let servers = [(self.server.endpoint(), self.server.pid())];
        benchmark(self.benchmark, &servers, load, workload)
            .with_context(|| format!("the server's log ends with\n{}", end_of(&self.server.log())))
    }

    /// Stops the server in order and starts it on the same data; gives the time from the start of
    /// the process until it serves.
    pub fn restart(self) -> Result<(Self, f64)> {
        let Self { server, .. } = self;
        server.terminate()?;
        let start = std::time::Instant::now();
        let server = Server::start(&self.options, &self.ports[0], &self.ports[1])?;
        Ok((Self { server, ..self }, start.elapsed().as_secs_f64()))
    }
}

/// Three running members.
pub struct Three<'a> {
    benchmark: &'a PathBuf,
    cluster: Cluster,
}

impl Three<'_> {
    /// As [`Subject::load`], with connections to all members in turn. CPU time is that of all three
    /// together, memory that of the largest.
    pub fn load(&self, load: Load, workload: &[&str]) -> Result<Figures> {
        let members = self.cluster.members().iter();
        let servers = members.map(|member| Ok((member.endpoint(), member.server()?.pid())));
        let servers = servers.collect::<Result<Vec<_>>>()?;
        benchmark(self.benchmark, &servers, load, workload)
    }
}

/// Runs the `benchmark` program on servers, given as address and process id.
fn benchmark(
    program: &PathBuf,
    servers: &[(String, u32)],
    load: Load,
    workload: &[&str],
) -> Result<Figures> {
    let list =
        |part: fn(&(String, u32)) -> String| servers.iter().map(part).collect::<Vec<_>>().join(",");
    let output = Command::new(program)
        .arg(format!("--endpoints={}", list(|(endpoint, _)| endpoint.clone())))
        .arg(format!("--pids={}", list(|(_, pid)| pid.to_string())))
        .arg(format!("--clients={}", load.clients))
        .arg(format!("--conns={}", load.connections))
        .arg(format!("--total={}", load.requests))
        .arg(format!("--warm-up={}", load.warm_up))
        .arg("--format=json")
        .args(workload)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("run benchmark")?;
    ensure!(output.status.success(), "benchmark of {workload:?} failed");
    let shown: Value = serde_json::from_slice(&output.stdout).context("read the figures")?;
    figures(&shown).context("the figures lack something")
}

/// The last lines of a log.
fn end_of(log: &str) -> String {
    const LINES: usize = 20;
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn figures(shown: &Value) -> Option<Figures> {
    let servers = shown["servers"].as_array()?;
    let figures = |name: &str| -> Option<Vec<f64>> {
        servers.iter().map(|server| server[name].as_f64()).collect()
    };
    let sum = |name: &str| Some(figures(name)?.iter().sum::<f64>());
    let largest = figures("resident_bytes")?.into_iter().fold(0.0, f64::max);
    let requests = shown["requests"].as_f64()?;
    Some(Figures {
        per_second: requests / shown["seconds"].as_f64()?,
        p50_ms: shown["p50_ms"].as_f64()?,
        p99_ms: shown["p99_ms"].as_f64()?,
        cpu_s_per_100k: sum("cpu_seconds")? * 100_000.0 / requests,
        resident_mib: largest / f64::from(1 << 20),
        cpu_s: sum("cpu_seconds_since_start")?,
        newest_revision: shown["newest_revision"].as_i64()?,
    })
}

/// The middle one; of an even number the lower of the two.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
