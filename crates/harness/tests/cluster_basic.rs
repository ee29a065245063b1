//! Clusters of ours, and of ours together with the real etcd: what every cluster does every day.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use harness::{Cluster, ClusterOptions, Network, ours, reference};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Api, runtime};

/// How long something may be tried, while a leader is elected or connections are young.
const TRIES_MAX: Duration = Duration::from_secs(30);

fn our_etcd() -> PathBuf {
    ours().unwrap().join("etcd")
}

fn go_etcd() -> PathBuf {
    reference().unwrap().program("etcd")
}

/// A cluster that serves. Snapshots come early, and hold few entries back.
fn started(programs: &[PathBuf]) -> Cluster {
    let arguments = ["--snapshot-count=50", "--experimental-snapshot-catchup-entries=10"];
    let options = ClusterOptions {
        programs: programs.to_vec(),
        arguments: arguments.map(str::to_owned).to_vec(),
        network: Network::Loopback,
    };
    Cluster::started(&options).unwrap()
}

/// What `etcdctl` says: its standard output, or its error.
fn ask(endpoints: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(reference().unwrap().program("etcdctl"));
    command.arg(format!("--endpoints={endpoints}")).args(arguments);
    let output = command.output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What `etcdctl` says once it does well.
fn etcdctl(endpoints: &str, arguments: &[&str]) -> String {
    let start = Instant::now();
    loop {
        match ask(endpoints, arguments) {
            Ok(said) => return said,
            Err(error) => assert!(start.elapsed() < TRIES_MAX, "{arguments:?}: {error}"),
        }
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < TRIES_MAX, "{what} does not come true");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A field of the members' status, in the order of the endpoints.
fn status(endpoints: &[String], field: &str) -> Vec<String> {
    let text = etcdctl(&endpoints.join(","), &["endpoint", "status", "-w=json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let statuses = json.as_array().unwrap();
    let of = |endpoint: &String| {
        let mine = statuses.iter().find(|status| status["Endpoint"] == **endpoint).unwrap();
        mine.pointer(field).map(ToString::to_string).unwrap_or_default()
    };
    endpoints.iter().map(of).collect()
}

/// The position of the leader.
fn leader(endpoints: &[String]) -> usize {
    let ids = status(endpoints, "/Status/header/member_id");
    let leaders = status(endpoints, "/Status/leader");
    ids.iter().position(|id| *id == leaders[0]).unwrap()
}

/// All members have the same history.
fn check_hashes(endpoints: &[String]) {
    let same = |field: &str| {
        let all = status(endpoints, field);
        all.iter().all(|one| *one == all[0])
    };
    until("all have applied the same", || same("/Status/raftAppliedIndex"));
    let text = etcdctl(&endpoints.join(","), &["endpoint", "hashkv", "-w=json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let hashes: Vec<&serde_json::Value> =
        json.as_array().unwrap().iter().map(|one| &one["HashKV"]["hash"]).collect();
    assert_eq!(hashes.len(), endpoints.len());
    assert!(hashes.iter().all(|hash| **hash == *hashes[0]), "{text}");
}

/// Puts keys, the first as soon as that goes, by way of one endpoint.
fn put_many(endpoint: &str, prefix: &str, count: usize) {
    etcdctl(endpoint, &["put", &format!("{prefix}0"), "value"]);
    runtime().block_on(async {
        let api = Api::connect(endpoint, None).await;
        for number in 1..count {
            let key = format!("{prefix}{number}");
            api.put(key.as_bytes(), b"value").await.unwrap();
        }
    });
}

/// The id of a member by its name.
fn id_of(endpoints: &str, name: &str) -> String {
    let list = etcdctl(endpoints, &["member", "list"]);
    let line = list.lines().find(|line| line.contains(&format!(", {name}, "))).unwrap();
    line.split(',').next().unwrap().to_owned()
}

/// Adds a learner of a program, makes it a voter by way of each member in turn, and removes it.
fn come_and_go(cluster: &mut Cluster, program: PathBuf) {
    let endpoints = cluster.endpoints();
    let joining = cluster.add(program).unwrap();
    let name = cluster.members()[joining].name().to_owned();
    let peer = format!("--peer-urls={}", cluster.members()[joining].peer_url());
    etcdctl(&endpoints[0], &["member", "add", &name, &peer, "--learner"]);
    cluster.start().unwrap();
    let learner = cluster.endpoints()[joining].clone();
    let refused = ask(&learner, &["put", "a", "b"]).unwrap_err();
    assert!(refused.contains("rpc not supported for learner"), "{refused}");
    let id = id_of(&endpoints[0], &name);
    let follower = (leader(&endpoints) + 1) % endpoints.len();
    etcdctl(&endpoints[follower], &["member", "promote", &id]);
    etcdctl(&learner, &["put", "promoted", &name]);
    check_hashes(&cluster.endpoints());
    etcdctl(&endpoints[0], &["member", "remove", &id]);
    // It learns that it is none any more, and ends by itself.
    let exit = cluster.member(joining).wait_end(TRIES_MAX).unwrap();
    assert_eq!(exit.code, 0);
    cluster.remove(joining).unwrap();
}

/// Stops a member, writes so much that it can only follow by a snapshot, and starts it. Whether it
/// got one: for half a minute after a snapshot its sender keeps all entries.
fn fall_behind(cluster: &mut Cluster, position: usize, round: usize) -> bool {
    cluster.member(position).terminate().unwrap();
    let mut others = cluster.members().iter().filter(|member| member.is_running());
    let other = others.next().unwrap().endpoint();
    put_many(&other, &format!("behind{round}-"), 130);
    let snapshots = |cluster: &Cluster| {
        let log = cluster.members()[position].log();
        log.iter().filter(|line| line.message == "applied snapshot").count()
    };
    let before = snapshots(cluster);
    cluster.member(position).start().unwrap();
    let last = format!("behind{round}-129");
    let endpoint = cluster.endpoints()[position].clone();
    assert_eq!(etcdctl(&endpoint, &["get", "--print-value-only", &last]), "value\n");
    check_hashes(&cluster.endpoints());
    snapshots(cluster) > before
}

fn grant(endpoint: &str, ttl: &str) -> String {
    let said = etcdctl(endpoint, &["lease", "grant", ttl]);
    said.split_whitespace().nth(1).unwrap().to_owned()
}

/// Leases granted on one member live on by way of every other, and end.
fn lease_through_all(endpoints: &[String]) {
    let lease = grant(&endpoints[0], "60");
    etcdctl(&endpoints[1], &["put", "leased", "1", &format!("--lease={lease}")]);
    for endpoint in endpoints {
        let kept = etcdctl(endpoint, &["lease", "keep-alive", "--once", &lease]);
        assert!(kept.contains("keepalived with TTL(60)"), "{kept}");
        let said = etcdctl(endpoint, &["lease", "timetolive", "--keys", &lease]);
        assert!(said.contains("granted with TTL(60s)") && said.contains("leased"), "{said}");
    }
    etcdctl(&endpoints[2], &["lease", "revoke", &lease]);
    assert_eq!(etcdctl(&endpoints[0], &["get", "leased"]), "");
    let short = grant(&endpoints[1], "2");
    etcdctl(&endpoints[2], &["put", "short", "1", &format!("--lease={short}")]);
    until("the lease ends", || etcdctl(&endpoints[0], &["get", "short"]).is_empty());
}

#[test]
fn three_of_ours() {
    let mut cluster = started(&vec![our_etcd(); 3]);
    let endpoints = cluster.endpoints();
    put_many(&endpoints[0], "a", 10);
    lease_through_all(&endpoints);
    let first = leader(&endpoints);
    cluster.member(first).kill().unwrap();
    let rest = [(first + 1) % 3, (first + 2) % 3].map(|at| endpoints[at].clone());
    put_many(&rest[0], "b", 10);
    cluster.start().unwrap();
    check_hashes(&endpoints);
    let behind = (leader(&endpoints) + 1) % 3;
    assert!(fall_behind(&mut cluster, behind, 0));
    come_and_go(&mut cluster, our_etcd());
    check_hashes(&endpoints);
}

/// One or two of ours, the rest Go's.
fn mixed(programs: &[PathBuf]) {
    let mut cluster = started(programs);
    let endpoints = cluster.endpoints();
    for to in 0..3 {
        let id = status(&endpoints, "/Status/header/member_id")[to].parse::<u64>().unwrap();
        etcdctl(&endpoints.join(","), &["move-leader", &format!("{id:x}")]);
        assert_eq!(leader(&endpoints), to);
        put_many(&endpoints[to], &format!("on{to}-"), 3);
        put_many(&endpoints[(to + 1) % 3], &format!("through{to}-"), 3);
        lease_through_all(&endpoints);
        // Ours to Go's, and the other way round.
        let other = (0..3).find(|at| programs[*at] != programs[to]).unwrap();
        assert!(fall_behind(&mut cluster, other, to));
        let revision = status(&endpoints, "/Status/header/revision")[to].clone();
        etcdctl(&endpoints[to], &["compact", "--physical", &revision]);
        check_hashes(&endpoints);
    }
    come_and_go(&mut cluster, our_etcd());
    come_and_go(&mut cluster, go_etcd());
    // Each takes the other's place on its data, and goes back.
    for position in 0..3 {
        for program in [go_etcd(), our_etcd()] {
            cluster.member(position).terminate().unwrap();
            cluster.member(position).options.program = program;
            cluster.member(position).start().unwrap();
            put_many(&endpoints[(position + 1) % 3], &format!("swap{position}-"), 3);
            check_hashes(&endpoints);
        }
    }
}

#[test]
fn one_of_ours_with_two_of_go() {
    mixed(&[our_etcd(), go_etcd(), go_etcd()]);
}

#[test]
fn two_of_ours_with_one_of_go() {
    mixed(&[our_etcd(), our_etcd(), go_etcd()]);
}
