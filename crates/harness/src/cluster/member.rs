//! One member of a cluster: a server that is started again and again on one data directory.

use crate::log_line::{LogLine, read_log};
use crate::port::Port;
use crate::server::{Address, Exit, Server, ServerOptions};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// A member. Its server is killed when this goes.
#[derive(Debug)]
pub struct Member {
    server: Option<Server>,
    /// What the next start takes.
    pub options: ServerOptions,
    /// Where the next start listens.
    pub address: Address,
    /// Keeps other tests off its ports.
    _ports: Vec<Port>,
}

impl Member {
    /// A member that is not started yet, on ports that are its own.
    #[must_use]
    pub fn new(options: ServerOptions, address: Address, ports: Vec<Port>) -> Self {
        Self { server: None, options, address, _ports: ports }
    }

    /// Starts the server and does not wait.
    ///
    /// # Errors
    /// If it runs already or can't be started.
    pub fn spawn(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "{} runs already", self.options.name);
        self.server = Some(Server::spawn_at(&self.options, &self.address)?);
        Ok(())
    }

    /// Starts the server and waits until it serves.
    ///
    /// # Errors
    /// If it can't be started, ends, or does not serve in time; shows the end of its log.
    pub fn start(&mut self) -> Result<()> {
        self.spawn()?;
        self.wait_ready()
    }

    /// Waits until the server serves.
    ///
    /// # Errors
    /// If it ends, or does not serve in 30 s; shows the end of its log.
    pub fn wait_ready(&mut self) -> Result<()> {
        let name = self.options.name.clone();
        self.server_mut()?.wait_ready().with_context(|| name)
    }

    /// Waits until the server serves, as long as it takes up to a limit.
    ///
    /// # Errors
    /// If it ends, or does not serve in this time.
    pub fn wait_ready_within(&mut self, limit: Duration) -> Result<()> {
        let (name, start) = (self.options.name.clone(), Instant::now());
        while !self.server_mut()?.is_ready().with_context(|| name.clone())? {
            ensure!(start.elapsed() < limit, "{name} does not serve after {limit:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// If it does not run, or is not done in 30 s.
    pub fn terminate(&mut self) -> Result<Exit> {
        self.take()?.terminate()
    }

    /// Sends SIGKILL and waits for the end.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.take()?.kill()
    }

    /// Sends SIGSTOP: the process stands still until [`resume`](Self::resume).
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> Result<()> {
        self.server()?.signal(Signal::STOP)
    }

    /// Sends SIGCONT.
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> Result<()> {
        self.server()?.signal(Signal::CONT)
    }

    /// Waits for a server that ends by itself.
    ///
    /// # Errors
    /// If it is still there at the deadline.
    pub fn wait_end(&mut self, deadline: Duration) -> Result<Exit> {
        let mut server = self.take()?;
        let ended = server.wait(deadline)?;
        ended.with_context(|| format!("{} lives after {deadline:?}", self.options.name))
    }

    /// Ends the server, if it runs, and gives what it leaves.
    pub(crate) fn end(mut self) -> Result<ServerOptions> {
        if let Some(server) = self.server.take() {
            server.kill()?;
        }
        Ok(self.options.clone())
    }

    /// Removes the data directory of a member that does not run.
    ///
    /// # Errors
    /// If it runs, or as the system says.
    pub fn wipe(&self) -> Result<()> {
        ensure!(self.server.is_none(), "{} runs", self.options.name);
        let folder = &self.options.data_dir;
        std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))
    }

    /// Whether it was started and not ended since.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.server.is_some()
    }

    /// The running server.
    ///
    /// # Errors
    /// If it does not run.
    pub fn server(&self) -> Result<&Server> {
        self.server.as_ref().with_context(|| format!("{} does not run", self.options.name))
    }

    fn server_mut(&mut self) -> Result<&mut Server> {
        self.server.as_mut().with_context(|| format!("{} does not run", self.options.name))
    }

    fn take(&mut self) -> Result<Server> {
        self.server.take().with_context(|| format!("{} does not run", self.options.name))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Where clients reach it, `host:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.address.client.to_string()
    }

    /// What the other members call it by.
    #[must_use]
    pub fn peer_url(&self) -> String {
        format!("http://{}", self.address.advertised_peer)
    }

    /// Everything that it logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        read_log(&self.options.log)
    }
}
