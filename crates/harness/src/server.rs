//! A server as a process: started, asked whether it is ready, ended by its process id.

use crate::http::http_get_at;
use crate::port::Port;
use crate::process;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to serve.
const READY_MAX: Duration = Duration::from_secs(30);

/// How long a server may take to end after SIGTERM.
const END_MAX: Duration = Duration::from_secs(30);

/// What a server needs.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The `etcd` program.
    pub program: PathBuf,
    /// The member's name.
    pub name: String,
    /// Made if it is not there.
    pub data_dir: PathBuf,
    /// Added to what it writes, standard output and error together.
    pub log: PathBuf,
    /// More flags.
    pub arguments: Vec<String>,
    /// More variables.
    pub variables: Vec<(String, String)>,
}

/// Where a member listens, and how it finds its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// For clients.
    pub client: SocketAddr,
    /// For peers.
    pub peer: SocketAddr,
    /// What it tells its peers to call it by: another address than `peer` where something stands
    /// between them.
    pub advertised_peer: SocketAddr,
    /// The value of `--initial-cluster`.
    pub initial_cluster: String,
    /// The network namespace that it lives in, by name.
    pub namespace: Option<String>,
}

/// A running server. Killed when this goes.
#[derive(Debug)]
pub struct Server {
    child: Child,
    client: SocketAddr,
    log: PathBuf,
}

/// How a server ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exit {
    /// Its exit code; 128 + n when signal n ended it.
    pub code: i32,
}

impl Server {
    /// Starts a server on two ports and waits until it serves.
    ///
    /// # Errors
    /// If it can't be started, ends, or does not serve in 30 s; shows the end of its log.
    pub fn start(options: &ServerOptions, client: &Port, peer: &Port) -> Result<Self> {
        let mut server = Self::spawn(options, client, peer)?;
        server.wait_ready()?;
        Ok(server)
    }

    /// Starts a server and does not wait.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn spawn(options: &ServerOptions, client: &Port, peer: &Port) -> Result<Self> {
        let at = |port: &Port| SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let address = Address {
            client: at(client),
            peer: at(peer),
            advertised_peer: at(peer),
            initial_cluster: format!("{}={}", options.name, peer.url()),
            namespace: None,
        };
        Self::spawn_at(options, &address)
    }

    /// Starts a member of a cluster and does not wait.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn spawn_at(options: &ServerOptions, address: &Address) -> Result<Self> {
        let log = File::options().create(true).append(true).open(&options.log);
        let log = log.with_context(|| format!("open {}", options.log.display()))?;
        let mut command = match &address.namespace {
            // It becomes the server: the process id is the server's.
            Some(namespace) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{namespace}")).arg(&options.program);
                command
            }
            None => Command::new(&options.program),
        };
        command
            .arg(format!("--name={}", options.name))
            .arg(format!("--data-dir={}", options.data_dir.display()))
            .arg(format!("--listen-client-urls=http://{}", address.client))
            .arg(format!("--advertise-client-urls=http://{}", address.client))
            .arg(format!("--listen-peer-urls=http://{}", address.peer))
            .arg(format!("--initial-advertise-peer-urls=http://{}", address.advertised_peer))
            .arg(format!("--initial-cluster={}", address.initial_cluster))
            .args(&options.arguments)
            .envs(options.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("copy a file handle")?)
            .stderr(log);
        let child = command.spawn();
        let child = child.with_context(|| format!("start {}", options.program.display()))?;
        Ok(Self { child, client: address.client, log: options.log.clone() })
    }

    /// Waits until the server serves: `/readyz` is 200, or, where there is none, `/health`.
    ///
    /// # Errors
    /// If it ends, or does not serve in 30 s; shows the end of its log.
    pub fn wait_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        while !self.is_ready()? {
            if start.elapsed() > READY_MAX {
                bail!("the server does not serve after {READY_MAX:?}; {}", self.log_end());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether the server serves now.
    ///
    /// # Errors
    /// If it has ended; shows the end of its log.
    pub fn is_ready(&mut self) -> Result<bool> {
        if let Some(status) = self.child.try_wait().context("wait for a server")? {
            bail!("the server ended with {}; {}", process::code(status), self.log_end());
        }
        let good = |path| http_get_at(self.client, path).is_ok_and(|r| r.status == 200);
        Ok(good("/readyz") || good("/health"))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where clients reach it, `127.0.0.1:<port>` unless it has a network of its own.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.client.to_string()
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// If it is not done in 30 s.
    pub fn terminate(mut self) -> Result<Exit> {
        self.signal(Signal::TERM)?;
        match process::wait(&mut self.child, END_MAX)? {
            Some(status) => Ok(Exit { code: process::code(status) }),
            None => bail!("the server lives {END_MAX:?} after SIGTERM; {}", self.log_end()),
        }
    }

    /// Sends SIGKILL and waits for the end.
    ///
    /// # Errors
    /// As the system says.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("kill a server")?;
        self.child.wait().context("wait for a killed server")?;
        Ok(())
    }

    /// Sends any signal, such as SIGSTOP and SIGCONT.
    ///
    /// # Errors
    /// As the system says.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process id is positive")?, signal).context("send a signal")
    }

    /// Waits for the end of a server that ends by itself; `None` at the deadline.
    ///
    /// # Errors
    /// As the system says.
    pub fn wait(&mut self, deadline: Duration) -> Result<Option<Exit>> {
        let ended = process::wait(&mut self.child, deadline)?;
        Ok(ended.map(|status| Exit { code: process::code(status) }))
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(20)..];
        format!("the end of its log:\n{}", last.join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
