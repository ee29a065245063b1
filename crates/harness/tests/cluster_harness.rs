//! The harness's own clusters and networks, shown with the real etcd.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use harness::{Cluster, ClusterOptions, Namespaces, Network, reference};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn three(network: Network) -> ClusterOptions {
    ClusterOptions {
        programs: vec![reference().unwrap().program("etcd"); 3],
        arguments: vec!["--unsafe-no-fsync".to_owned(), "--snapshot-count=100".to_owned()],
        network,
    }
}

/// How long a command may be tried, while a leader is elected or connections are young.
const TRIES_MAX: Duration = Duration::from_secs(30);

/// `etcdctl` on some endpoints until it does well; its output.
fn etcdctl(endpoints: &str, arguments: &[&str]) -> String {
    let start = Instant::now();
    loop {
        let mut command = Command::new(reference().unwrap().program("etcdctl"));
        command.arg(format!("--endpoints={endpoints}")).args(arguments);
        let output = command.output().unwrap();
        if output.status.success() {
            return String::from_utf8_lossy(&output.stdout).into_owned();
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(start.elapsed() < TRIES_MAX, "{arguments:?}: {said}");
    }
}

#[test]
fn members_end_and_come_back() {
    let mut cluster = Cluster::started(&three(Network::Loopback)).unwrap();
    let endpoints = cluster.endpoints();
    etcdctl(&endpoints[0], &["put", "a", "1"]);
    assert_eq!(cluster.member(1).terminate().unwrap().code, 143);
    cluster.member(2).pause().unwrap();
    cluster.member(2).resume().unwrap();
    etcdctl(&endpoints[2], &["put", "a", "2"]);
    cluster.member(1).start().unwrap();
    assert_eq!(etcdctl(&endpoints[1], &["get", "a"]), "a\n2\n");
    cluster.member(0).kill().unwrap();
    assert_eq!(etcdctl(&endpoints[1], &["get", "a"]), "a\n2\n");
    cluster.start().unwrap();
    let joining = cluster.add(reference().unwrap().program("etcd")).unwrap();
    assert_eq!(cluster.members()[joining].name(), "m4");
    let peer = format!("--peer-urls={}", cluster.members()[joining].peer_url());
    etcdctl(&endpoints[1], &["member", "add", "m4", &peer]);
    cluster.start().unwrap();
    assert_eq!(etcdctl(&cluster.endpoints()[3], &["get", "a"]), "a\n2\n");
    let lines = cluster.members()[1].log();
    assert!(lines.iter().any(|line| line.message.contains("ready to serve client requests")));
    assert!(lines.iter().any(harness::LogLine::is_fault), "peers that ended were warned of");
}

/// Whether something listens at an address.
fn connects(address: SocketAddr) -> bool {
    match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        Ok(_) => true,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock), "{error}");
            false
        }
    }
}

/// From a member's namespace to another member's peer port.
fn reaches(cluster: &Cluster, from: usize, to: usize) -> bool {
    let namespace = cluster.members()[from].address.namespace.clone().unwrap();
    let address = cluster.members()[to].address.peer;
    let script = format!("exec 3<>/dev/tcp/{}/{}", address.ip(), address.port());
    let mut command = Command::new("timeout");
    command.args(["0.3", "nsenter", &format!("--net=/run/netns/{namespace}"), "bash", "-c"]);
    command.arg(script).output().unwrap().status.success()
}

#[test]
fn links_are_cut_and_healed() {
    let program = reference().unwrap().program("etcd");
    let network = Arc::new(Namespaces::new(3).unwrap());
    network.enter().unwrap();
    let mut options = three(Network::Namespaces(Arc::clone(&network)));
    options.programs = vec![program; 3];
    let cluster = Cluster::started(&options).unwrap();
    let all = cluster.endpoints().join(",");
    etcdctl(&all, &["put", "a", "1"]);
    network.cuts().set(&[(0, 1)]).unwrap();
    assert!(!reaches(&cluster, 0, 1), "what 0 sends is lost");
    assert!(!reaches(&cluster, 1, 0), "and so are its answers");
    assert!(reaches(&cluster, 1, 2) && reaches(&cluster, 2, 0));
    network.cuts().separate(&[2], &[0, 1]).unwrap();
    assert!(reaches(&cluster, 0, 1) && !reaches(&cluster, 1, 2) && !reaches(&cluster, 2, 0));
    assert!(connects(cluster.members()[2].address.client), "clients are not cut off");
    etcdctl(&cluster.endpoints()[0], &["put", "a", "2"]);
    network.cuts().heal().unwrap();
    assert!(reaches(&cluster, 1, 2) && reaches(&cluster, 2, 0));
    assert_eq!(etcdctl(&cluster.endpoints()[2], &["get", "a"]), "a\n2\n");
}

#[test]
fn links_are_delayed() {
    let program = reference().unwrap().program("etcd");
    let network = Arc::new(Namespaces::proxied(3).unwrap());
    network.enter().unwrap();
    let proxies = network.start_proxies(1).unwrap();
    let mut options = three(Network::Namespaces(Arc::clone(&network)));
    options.programs = vec![program; 3];
    let cluster = Cluster::started(&options).unwrap();
    let all = cluster.endpoints().join(",");
    let time = || {
        let start = Instant::now();
        etcdctl(&all, &["put", "a", "1"]);
        start.elapsed()
    };
    let fast = (0..5).map(|_| time()).min().unwrap();
    for from in 0..3 {
        for to in 0..3 {
            let delay = Duration::from_millis(100);
            proxies.weather(from, to).set(delay, Duration::from_millis(20));
        }
    }
    let slow = (0..3).map(|_| time()).min().unwrap();
    // To a follower and back.
    assert!(slow >= fast + Duration::from_millis(150), "{slow:?} with delay, {fast:?} without");
    proxies.calm();
    network.cuts().separate(&[0], &[1, 2]).unwrap();
    // The two that are left elect a leader if they have to.
    let rest = cluster.endpoints()[1..].join(",");
    etcdctl(&rest, &["put", "a", "2"]);
    network.cuts().heal().unwrap();
    assert_eq!(etcdctl(&cluster.endpoints()[0], &["get", "a"]), "a\n2\n");
}

#[test]
fn a_network_is_the_tests_own() {
    let network = Namespaces::new(1).unwrap();
    network.enter().unwrap();
    // The machine's ports are free here.
    let taken = TcpListener::bind("127.0.0.1:2379");
    assert!(taken.is_ok(), "{taken:?}");
}
