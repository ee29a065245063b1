//! First starts: where one fails, the log ends with the words of the real etcd and with its reason;
//! a host name that is not known yet ends none; and a member says what it published.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{
    Address, Folder, LogLine, Port, Run, Server, ServerOptions, read_log, reference, run,
};
use support::server_under_test;

/// How long a start may take to fail, or a line to come.
const DEADLINE: Duration = Duration::from_secs(40);

/// First starts of a member named `b`, beside a member named `a` that runs: what they are told of
/// the cluster, and whether it is there already.
const STARTS: &[(&str, &str, &str)] = &[
    ("one member too many is named", "a=$A,b=$B", "existing"),
    ("one member too few is named", "b=$B,a=$A,c=$C,d=http://127.0.0.1:1", "existing"),
    ("it is not named itself", "a=$A,x=$B", "existing"),
    ("nobody is at the URL of the other", "b=$B,a=$C", "existing"),
    ("no other is named", "b=$B", "existing"),
    ("a URL stands there twice", "a=$B,b=$B", "existing"),
    ("it is named with another URL", "b=$C", "new"),
    ("a founder is not named itself", "x=$B", "new"),
    ("a URL of founders stands there twice", "b=$B,x=$B", "new"),
];

/// What was added to the cluster has another URL than the member that comes.
const ADDED: (&str, &str, &str) = ("it comes with another URL", "a=$A,b=$B", "existing");

/// The ports that the starts of both programs use, one after the other.
struct Place {
    folder: Folder,
    a: [Port; 2],
    b: [Port; 2],
    free: Port,
}

fn port() -> Port {
    Port::take().unwrap()
}

impl Place {
    fn new() -> Self {
        let folder = Folder::new("first-start").unwrap();
        Self { folder, a: [port(), port()], b: [port(), port()], free: port() }
    }

    fn options(&self, program: &Path, name: &str, folder: &str) -> ServerOptions {
        ServerOptions {
            program: program.to_owned(),
            name: name.to_owned(),
            data_dir: self.folder.path().join(folder),
            log: self.folder.path().join(format!("{folder}.log")),
            arguments: Vec::new(),
            variables: Vec::new(),
        }
    }

    fn address(&self, cluster: &str) -> Address {
        let at = |port: &Port| SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let named = [("$A", &self.a[1]), ("$B", &self.b[1]), ("$C", &self.free)];
        let initial_cluster = named
            .iter()
            .fold(cluster.to_owned(), |cluster, (name, port)| cluster.replace(name, &port.url()));
        Address {
            client: at(&self.b[0]),
            peer: at(&self.b[1]),
            advertised_peer: at(&self.b[1]),
            initial_cluster,
            namespace: None,
        }
    }

    /// The lines with which the log of a start ends that fails.
    fn fails(
        &self,
        program: &Path,
        folder: &str,
        (what, cluster, state): (&str, &str, &str),
    ) -> Vec<LogLine> {
        let state = format!("--initial-cluster-state={state}");
        let options =
            ServerOptions { arguments: vec![state], ..self.options(program, "b", folder) };
        let mut server = Server::spawn_at(&options, &self.address(cluster)).unwrap();
        let exit = server.wait(DEADLINE).unwrap();
        assert_eq!(exit.map(|exit| exit.code), Some(1), "{what}: {}", server.log());
        read_log(&options.log).into_iter().filter(|line| line.level != "none").collect()
    }

    /// The last lines of all starts that fail, by what is wrong with them.
    fn last_lines(&self, program: &Path, tag: &str) -> Vec<(&'static str, [LogLine; 2])> {
        let running = self.options(program, "a", &format!("{tag}-a"));
        let running = Server::start(&running, &self.a[0], &self.a[1]).unwrap();
        let fail = |number: usize, start: (&'static str, &str, &str)| {
            let lines = self.fails(program, &format!("{tag}-{number}"), start);
            let last = lines.last_chunk().expect("a log has more lines");
            (start.0, last.clone())
        };
        let mut last: Vec<_> =
            STARTS.iter().enumerate().map(|(number, start)| fail(number, *start)).collect();
        let mut add = Command::new(reference().unwrap().program("etcdctl"));
        add.args(["member", "add", "b"])
            .arg(format!("--endpoints={}", running.endpoint()))
            .arg(format!("--peer-urls={}", self.free.url()));
        let added = run(Run { command: add, stdin: Vec::new(), deadline: DEADLINE }).unwrap();
        assert_eq!(added.code, 0, "{}", added.err());
        last.push(fail(STARTS.len(), ADDED));
        running.terminate().unwrap();
        last
    }
}

/// The words of a line in their order in the alphabet: Go shows the members of a cluster in any
/// order. The identity of the member that was added is of chance.
fn words(line: &LogLine) -> Vec<String> {
    let error = line.fields["error"].as_str().unwrap();
    let separators = [' ', '[', ']', '{', '}', '(', ')', ','];
    let words = error.split(separators).filter(|word| !word.is_empty());
    let added = error.split_once("existing member (").and_then(|(_, rest)| rest.split(',').next());
    let mut words: Vec<String> =
        words.map(|word| added.map_or(word.to_owned(), |id| word.replace(id, "ID"))).collect();
    words.sort();
    words
}

#[test]
fn the_log_ends_with_the_words_of_the_real_etcd() {
    let place = Place::new();
    let real = place.last_lines(&reference().unwrap().program("etcd"), "real");
    let ours = place.last_lines(&server_under_test(), "ours");
    assert_eq!((real.len(), ours.len()), (STARTS.len() + 1, STARTS.len() + 1));
    for ((what, [_, real]), (_, [before, ours])) in real.iter().zip(&ours) {
        assert_eq!(real.message, "discovery failed", "{what}");
        assert_eq!((&ours.level, &ours.message), (&real.level, &real.message), "{what}");
        assert_eq!(words(ours), words(real), "{what}: {ours:?}");
        // The line before has the same reason; its words changed after 3.5.
        assert_eq!((&*before.level, &*before.message), ("error", "bootstrap failed"), "{what}");
        assert_eq!(before.fields["error"], ours.fields["error"], "{what}");
    }
}

#[test]
fn a_member_says_what_it_published_as_the_real_etcd_does() {
    let place = Place::new();
    let published = |program: &Path, folder: &str| {
        let options = place.options(program, "a", folder);
        Server::start(&options, &place.a[0], &place.a[1]).unwrap().terminate().unwrap();
        let mut lines = read_log(&options.log).into_iter();
        let line = lines.rfind(|line| line.message.starts_with("published local member"));
        let LogLine { message, fields, .. } = line.expect("it published itself");
        let names = ["local-member-id", "local-member-attributes", "cluster-id", "publish-timeout"];
        (message, names.map(|name| fields[name].as_str().unwrap().to_owned()))
    };
    let real = published(&reference().unwrap().program("etcd"), "real");
    assert_eq!(published(&server_under_test(), "ours"), real);
}

#[test]
fn a_host_name_that_is_not_known_yet_does_not_end_the_start() {
    let place = Place::new();
    let member = place.options(&server_under_test(), "b", "unknown");
    let address = place.address("b=http://nobody.invalid:1");
    let mut server = Server::spawn_at(&member, &address).unwrap();
    let warned = || {
        let lines = read_log(&member.log).into_iter();
        lines.filter(|line| line.message == "failed to resolve URL Host").collect::<Vec<_>>()
    };
    let start = Instant::now();
    while warned().len() < 2 {
        assert!(start.elapsed() < DEADLINE, "{}", server.log());
        assert!(server.wait(Duration::from_millis(50)).unwrap().is_none(), "{}", server.log());
    }
    let fields = &warned()[0].fields;
    assert_eq!(fields["url"], "http://nobody.invalid:1");
    assert_eq!(fields["host"], "nobody.invalid:1");
    assert_eq!(fields["retry-interval"], "1s");
    assert!(fields["error"].as_str().unwrap().starts_with("lookup nobody.invalid: "), "{fields}");
    server.kill().unwrap();
}
