//! Members that are far behind: a follower that was down, and an empty member that joins. They catch
//! up while writes go on, and neither they nor who sends hold much more in memory than usual.
//!
//! `OXETCD_CATCHUP_ENTRIES=1000000` is how many entries the follower misses,
//! `OXETCD_CATCHUP_MIB=2048` how large the database is that the new member gets; CI has fewer. With
//! `OXETCD_UNDER_TEST=reference` memory is only shown.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/catchup/mod.rs"]
mod catchup;
#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use catchup::{Seen, Watched, Writers, fill};
use clusters::{Membership, wait_for_leader};
use harness::{Cluster, ClusterOptions, Network};
use std::time::{Duration, Instant};
use support::{Api, count, reference_is_under_test, runtime, server_under_test};

/// What a peak of memory may be above what is usual, in MiB.
const ABOVE_USUAL_MAX: f64 = 64.0;

/// How long it takes to learn what is usual.
const USUAL_TIME: Duration = Duration::from_secs(3);

/// How long catching up may take.
const CATCH_UP_MAX: Duration = Duration::from_secs(300);

/// What a member holds while nothing but the writes goes on.
async fn usual(pid: u32) -> Seen {
    let watched = Watched::new(pid);
    tokio::time::sleep(USUAL_TIME).await;
    watched.finish()
}

fn started(arguments: &[&str]) -> Cluster {
    let options = ClusterOptions {
        programs: vec![server_under_test(); 3],
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        network: Network::Loopback,
    };
    Cluster::started(&options).unwrap()
}

/// The process of a member.
fn pid(cluster: &Cluster, position: usize) -> u32 {
    cluster.members()[position].server().unwrap().pid()
}

/// Lets a member that was just started come up to the leader while writes go on, and looks at both.
async fn catch_up(cluster: &mut Cluster, leader: usize, behind: usize, writers: &Writers) {
    let sender_before = usual(pid(cluster, leader)).await;
    let written = writers.written();
    let start = Instant::now();
    cluster.member(behind).spawn().unwrap();
    let (sender, receiver) =
        (Watched::new(pid(cluster, leader)), Watched::new(pid(cluster, behind)));
    let leader_endpoint = cluster.members()[leader].endpoint();
    let target = Membership::through(&leader_endpoint).applied().await;
    cluster.member(behind).wait_ready_within(CATCH_UP_MAX).unwrap();
    let member = Membership::through(&cluster.members()[behind].endpoint());
    while member.applied().await < target {
        assert!(start.elapsed() < CATCH_UP_MAX, "the member does not catch up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = start.elapsed();
    let (sender, receiver) = (sender.finish(), receiver.finish());
    let meanwhile = writers.written() - written;
    let receiver_after = usual(pid(cluster, behind)).await;
    println!(
        "caught up in {took:.1?}, with {meanwhile} writes meanwhile; RssAnon of who sends: usually \
         {:.0} MiB, peak {:.0} MiB; of who gets: usually {:.0} MiB, peak {:.0} MiB",
        sender_before.usual, sender.peak, receiver_after.usual, receiver.peak
    );
    assert!(meanwhile > 0, "nothing was written meanwhile");
    if !reference_is_under_test() {
        assert!(sender.peak - sender_before.usual <= ABOVE_USUAL_MAX, "who sends holds too much");
        assert!(receiver.peak - receiver_after.usual <= ABOVE_USUAL_MAX, "who gets holds too much");
    }
}

/// All members have the same at the newest revision.
async fn agree(cluster: &Cluster) {
    let revision = Api::connect(&cluster.endpoints()[0], None).await.revision().await;
    let mut hashes = Vec::new();
    for endpoint in cluster.endpoints() {
        let api = Api::connect(&endpoint, None).await;
        // Linearizable: the member has reached the revision.
        assert_eq!(api.revision().await, revision);
        hashes.push(api.hash_kv(revision).await.unwrap().hash);
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "hashes at {revision}: {hashes:?}");
}

#[test]
fn a_follower_that_was_down_for_long_catches_up() {
    let entries = count("OXETCD_CATCHUP_ENTRIES", 20_000);
    runtime().block_on(async {
        let mut cluster = started(&["--quota-backend-bytes=8589934592"]);
        let leader = wait_for_leader(&cluster).await;
        let behind = (leader + 1) % 3;
        cluster.member(behind).kill().unwrap();
        let mut rest = cluster.endpoints();
        rest.remove(behind);
        fill(&rest, entries, 64).await;
        let writers = Writers::start(&rest).await;
        println!("a follower that missed {entries} entries");
        catch_up(&mut cluster, leader, behind, &writers).await;
        let longest = writers.finish().await;
        println!("a writer waited {longest:.1?} at most");
        agree(&cluster).await;
    });
}

#[test]
fn an_empty_member_joins_a_large_database() {
    const VALUE: usize = 256 << 10;
    let mebibytes = count("OXETCD_CATCHUP_MIB", 64);
    runtime().block_on(async {
        let mut cluster = started(&["--quota-backend-bytes=8589934592"]);
        let leader = wait_for_leader(&cluster).await;
        let endpoints = cluster.endpoints();
        fill(&endpoints, (mebibytes << 20) / VALUE as u64, VALUE).await;
        let writers = Writers::start(&endpoints).await;
        let joiner = cluster.add(server_under_test()).unwrap();
        let membership = Membership::through(&endpoints[leader]);
        membership.add_learner(&cluster.members()[joiner].peer_url()).await;
        println!("an empty member that joins {mebibytes} MiB");
        catch_up(&mut cluster, leader, joiner, &writers).await;
        let id = Membership::through(&cluster.members()[joiner].endpoint()).id().await;
        membership.promote(id).await;
        let longest = writers.finish().await;
        println!("a writer waited {longest:.1?} at most");
        agree(&cluster).await;
    });
}
