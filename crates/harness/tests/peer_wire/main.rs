//! The peer transport against the real etcd: a scripted follower in a cluster of Go members.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod follower;

use std::io::Cursor;
use std::process::Command;

use bytes::Bytes;
use follower::{Follower, PATIENCE, wait_until};
use harness::{Cluster, ClusterOptions, Network, Port, Run, http_get_at, reference, run};
use peer::SnapshotOutcome;
use proto::raftpb::{ConfState, Message, MessageType, Snapshot, SnapshotMetadata};

/// A cluster of Go members that are not started yet, of which the last founder is ours.
fn cluster_with_follower(count: usize, arguments: &[&str]) -> (Cluster, Port, String) {
    let options = ClusterOptions {
        programs: vec![reference().unwrap().program("etcd"); count],
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        network: Network::Loopback,
    };
    let mut cluster = Cluster::new(&options).unwrap();
    let port = Port::take().unwrap();
    let initial = format!("{},ours={}", cluster.initial_cluster(), port.url());
    for position in 0..count {
        cluster.member(position).address.initial_cluster.clone_from(&initial);
    }
    (cluster, port, initial)
}

fn put(cluster: &Cluster, key: &str, value: &str) {
    let mut command = Command::new(reference().unwrap().program("etcdctl"));
    command.args(["--endpoints", &cluster.endpoints()[0], "put", key, value]);
    let done = run(Run { command, stdin: Vec::new(), deadline: PATIENCE }).unwrap();
    assert_eq!(done.out(), "OK\n", "{}", done.err());
}

/// A metric's value.
fn value_of(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn contains(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}

/// Lines about a machine that was busy, and about flags that every test uses.
const NOT_ABOUT_PEERS: [&str; 7] = [
    "apply request took too long",
    "request stats",
    "slow fdatasync",
    "waiting for ReadIndex response took too long, retrying",
    "leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk",
    "Running http and grpc server on single port. This is not recommended for production.",
    "simple token is not cryptographically signed",
];

#[test]
fn a_follower_of_ours_serves_a_go_leader_without_a_warning() {
    let (mut cluster, port, initial) = cluster_with_follower(1, &[]);
    let follower = Follower::start("ours", &initial, &port, cluster.folder());
    cluster.start().unwrap();
    let (leader, ours) = (follower.ids["m1"], follower.ids["ours"]);
    assert_eq!(follower.leader(), leader);
    let values: Vec<String> = (0..20).map(|number| format!("value-{number:04}")).collect();
    for value in &values {
        put(&cluster, "key", value);
    }
    put(&cluster, "large", &"x".repeat(100_000));
    // Each was acknowledged by a quorum of two, so it is here; and all was committed.
    follower.wait_until("all is committed", |state| state.commit == state.last());
    {
        let state = follower.state.lock().unwrap();
        let data = state.data();
        let position = |value: &String| {
            data.iter().position(|data| contains(data, value.as_bytes())).expect("a value is there")
        };
        let positions: Vec<usize> = values.iter().map(position).collect();
        assert!(positions.is_sorted(), "{positions:?}");
        assert!(data.iter().any(|data| data.len() > 100_000));
    }
    // Until the idle streams have lived longer than their timeout of 5 s, and probes were reviewed.
    // Go counts what keeps links alive as if it came from nobody: 30 bytes each, on two streams.
    let metrics = || http_get_at(cluster.members()[0].address.client, "/metrics").unwrap().body;
    let kept_alive = "etcd_network_peer_received_bytes_total{From=\"0\"}";
    let bytes = || value_of(&metrics(), kept_alive).unwrap_or(0.0);
    wait_until("links are kept alive", || bytes() >= 4.0 * 2.0 * 30.0);
    let counted = || value_of(&follower.registry.render(), kept_alive).unwrap_or(0.0);
    wait_until("ours counts them as well", || counted() >= 4.0 * 2.0 * 20.0);
    let probed = format!("etcd_network_peer_round_trip_time_seconds_count{{To=\"{leader}\"}}");
    let reviewed = || value_of(&follower.registry.render(), &probed);
    wait_until("probes were reviewed", || reviewed().is_some_and(|count| count >= 2.0));
    put(&cluster, "late", "late");
    let state = follower.state.lock().unwrap();
    for kind in ["msgapp", "message"] {
        let path = format!("/raft/stream/{kind}/{leader}");
        assert_eq!(
            state.served.get(&path),
            Some(&1),
            "streams were opened again: {:?}",
            state.served
        );
    }
    assert!(state.served["/raft/probing"] > 1);
    let down =
        format!("etcd_network_disconnected_peers_total{{Local=\"{ours}\",Remote=\"{leader}\"}}");
    let faults: Vec<_> = cluster.members()[0]
        .log()
        .into_iter()
        .filter(|line| line.is_fault() && !NOT_ABOUT_PEERS.contains(&line.message.as_str()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    // Once at most: the server was not there yet when the follower began.
    assert!(value_of(&follower.registry.render(), &down).unwrap_or(0.0) <= 1.0);
}

/// Three founders, of which ours comes when the log that it needs is gone.
#[test]
fn snapshots_go_both_ways() {
    let prefix =
        if reference().unwrap().version.starts_with("3.5.") { "experimental-" } else { "" };
    let catch_up = format!("--{prefix}snapshot-catchup-entries=5");
    let (mut cluster, port, initial) =
        cluster_with_follower(2, &["--snapshot-count=10", &catch_up]);
    cluster.start().unwrap();
    for number in 0..30 {
        put(&cluster, &format!("key-{number}"), "value");
    }
    let follower = Follower::start("ours", &initial, &port, cluster.folder());
    follower.wait_until("a snapshot came", |state| !state.snapshots.is_empty());
    let leader = follower.leader();
    let snapshot = follower.state.lock().unwrap().snapshots[0].snapshot.clone().unwrap();
    let index = snapshot.metadata.index;
    assert!(index > 30 && contains(&snapshot.data, b"peerURLs"), "{snapshot:?}");
    let database = std::fs::read(cluster.folder().join(format!("{index:016x}.snap.db"))).unwrap();
    assert_eq!(database[16..20], 0xed0c_daed_u32.to_le_bytes());
    assert!(contains(&database, b"key-29"));
    // It goes on from there.
    put(&cluster, "later", "later");
    follower.wait_until("entries follow", |state| {
        state.data().iter().any(|data| contains(data, b"later")) && state.commit > index
    });

    // One of ours is of a term long gone: Go takes it whole, answers, and lets it be.
    let metadata = SnapshotMetadata {
        conf_state: ConfState {
            voters: snapshot.metadata.conf_state.voters,
            ..ConfState::default()
        },
        index: 3,
        term: 1,
    };
    let message = Message {
        message_type: MessageType::Snap,
        from: follower.ids["ours"].get(),
        to: leader.get(),
        term: 1,
        snapshot: Some(Box::new(Snapshot { data: Bytes::from_static(b"{}"), metadata })),
        ..Message::default()
    };
    let content: Vec<u8> = (0..3_000_001_u32).map(|byte| (byte % 251) as u8).collect();
    let size = content.len() as u64;
    follower.transport.send_snapshot(message, size, Box::new(Cursor::new(content.clone())));
    follower.wait_until("it was answered", |state| !state.sent.is_empty());
    assert_eq!(follower.state.lock().unwrap().sent, [SnapshotOutcome::Finished]);
    let name = follower.ids.iter().find(|(_, id)| **id == leader).unwrap().0;
    let member = cluster.members().iter().find(|member| member.name() == name).unwrap();
    let path = member.options.data_dir.join("member/snap/0000000000000003.snap.db");
    assert!(std::fs::read(path).unwrap() == content);
    put(&cluster, "latest", "latest");
}

#[test]
fn a_removed_follower_is_told_so() {
    let (mut cluster, port, initial) = cluster_with_follower(2, &[]);
    let follower = Follower::start("ours", &initial, &port, cluster.folder());
    cluster.start().unwrap();
    follower.leader();
    let mut command = Command::new(reference().unwrap().program("etcdctl"));
    let ours = follower.ids["ours"].to_string();
    command.args(["--endpoints", &cluster.endpoints()[0], "member", "remove", &ours]);
    // Go refuses changes until its connections are 5 s old.
    wait_until("the member is removed", || {
        let mut again = Command::new(command.get_program());
        again.args(command.get_args());
        run(Run { command: again, stdin: Vec::new(), deadline: PATIENCE }).unwrap().code == 0
    });
    follower.wait_until("it is told", |state| state.is_removed);
}
