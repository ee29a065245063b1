//! Odd command lines: what ours prints last and its exit code are those of Go's 3.5.16, with the
//! same server.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::{Folder, Port, Run, Server, ServerOptions, reference};

/// Command lines and what they read; `$PORT` is the server's.
const LINES: &[(&[&str], &str)] = &[
    (&["--endpoints=", "get", "a"], ""),
    (&["--endpoints=", "member", "list"], ""),
    (&["--endpoints=", "endpoint", "health"], ""),
    (&["--endpoints=:$PORT", "put", "a", "1"], ""),
    (&["--endpoints=http://:$PORT", "put", "a", "2"], ""),
    (&["--endpoints=127.0.0.1:$PORT", "get", "a", "--rev=0x_1"], ""),
    (&["--endpoints=127.0.0.1:$PORT", "get", "a", "--rev=1_0"], ""),
    (&["--endpoints=127.0.0.1:$PORT", "get", "a", "--limit=1_0"], ""),
    (&["--endpoints=127.0.0.1:$PORT", "compaction", "1_0"], ""),
    (&["--endpoints=127.0.0.1:$PORT", "txn"], "value(\"a\")=\"1\"\n\n\n\n"),
    (&["--endpoints=127.0.0.1:$PORT", "txn"], "value(\"a\") =\"1\"\n\n\n\n"),
    (&["--endpoints=127.0.0.1:$PORT", "txn"], "\nget a --rev=1_0\n\n\n"),
];

fn start(folder: &Folder, ports: &[Port; 2]) -> Server {
    let options = ServerOptions {
        program: reference().unwrap().program("etcd"),
        name: "m1".to_owned(),
        data_dir: folder.path().join("data"),
        log: folder.path().join("log"),
        arguments: Vec::new(),
        variables: Vec::new(),
    };
    Server::start(&options, &ports[0], &ports[1]).unwrap()
}

/// The code, standard output and the last line of standard error.
fn outcome(program: &Path, port: &str, (line, input): (&[&str], &str)) -> (i32, String, String) {
    let mut command = Command::new(program);
    command.args(line.iter().map(|word| word.replace("$PORT", port)));
    command.env_remove("ETCDCTL_ENDPOINTS");
    let deadline = Duration::from_secs(60);
    let run = harness::run(Run { command, stdin: input.as_bytes().to_vec(), deadline }).unwrap();
    (run.code, run.out(), run.err().lines().last().unwrap_or_default().to_owned())
}

#[test]
fn odd_command_lines_end_as_with_go() {
    let folder = Folder::new("ctl-lines").unwrap();
    let ports = [Port::take().unwrap(), Port::take().unwrap()];
    let _server = start(&folder, &ports);
    let port = ports[0].number().to_string();
    let (go, ours) =
        (reference().unwrap().program("etcdctl"), Path::new(env!("CARGO_BIN_EXE_etcdctl")));
    for line in LINES {
        assert_eq!(outcome(ours, &port, *line), outcome(&go, &port, *line), "{line:?}");
    }
}

#[test]
fn it_ends_as_by_the_signal_when_nobody_reads_what_it_says() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_etcdctl"));
    let refused = command.arg("nonsense").stdin(Stdio::null()).stderr(writer).status().unwrap();
    assert_eq!(refused.code(), Some(141));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_etcdctl"));
    let helped = command.arg("--help").stdin(Stdio::null()).stdout(writer).status().unwrap();
    assert_eq!(helped.code(), Some(141));
}
