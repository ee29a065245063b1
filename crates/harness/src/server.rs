//! A server as a process: started, asked whether it is ready, ended by its process id.

use crate::http::http_get;
use crate::port::Port;
use crate::process;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
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

/// A running server of one member. Killed when this goes.
#[derive(Debug)]
pub struct Server {
    child: Child,
    client_port: u16,
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
        let log = File::options().create(true).append(true).open(&options.log);
        let log = log.with_context(|| format!("open {}", options.log.display()))?;
        let mut command = Command::new(&options.program);
        command
            .arg(format!("--name={}", options.name))
            .arg(format!("--data-dir={}", options.data_dir.display()))
            .arg(format!("--listen-client-urls={}", client.url()))
            .arg(format!("--advertise-client-urls={}", client.url()))
            .arg(format!("--listen-peer-urls={}", peer.url()))
            .arg(format!("--initial-advertise-peer-urls={}", peer.url()))
            .arg(format!("--initial-cluster={}={}", options.name, peer.url()))
            .args(&options.arguments)
            .envs(options.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("copy a file handle")?)
            .stderr(log);
        let child = command.spawn();
        let child = child.with_context(|| format!("start {}", options.program.display()))?;
        Ok(Self { child, client_port: client.number(), log: options.log.clone() })
    }

    /// Waits until the server serves: `/readyz` is 200, or, where there is none, `/health`.
    ///
    /// # Errors
    /// If it ends, or does not serve in 30 s; shows the end of its log.
    pub fn wait_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("wait for a server")? {
                bail!("the server ended with {}; {}", process::code(status), self.log_end());
            }
            let good = |path| http_get(self.client_port, path).is_ok_and(|r| r.status == 200);
            if good("/readyz") || good("/health") {
                return Ok(());
            }
            if start.elapsed() > READY_MAX {
                bail!("the server does not serve after {READY_MAX:?}; {}", self.log_end());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where clients reach it: `127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.client_port)
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
