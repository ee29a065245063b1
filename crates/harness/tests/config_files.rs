//! Configuration files: a server starts as its file says, and what is wrong with a file is refused
//! as by the real etcd 3.5.16.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use harness::{Folder, LogLine, Port, Run, http_get, reference};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::server_under_test;

/// How long a server may take to serve.
const READY_MAX: Duration = Duration::from_secs(30);

/// How long a program may take to refuse its file.
const REFUSED_MAX: Duration = Duration::from_secs(30);

/// Files that every version refuses in the same words.
const REFUSED: [&str; 26] = [
    "max-txn-ops: -5",
    "max-txn-ops: \"5\"",
    "snapshot-count: 1.5",
    "pre-vote: 1",
    "unsafe-no-fsync: \"true\"",
    "x",
    "5",
    "[a, b]",
    "log-outputs: stderr",
    "log-outputs: [stderr, default]",
    "cipher-suites: [5, a]",
    "name: [a]",
    "name: {a: 1}",
    "name: on",
    "auto-compaction-retention: 5",
    "auto-compaction-mode: x",
    "grpc-keepalive-interval: 5s",
    "quota-backend-bytes: x",
    "max-concurrent-streams: 99999999999",
    "client-transport-security: 5",
    "client-transport-security:\n  client-cert-auth: 7",
    "socket-options: {reuse-port: x}",
    "heartbeat-interval: 0",
    "election-timeout: 100",
    "listen-client-urls: http://foo:1",
    "initial-cluster-state: foo",
];

/// The exit code and what is said of why.
fn refusal(program: &Path, folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    let ended = harness::run(Run { command, stdin: Vec::new(), deadline: REFUSED_MAX }).unwrap();
    let log = ended.err();
    let mut lines = log.lines().filter(|line| line.starts_with('{')).map(LogLine::parse);
    let last = lines.rfind(|line| line.message == "failed to verify flags");
    let said = last.map(|line| line.fields["error"].as_str().unwrap().to_owned());
    let first = || log.lines().next().unwrap_or_default().to_owned();
    (ended.code, said.unwrap_or_else(first))
}

#[test]
fn what_is_wrong_with_a_file_is_said_as_etcd_says_it() {
    let folder = Folder::new("config-refused").unwrap();
    let programs = [server_under_test(), reference().unwrap().program("etcd")];
    let file = folder.path().join("f.yml");
    let mut cases: Vec<(Option<&str>, &[&str])> =
        REFUSED.iter().map(|content| (Some(*content), &["--config-file=f.yml"][..])).collect();
    cases.push((Some("listen-peer-urls: foo"), &["--config-file", "f.yml"]));
    cases.push((None, &["--config-file=nowhere"]));
    cases.push((None, &["--config-file=."]));
    cases.push((Some("heartbeat-interval: 0"), &["--config-file=f.yml", "--name=x", "--nope"]));
    for (content, arguments) in cases {
        std::fs::write(&file, content.unwrap_or_default()).unwrap();
        let [ours, real] =
            programs.each_ref().map(|program| refusal(program, folder.path(), arguments));
        assert_eq!(ours, real, "{content:?} {arguments:?}");
        assert!(ours.0 > 0, "{content:?} {arguments:?}");
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program in a folder with a file that `how` names; what its log says once it serves.
fn serves(program: &PathBuf, how: impl Fn(&mut Command)) -> (String, String) {
    let folder = Folder::new("config-serves").unwrap();
    let (client, peer) = (Port::take().unwrap(), Port::take().unwrap());
    let content = format!(
        "# a member\nname: of-file\ndata-dir: data\nlog-outputs: [log]\n\
         listen-client-urls: {0}\nadvertise-client-urls: {0}\n\
         listen-peer-urls: {1}\ninitial-advertise-peer-urls: {1}\n\
         initial-cluster: of-file={1}\nsnapshot-count: 77\nno-such-key: 1\n",
        client.url(),
        peer.url()
    );
    std::fs::write(folder.path().join("f.yml"), content).unwrap();
    let mut command = Command::new(program);
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null());
    how(&mut command);
    let _running = Running(command.spawn().unwrap());
    let begun = Instant::now();
    let port = client.number();
    while !http_get(port, "/health").is_ok_and(|reply| reply.status == 200) {
        assert!(begun.elapsed() < READY_MAX, "it does not serve");
        std::thread::sleep(Duration::from_millis(20));
    }
    (std::fs::read_to_string(folder.path().join("log")).unwrap(), variables(port))
}

/// What `/debug/vars` tells, asked so that it comes in one piece.
fn variables(port: u16) -> String {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    connection.set_read_timeout(Some(READY_MAX)).unwrap();
    connection.write_all(b"GET /debug/vars HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 OK\r\n"), "{head}");
    body.to_owned()
}

#[test]
fn a_member_starts_as_its_file_says() {
    for program in [server_under_test(), reference().unwrap().program("etcd")] {
        let by_flag = |command: &mut Command| _ = command.args(["--config-file=f.yml", "--name=x"]);
        let by_variable = |command: &mut Command| {
            _ = command.env("ETCD_CONFIG_FILE", "f.yml").env("ETCD_NAME", "y");
        };
        for how in [&by_flag as &dyn Fn(&mut Command), &by_variable] {
            let (log, variables) = serves(&program, how);
            // What tools wait for of raft, too.
            for line in [
                "loaded server configuration, other configuration command line flags",
                " became leader at term 2",
                " elected leader ",
                "\"snapshot-count\":77",
            ] {
                assert!(log.contains(line), "{program:?} does not log {line:?}:\n{log}");
            }
            let variables: serde_json::Value = serde_json::from_str(&variables).unwrap();
            let names: Vec<_> = variables.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, ["cmdline", "file_descriptor_limit", "memstats", "raft.status"]);
            let raft = variables["raft.status"].as_object().unwrap();
            let names: Vec<_> = raft.keys().map(String::as_str).collect();
            let expected = [
                "applied",
                "commit",
                "id",
                "lead",
                "leadtransferee",
                "progress",
                "raftState",
                "term",
                "vote",
            ];
            assert_eq!(names, expected);
            assert_eq!((&raft["raftState"], &raft["id"]), (&"StateLeader".into(), &raft["lead"]));
        }
    }
}
