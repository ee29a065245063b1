//! Several members with a network in memory between them.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use node::{ClusterState, Member, Options};
use support::wire::Wire;
use support::{Folder, get, get_here, options, put, start, stop, until};
use types::MemberId;

/// A cluster, with each member's options by which it is started again.
struct Cluster {
    folder: Folder,
    wire: Arc<Wire>,
    options: Vec<Options>,
    members: Vec<Option<Member>>,
}

fn url(number: usize) -> String {
    format!("http://10.0.0.{number}:2380")
}

impl Cluster {
    fn found(name: &str, size: usize) -> Self {
        let initial: Vec<String> =
            (1..=size).map(|number| format!("m{number}={}", url(number))).collect();
        let folder = Folder::new(name);
        let mut cluster =
            Self { folder, wire: Arc::default(), options: Vec::new(), members: Vec::new() };
        for number in 1..=size {
            let options = cluster.options_of(number, &initial.join(","));
            cluster.options.push(options);
            cluster.members.push(None);
        }
        for number in 1..=size {
            cluster.start(number).unwrap();
        }
        cluster
    }

    fn options_of(&self, number: usize, initial: &str) -> Options {
        let data = self.folder.0.join(format!("m{number}"));
        Options {
            name: format!("m{number}"),
            initial_cluster: initial.to_owned(),
            peer_urls: vec![url(number).parse().unwrap()],
            client_urls: vec![format!("http://10.0.0.{number}:2379")],
            ..options(&data)
        }
    }

    fn start(&mut self, number: usize) -> Result<(), node::Error> {
        let options = &self.options[number - 1];
        let member = start(options, &self.wire.end(&url(number)))?;
        self.wire.listen(&url(number), member.node(), options.paths.snap.clone());
        self.members[number - 1] = Some(member);
        Ok(())
    }

    fn stop(&mut self, number: usize) {
        self.wire.leave(&url(number));
        stop(self.members[number - 1].take().unwrap());
    }

    fn node(&self, number: usize) -> &node::Node {
        self.members[number - 1].as_ref().unwrap().node()
    }

    fn running(&self) -> impl Iterator<Item = &node::Node> {
        self.members.iter().flatten().map(Member::node)
    }

    /// The number of the leader that all running members agree on.
    async fn leader(&self) -> usize {
        let agreed = || {
            let mut leaders = self.running().map(|node| node.raft().leader);
            let first = leaders.next().unwrap();
            first != MemberId(0) && leaders.all(|leader| leader == first)
        };
        until("a leader that all agree on", agreed).await;
        let is_leader = |member: &Option<Member>| {
            member.as_ref().is_some_and(|member| member.node().raft().is_leader)
        };
        until("the leader knows it", || self.members.iter().any(is_leader)).await;
        self.members.iter().position(is_leader).unwrap() + 1
    }

    fn stop_all(mut self) {
        for number in 1..=self.members.len() {
            if self.members[number - 1].is_some() {
                self.stop(number);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_members_elect_replicate_and_survive_the_end_of_their_leader() {
    let mut cluster = Cluster::found("three", 3);
    let leader = cluster.leader().await;
    for number in 1..=3 {
        // Followers forward what they are asked.
        put(cluster.node(number), &format!("by{number}"), "1").await.unwrap();
    }
    for number in 1..=3 {
        for key in ["by1", "by2", "by3"] {
            assert_eq!(get(cluster.node(number), key).await.as_deref(), Some("1"));
        }
        cluster.node(number).ready().await;
    }
    cluster.stop(leader);
    let next = cluster.leader().await;
    assert_ne!(next, leader);
    for number in 0..30 {
        put(cluster.node(next), &format!("k{number}"), "2").await.unwrap();
    }
    cluster.start(leader).unwrap();
    until("it catches up", || get_here(cluster.node(leader), "k29").is_some()).await;
    let hashes: Vec<u32> =
        cluster.running().map(|node| node.view().read.hash(0).unwrap().hash).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_far_behind_gets_a_snapshot_while_writes_go_on() {
    let mut cluster = Cluster::found("snapshot", 3);
    let leader = cluster.leader().await;
    let late = (leader % 3) + 1;
    cluster.stop(late);
    let leader = cluster.leader().await;
    for number in 0..100 {
        put(cluster.node(leader), &format!("k{number}"), "v").await.unwrap();
    }
    cluster.start(late).unwrap();
    for number in 100..200 {
        put(cluster.node(leader), &format!("k{number}"), "v").await.unwrap();
    }
    until("it catches up", || get_here(cluster.node(late), "k199").is_some()).await;
    assert!(cluster.wire.snapshots() > 0);
    assert_eq!(get(cluster.node(late), "k0").await.as_deref(), Some("v"));
    // What it has now survives its own end.
    cluster.stop(late);
    cluster.start(late).unwrap();
    assert_eq!(get(cluster.node(late), "k199").await.as_deref(), Some("v"));
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_founder_takes_no_part_before_it_is_known_to_be_new() {
    let mut cluster = Cluster::found("wiped", 3);
    let leader = cluster.leader().await;
    put(cluster.node(leader), "k", "v").await.unwrap();
    for number in 1..=3 {
        cluster.node(number).ready().await;
    }
    let wiped = (leader % 3) + 1;
    until("all know it", || {
        let id = cluster.node(wiped).ids().1;
        cluster.running().all(|node| node.view().cluster.member(id).unwrap().is_started())
    })
    .await;
    // With the others in reach, a start without data is refused.
    cluster.stop(wiped);
    std::fs::remove_dir_all(&cluster.options[wiped - 1].paths.data).unwrap();
    let refused = cluster.start(wiped).err().unwrap().to_string();
    assert!(refused.ends_with("has already been bootstrapped"), "{refused}");
    // Without them it starts, votes for nobody, and ends when they say that they know it.
    let others: Vec<usize> = (1..=3).filter(|number| *number != wiped).collect();
    for number in &others {
        cluster.stop(*number);
    }
    std::fs::remove_dir_all(&cluster.options[wiped - 1].paths.data).ok();
    cluster.start(wiped).unwrap();
    cluster.start(others[0]).unwrap();
    let reason = cluster.node(wiped).failed().await;
    assert!(reason.ends_with("has already been bootstrapped"), "{reason}");
    assert_eq!(cluster.node(others[0]).raft().leader, MemberId(0));
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_joins_an_unknown_cluster_is_refused() {
    let folder = Folder::new("join-nobody");
    let wire: Arc<Wire> = Arc::default();
    let options = Options {
        initial_cluster: format!("m1={},m2={}", url(1), url(2)),
        cluster_state: ClusterState::Existing,
        ..options(&folder.0)
    };
    let error = start(&options, &wire.end(&url(1))).err().unwrap();
    assert!(error.to_string().starts_with("cannot fetch cluster info from peer urls"), "{error}");
}
