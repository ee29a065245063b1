//! What `README.md` shows of clusters is run as it stands there: the three commands that start one,
//! and the swap of a Go member for ours and back.
//!
//! In a network of its own, since the commands name well-known ports. Needs root.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use harness::{Exit, Folder, Namespaces, Run, http_get, reference, run, workspace_folder};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::server_under_test;

/// How long a cluster may take to serve.
const READY_MAX: Duration = Duration::from_secs(60);

const PORTS: [u16; 3] = [12_379, 22_379, 32_379];

/// The commands under a heading: the lines of each block of code.
fn blocks(heading: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(workspace_folder().join("README.md")).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).expect("the heading is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("\n```\n").skip(1).step_by(2);
    blocks.map(|block| block.lines().map(str::to_owned).collect()).collect()
}

/// A folder in which the commands find what they name.
struct Place {
    servers: Vec<Child>,
    folder: Folder,
    /// Goes last: members live in it.
    _network: Namespaces,
}

impl Place {
    fn new() -> Self {
        // Both may have to be made, which takes the machine's own network.
        let (tested, _) = (server_under_test(), reference().unwrap());
        let network = Namespaces::new(1).unwrap();
        network.enter().unwrap();
        let folder = Folder::new("readme").unwrap();
        let release = folder.path().join("target/release");
        std::fs::create_dir_all(&release).unwrap();
        for (program, name) in [(tested.with_file_name("etcdctl"), "etcdctl"), (tested, "etcd")] {
            std::os::unix::fs::symlink(program, release.join(name)).unwrap();
        }
        Self { servers: Vec::new(), folder, _network: network }
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        let real = reference().unwrap().folder.display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(["-c", line]).current_dir(self.folder.path());
        command.env("PATH", format!("{real}:{path}"));
        command
    }

    /// Gives a command to a terminal of its own; its place.
    fn start(&mut self, line: &str) -> usize {
        let log = self.folder.path().join(format!("log-{}", self.servers.len()));
        let log = std::fs::File::create(log).unwrap();
        let mut command = self.shell(&format!("exec {line}"));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.servers.push(command.process_group(0).spawn().unwrap());
        self.servers.len() - 1
    }

    /// SIGTERM, and waits for the end.
    fn stop(&mut self, server: usize) -> Exit {
        let child = &mut self.servers[server];
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                use std::os::unix::process::ExitStatusExt as _;
                let signal = || 128 + status.signal().unwrap_or_default();
                return Exit { code: status.code().unwrap_or_else(signal) };
            }
            assert!(start.elapsed() < READY_MAX, "a member does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_ready(&mut self) {
        let start = Instant::now();
        for port in PORTS {
            while !http_get(port, "/health").is_ok_and(|reply| reply.status == 200) {
                let late = start.elapsed() > READY_MAX;
                assert!(
                    !late,
                    "the member at {port} does not serve; {}",
                    self.folder.path().display()
                );
                std::thread::sleep(Duration::from_millis(20));
            }
            // What the text says to ask.
            self.etcdctl(&format!("--endpoints=127.0.0.1:{port} endpoint health"));
        }
    }

    fn etcdctl(&self, arguments: &str) -> String {
        let command = self.shell(&format!("target/release/etcdctl {arguments}"));
        let finished = run(Run { command, stdin: Vec::new(), deadline: READY_MAX }).unwrap();
        assert_eq!(finished.code, 0, "{arguments}: {}", finished.err());
        finished.out()
    }

    /// Writes through one member and reads through all.
    fn check(&self, value: &str) {
        self.etcdctl(&format!("--endpoints 127.0.0.1:{} put key {value}", PORTS[0]));
        for port in PORTS {
            let found = self.etcdctl(&format!("--endpoints 127.0.0.1:{port} get key"));
            assert_eq!(found, format!("key\n{value}\n"));
        }
    }

    fn version(port: u16) -> String {
        http_get(port, "/version").unwrap().body
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // One that has ended is as good.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn the_three_commands() -> Vec<String> {
    let lines = blocks("Run three members").swap_remove(0);
    assert_eq!(lines.len(), 3);
    lines
}

#[test]
fn three_commands_start_a_cluster() {
    let mut place = Place::new();
    for line in the_three_commands() {
        place.start(&line);
    }
    place.wait_ready();
    place.check("1");
    // What the text says next shows all members, one of which leads.
    let text = std::fs::read_to_string(workspace_folder().join("README.md")).unwrap();
    let (_, shown) = text.split_once("`target/release/etcdctl --endpoints=").unwrap();
    let status = place.etcdctl(&format!("--endpoints={}", shown.split('`').next().unwrap()));
    assert_eq!(status.matches("127.0.0.1:").count(), 3, "{status}");
    let rows: Vec<Vec<&str>> = status
        .lines()
        .filter(|line| line.contains("IS LEADER") || line.contains("127.0.0.1:"))
        .map(|line| line.split(['|', '│']).map(str::trim).collect())
        .collect();
    let column = rows[0].iter().position(|head| *head == "IS LEADER").unwrap();
    let leads: Vec<&str> = rows[1..].iter().map(|row| row[column]).collect();
    assert_eq!(leads.iter().filter(|leads| **leads == "true").count(), 1, "{status}");
    assert!(place.folder.path().join("a.etcd").is_dir());
}

#[test]
fn a_go_member_is_swapped_for_ours_and_put_back() {
    let mut place = Place::new();
    for line in the_three_commands() {
        place.start(&line.replace("target/release/etcd ", "etcd "));
    }
    place.wait_ready();
    place.check("1");
    let swap = blocks("Swap a Go member for ours, and go back");
    assert_eq!(swap.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    let real = Place::version(PORTS[0]);
    assert_eq!(place.stop(0).code, 143);
    let ours = place.start(&swap[0][0]);
    place.wait_ready();
    place.check("2");
    if !support::reference_is_under_test() {
        assert_ne!(Place::version(PORTS[0]), real);
    }
    assert_eq!(place.stop(ours).code, 143);
    place.start(&swap[1][0]);
    place.wait_ready();
    assert_eq!(Place::version(PORTS[0]), real);
    place.check("3");
}
