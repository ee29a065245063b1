//! A server where these clients look for it: on `localhost:2379`, in a network namespace, so that
//! several tests, and whatever else runs on the machine, each have that port.

use crate::support::{reference_is_under_test, server_under_test};
use harness::{Address, Finished, Folder, Namespaces, Run, Server, ServerOptions, reference, run};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long a client may take: many times what it takes on a machine that is not busy.
const CLIENT_MAX: Duration = Duration::from_secs(900);

/// A network for one test, whose thread is in it from then on.
pub struct Place {
    // Before the folder and the network: the server has to end first.
    server: Option<Server>,
    folder: Folder,
    _network: Namespaces,
    starts: u32,
}

impl Place {
    /// Enters a network of its own. What is to be installed has to be there already: from here
    /// nothing outside is reached.
    pub fn enter(name: &str) -> Self {
        let program = server_under_test();
        assert!(program.is_file(), "{} is not there", program.display());
        let folder = Folder::new(name).unwrap();
        let network = Namespaces::new(0).unwrap_or_else(|error| panic!("{error:#}"));
        network.enter().unwrap();
        Self { server: None, folder, _network: network, starts: 0 }
    }

    /// Starts a server with nothing in it, in place of the one before.
    pub fn serve(&mut self, flags: &[&str]) {
        self.server = None;
        self.starts += 1;
        let path = |name: &str| self.folder.path().join(format!("{name}-{}", self.starts));
        let mut arguments: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        arguments.push("--log-level=warn".to_owned());
        let options = ServerOptions {
            program: server_under_test(),
            name: "default".to_owned(),
            data_dir: path("data"),
            log: path("log"),
            arguments,
            variables: Vec::new(),
        };
        let peer = ([127, 0, 0, 1], 2380).into();
        let address = Address {
            client: ([127, 0, 0, 1], 2379).into(),
            peer,
            advertised_peer: peer,
            initial_cluster: format!("default=http://{peer}"),
            namespace: None,
        };
        let mut server = Server::spawn_at(&options, &address).unwrap();
        server.wait_ready().unwrap_or_else(|error| panic!("{error:#}"));
        self.server = Some(server);
    }

    /// For the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a client to its end, with the real `etcdctl` in its `PATH` and a home that goes away.
    pub fn run(&self, mut command: Command) -> Finished {
        let programs = reference().unwrap().folder;
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&others)));
        command.env("PATH", path.unwrap()).env("HOME", self.folder());
        let finished = run(Run { command, stdin: Vec::new(), deadline: CLIENT_MAX });
        finished.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Runs the real `etcdctl`, which has to do well.
    pub fn etcdctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(reference().unwrap().program("etcdctl"));
        command.args(arguments);
        let finished = self.run(command);
        assert_eq!(finished.code, 0, "etcdctl {arguments:?}: {}", finished.err());
        finished.out()
    }
}

/// What somebody else's tests came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tests {
    pub passed: u64,
    pub failed: u64,
}

impl Tests {
    /// Reads the last line of the form `... 3 passed, 1 failed ...`, as pytest and cargo's tests
    /// print it.
    pub fn read(output: &str) -> Self {
        let line = output.lines().rev().find(|line| line.contains(" passed"));
        let words: Vec<&str> = line.unwrap_or_default().split([' ', ',', ';']).collect();
        let count = |word: &str| {
            let at = words.iter().position(|other| *other == word)?;
            words[..at].last()?.parse().ok()
        };
        Self { passed: count("passed").unwrap_or(0), failed: count("failed").unwrap_or(0) }
    }
}

/// Tells whoever runs the tests what a client did, also when all is well.
pub fn report(what: &str) {
    let server = if reference_is_under_test() { "the reference" } else { "ours" };
    // Not by `println`, which is shown for failed tests only. The line may follow the test's name.
    let _ = writeln!(std::io::stderr(), "\nran: {what}, against {server}");
}
