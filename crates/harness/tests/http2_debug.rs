//! `GODEBUG=http2debug=2`: what a client's requests carry is shown in the lines in which the real etcd
//! shows it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use harness::reference;
use support::{Member, server_under_test};

const LINE: &str = "http2: decoded hpack field ";
/// Fields that differ from call to call.
const NOT_COMPARED: [&str; 1] = ["\"grpc-timeout\""];

/// What a server shows of two puts by way of a host's name.
fn shown(program: PathBuf) -> Vec<String> {
    let mut member = Member::new("http2-debug", program, &[]);
    member.options.variables.push(("GODEBUG".to_owned(), "http2debug=2".to_owned()));
    member.start();
    let endpoint = format!("--endpoints=http://localhost:{}", member.client_port());
    for value in ["1", "2"] {
        let mut etcdctl = Command::new(reference().unwrap().program("etcdctl"));
        assert!(etcdctl.args([&endpoint, "put", "key", value]).status().unwrap().success());
    }
    let port = member.client_port().to_string();
    member.terminate();
    let log = std::fs::read_to_string(&member.options.log).unwrap();
    let lines = log.lines().filter_map(|line| line.split_once(LINE));
    // A stamp of date and time is in front.
    let lines = lines.inspect(|(time, _)| assert_eq!(time.len(), 20, "{time:?}"));
    let lines = lines.map(|(_, field)| field.replace(&port, "PORT"));
    lines.filter(|line| !NOT_COMPARED.iter().any(|name| line.contains(name))).collect()
}

#[test]
fn fields_are_shown_as_go_shows_them() {
    let ours = shown(server_under_test());
    assert!(
        ours.contains(&"header field \":authority\" = \"localhost:PORT\"".to_owned()),
        "{ours:?}"
    );
    let puts = ours.iter().filter(|line| line.contains("/etcdserverpb.KV/Put"));
    assert_eq!(puts.count(), 2);
    assert_eq!(ours, shown(reference().unwrap().program("etcd")));
}
