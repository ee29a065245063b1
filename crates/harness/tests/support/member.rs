//! A member with a folder and ports of its own, which can be stopped and started again.

use super::api::Api;
use harness::{Folder, Port, Server, ServerOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a look at a server waits for its end.
const LOOK: Duration = Duration::from_millis(5);

/// What came of a start that may fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    Serves,
    /// It ended with this exit code.
    Ended(i32),
    /// It was killed, having done neither.
    Neither,
}

/// A member of one. Its server is killed, and its folder removed, when this goes.
#[derive(Debug)]
pub struct Member {
    // Before the folder: the server has to end first.
    server: Option<Server>,
    /// What the next start takes.
    pub options: ServerOptions,
    client: Port,
    peer: Port,
    folder: Folder,
}

impl Member {
    /// A member whose server is not started yet.
    pub fn new(name: &str, program: PathBuf, arguments: &[&str]) -> Self {
        let folder = Folder::new(name).unwrap();
        let options = ServerOptions {
            program,
            name: name.to_owned(),
            data_dir: folder.path().join("data"),
            log: folder.path().join("log"),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            variables: Vec::new(),
        };
        let (client, peer) = (Port::take().unwrap(), Port::take().unwrap());
        Self { server: None, options, client, peer, folder }
    }

    /// A member that serves.
    pub fn started(name: &str, program: PathBuf, arguments: &[&str]) -> Self {
        let mut member = Self::new(name, program, arguments);
        member.start();
        member
    }

    /// Starts the server and waits until it serves.
    pub fn start(&mut self) {
        self.try_start().unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// As [`start`](Self::start), for servers that may refuse.
    pub fn try_start(&mut self) -> anyhow::Result<()> {
        assert!(self.server.is_none(), "the server runs already");
        self.server = Some(Server::start(&self.options, &self.client, &self.peer)?);
        Ok(())
    }

    /// Starts a server and waits for its end, for servers that can't start; the exit code.
    pub fn start_and_fail(&mut self, deadline: Duration) -> i32 {
        assert!(self.server.is_none(), "the server runs already");
        self.server = Some(Server::spawn(&self.options, &self.client, &self.peer).unwrap());
        self.wait(deadline)
    }

    /// Starts a server of which it is not known whether it serves or ends.
    pub fn start_within(&mut self, deadline: Duration) -> Start {
        assert!(self.server.is_none(), "the server runs already");
        let mut server = Server::spawn(&self.options, &self.client, &self.peer).unwrap();
        let start = Instant::now();
        while start.elapsed() < deadline {
            if let Some(ended) = server.wait(LOOK).unwrap() {
                return Start::Ended(ended.code);
            }
            if server.is_ready().is_ok_and(|ready| ready) {
                self.server = Some(server);
                return Start::Serves;
            }
        }
        Start::Neither
    }

    /// Waits for the end of a server that ends by itself; the exit code.
    pub fn wait(&mut self, deadline: Duration) -> i32 {
        let mut server = self.server.take().expect("the server was started");
        let ended = server.wait(deadline).unwrap();
        ended.unwrap_or_else(|| panic!("the server runs on:\n{}", server.log())).code
    }

    /// Starts the server, and kills it when it has had so much time, wherever it is then.
    pub fn start_and_kill(&mut self, after: Duration) {
        assert!(self.server.is_none(), "the server runs already");
        let mut server = Server::spawn(&self.options, &self.client, &self.peer).unwrap();
        let ended = server.wait(after).unwrap();
        assert!(ended.is_none(), "the server ended by itself: {ended:?}\n{}", server.log());
        server.kill().unwrap();
    }

    /// The running server.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server was started")
    }

    /// The running server, to wait for.
    pub fn server_mut(&mut self) -> &mut Server {
        self.server.as_mut().expect("the server was started")
    }

    /// SIGTERM; the exit code.
    pub fn terminate(&mut self) -> i32 {
        let server = self.server.take().expect("the server was started");
        server.terminate().unwrap_or_else(|error| panic!("{error:#}")).code
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.server.take().expect("the server was started").kill().unwrap();
    }

    /// Forgets a server that has ended.
    pub fn forget(&mut self) {
        self.server = None;
    }

    /// `127.0.0.1:<port>` for clients.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.client.number())
    }

    /// The port for clients.
    pub fn client_port(&self) -> u16 {
        self.client.number()
    }

    /// The port for peers.
    pub fn peer_port(&self) -> u16 {
        self.peer.number()
    }

    /// `http://127.0.0.1:<port>` for peers.
    pub fn peer_url(&self) -> String {
        self.peer.url()
    }

    /// For the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Connects a client.
    pub async fn api(&self) -> Api {
        Api::connect(&self.endpoint(), None).await
    }
}
