//! What Go's 3.5 has no flag for: limits on messages, TLS that is not there, and snapshots.

#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Duration;

use harness::{Finished, Folder, Port, Run, Server, ServerOptions, reference};

fn etcdctl(server: &Server, arguments: &[&str], stdin: &[u8]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_etcdctl"));
    command.arg("--endpoints").arg(server.endpoint()).args(arguments);
    command.env_remove("ETCDCTL_ENDPOINTS");
    let deadline = Duration::from_secs(60);
    harness::run(Run { command, stdin: stdin.to_vec(), deadline }).unwrap()
}

fn start(folder: &Folder) -> (Server, [Port; 2]) {
    let ports = [Port::take().unwrap(), Port::take().unwrap()];
    let options = ServerOptions {
        program: reference().unwrap().program("etcd"),
        name: "m1".to_owned(),
        data_dir: folder.path().join("data"),
        log: folder.path().join("log"),
        arguments: Vec::new(),
        variables: Vec::new(),
    };
    (Server::start(&options, &ports[0], &ports[1]).unwrap(), ports)
}

#[test]
fn limits_hold_and_missing_tls_is_said() {
    let folder = Folder::new("ctl-limits").unwrap();
    let (server, _ports) = start(&folder);
    let large = etcdctl(&server, &["put", "large"], &vec![b'x'; 3_000_000]);
    let expected = "Error: rpc error: code = ResourceExhausted desc = trying to send message larger \
                    than max (3000012 vs. 2097152)\n";
    assert_eq!((large.code, large.err().as_str()), (1, expected));
    let allowed =
        etcdctl(&server, &["--max-request-bytes=4000000", "put", "large"], &vec![b'x'; 1_000_000]);
    assert_eq!((allowed.code, allowed.out().as_str()), (0, "OK\n"));
    assert_eq!(etcdctl(&server, &["get", "large"], b"").stdout.len(), "large\n".len() + 1_000_001);
    assert_eq!(etcdctl(&server, &["--max-recv-bytes=1000", "get", "large"], b"").code, 1);
    for flags in [["--cert=x"], ["--key=x"], ["--cacert=x"], ["--insecure-transport=false"]] {
        let refused = etcdctl(&server, &[&flags[..], &["get", "a"]].concat(), b"");
        assert_eq!(refused.code, 128);
        assert!(refused.err().contains("not supported yet: there is no TLS"), "{}", refused.err());
    }
}

#[test]
fn a_snapshot_is_one_that_etcdutl_takes_and_leaves_no_part_behind() {
    let folder = Folder::new("ctl-snapshot").unwrap();
    let (server, _ports) = start(&folder);
    assert_eq!(etcdctl(&server, &["put", "a", "1"], b"").code, 0);
    let backups = folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    let file = backups.join("one.db");
    let saved = etcdctl(&server, &["snapshot", "save", file.to_str().unwrap()], b"");
    assert_eq!(saved.out(), format!("Snapshot saved at {}\n", file.display()));
    let names: Vec<_> =
        std::fs::read_dir(&backups).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["one.db"]);
    let mut command = Command::new(reference().unwrap().program("etcdutl"));
    command.args(["snapshot", "status", "-w", "json"]).arg(&file);
    let deadline = Duration::from_secs(60);
    let status = harness::run(Run { command, stdin: Vec::new(), deadline }).unwrap();
    assert!(status.out().contains("\"revision\":2"), "{}{}", status.out(), status.err());
    // `restore` checks the hash that `status` does not.
    let mut command = Command::new(reference().unwrap().program("etcdutl"));
    command
        .args(["snapshot", "restore", "--data-dir"])
        .arg(folder.path().join("restored"))
        .arg(&file);
    let restored = harness::run(Run { command, stdin: Vec::new(), deadline }).unwrap();
    assert_eq!(restored.code, 0, "{}", restored.err());
}
