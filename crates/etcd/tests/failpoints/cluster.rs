//! The fail points that only several members reach.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{Cluster, ClusterOptions, Network, Port};

use crate::OF_CLUSTERS;
use crate::control::Control;
use crate::traffic::{Kind, Traffic};

/// How long a point may take to be reached.
const REACHED_MAX: Duration = Duration::from_secs(90);

/// What does not change the members.
const TRAFFIC: [Kind; 3] = [Kind::Keys, Kind::Leases, Kind::Compact];

/// Entries that make a snapshot, and that are kept behind one.
const FLAGS: [&str; 2] = ["--snapshot-count=40", "--snapshot-catchup-entries=5"];

/// Three members with their fail points.
struct Three {
    cluster: Cluster,
    controls: Vec<Control>,
}

impl Three {
    fn start() -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_etcd"));
        let options = ClusterOptions {
            programs: vec![program; 3],
            arguments: FLAGS.map(str::to_owned).to_vec(),
            network: Network::Loopback,
        };
        let mut cluster = Cluster::new(&options).unwrap();
        let mut controls = Vec::new();
        for position in 0..3 {
            let port = Port::take().unwrap();
            let address = format!("127.0.0.1:{}", port.number());
            let variables = &mut cluster.member(position).options.variables;
            variables.push(("GOFAIL_HTTP".to_owned(), address));
            variables.push(("GOFAIL_FAILPOINTS".to_owned(), String::new()));
            controls.push(Control::new(port));
        }
        cluster.start().unwrap();
        Self { cluster, controls }
    }

    fn traffic(&self, position: usize) -> Traffic {
        Traffic::start(&self.cluster.endpoints()[position], &TRAFFIC)
    }

    /// Lets a member miss so much that its leader sends it a snapshot, and starts it again with fail
    /// points armed.
    fn restart_behind(&mut self, position: usize, failpoints: &str) {
        let member = self.cluster.member(position);
        if member.is_running() {
            member.kill().unwrap();
        }
        let other = Traffic::quiet(&self.cluster.endpoints()[(position + 1) % 3]);
        for _ in 0..150 {
            // One that comes between two leaders is refused.
            let _ = other.put("behind");
        }
        let member = self.cluster.member(position);
        failpoints.clone_into(&mut member.options.variables[1].1);
        member.spawn().unwrap();
    }
}

#[test]
fn the_points_of_a_cluster_are_reached_and_it_goes_on() {
    let mut three = Three::start();
    let armed = OF_CLUSTERS.map(|name| format!("{name}=sleep(1)")).join(";");
    for control in &three.controls[..2] {
        assert_eq!(control.put("/failpoints", &armed).0, 204);
    }
    three.restart_behind(2, &armed);
    three.cluster.start().unwrap();
    let _traffic: Vec<Traffic> = (0..3).map(|position| three.traffic(position)).collect();
    let started = Instant::now();
    loop {
        let reached = |name: &str| three.controls.iter().any(|control| control.count(name) > 0);
        let missing: Vec<&str> = OF_CLUSTERS.into_iter().filter(|name| !reached(name)).collect();
        if missing.is_empty() {
            break;
        }
        assert!(started.elapsed() < REACHED_MAX, "not reached: {missing:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_panic_at_any_point_of_a_cluster_ends_its_member_and_it_comes_back() {
    for name in OF_CLUSTERS {
        // For a while after a snapshot a leader keeps what the next one would be needed for.
        let mut three = Three::start();
        let (position, code) = match name {
            "beforeLookupWhenForwardLeaseTimeToLive" | "beforeServeHTTPLeaseRenew" => {
                three.end_of_a_leader(name)
            }
            _ => {
                three.restart_behind(2, &format!("{name}=panic"));
                let exit = three.cluster.member(2).wait_end(REACHED_MAX);
                (2, exit.unwrap_or_else(|error| panic!("{name}: {error:#}")).code)
            }
        };
        assert_eq!(code, 2, "{name}");
        let member = three.cluster.member(position);
        member.options.variables[1].1.clear();
        let said = format!("panic: failpoint panic: {name}\n");
        let log = std::fs::read(&member.options.log).unwrap();
        assert!(String::from_utf8_lossy(&log).contains(&said), "{name}");
        three.cluster.start().unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
}

impl Three {
    /// What other members ask of the leader ends it; gives its position and exit code.
    fn end_of_a_leader(&mut self, name: &str) -> (usize, i32) {
        let _traffic: Vec<Traffic> = (0..3).map(|position| self.traffic(position)).collect();
        for control in &self.controls {
            assert_eq!(control.put(&format!("/{name}"), "panic").0, 204);
        }
        let started = Instant::now();
        let position = loop {
            if let Some(gone) = self.controls.iter().position(|control| !control.is_there()) {
                break gone;
            }
            assert!(started.elapsed() < REACHED_MAX, "{name}: the leader lives");
            std::thread::sleep(Duration::from_millis(20));
        };
        (position, self.cluster.member(position).wait_end(REACHED_MAX).unwrap().code)
    }
}

#[test]
fn a_member_that_drops_what_it_hears_is_heard_of_no_more_until_it_listens() {
    let mut three = Three::start();
    let _traffic = three.traffic(0);
    assert_eq!(three.controls[2].put("/raftDropHeartbeat", "return()").0, 204);
    let before = three.controls[2].count("raftDropHeartbeat");
    let started = Instant::now();
    while three.controls[2].count("raftDropHeartbeat") < before + 20 {
        assert!(started.elapsed() < REACHED_MAX, "nothing was dropped");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(three.controls[2].delete("/raftDropHeartbeat").0, 204);
    three.cluster.member(2).wait_ready_within(REACHED_MAX).unwrap();
}
