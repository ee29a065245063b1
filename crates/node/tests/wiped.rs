//! Members that lost their data and come back under their old id: what a quorum acknowledged with
//! their help is not forgotten.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use env::{RealClock, RealDisk};
use node::ClusterState;
use prost::Message as _;
use support::cluster::Cluster;
use support::{get, put, soon, until};
use types::MemberId;

#[tokio::test(flavor = "multi_thread")]
async fn a_founder_takes_no_part_before_it_is_known_to_be_new() {
    let mut cluster = Cluster::found("wiped", 3);
    let leader = cluster.leader().await;
    put(cluster.node(leader), "k", "v").await.unwrap();
    for number in 1..=3 {
        soon("a ready member", cluster.node(number).ready()).await;
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
    let reason: String = soon("the failure", cluster.node(wiped).failed()).await;
    assert!(reason.ends_with("has already been bootstrapped"), "{reason}");
    assert_eq!(cluster.node(others[0]).raft().leader, MemberId(0));
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_joined_and_lost_its_data_is_refused() {
    let mut cluster = Cluster::found("lost", 1);
    let learner = cluster.add_learner().await;
    soon("a ready member", cluster.node(learner).ready()).await;
    cluster.stop(learner);
    std::fs::remove_dir_all(&cluster.options[learner - 1].paths.data).unwrap();
    let refused = cluster.start(learner).err().unwrap().to_string();
    assert!(refused.contains("was started before, and its data is not here"), "{refused}");
    cluster.stop_all();
}

/// Takes a member's data away.
fn wipe(cluster: &Cluster, number: usize) {
    std::fs::remove_dir_all(&cluster.options[number - 1].paths.data).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to) } else { std::fs::copy(&from, &to).map(drop).unwrap() }
    }
}

/// Starts a member for the first time, of which one member hears nothing, and acknowledges something
/// that they and one more hold. Then that one is away; the member loses its data, and comes back with
/// the one who has never heard of it. Neither may lead the other, and what was acknowledged is there
/// once its other holder is back.
async fn nothing_is_forgotten(mut cluster: Cluster, [first, holder, unknowing]: [usize; 3]) {
    for options in &mut cluster.options {
        // Six election timeouts.
        options.settings.request_timeout = Duration::from_secs(3);
    }
    let data = cluster.options[unknowing - 1].paths.data.clone();
    let before = data.with_extension("before");
    cluster.stop(unknowing);
    copy(&data, &before);
    cluster.start(unknowing).unwrap();
    cluster.start(first).unwrap();
    soon("a ready member", cluster.node(first).ready()).await;
    cluster.stop(unknowing);
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&before, &data).unwrap();
    until_put(&cluster, first, "acknowledged").await;

    let id = cluster.node(first).ids().1;
    cluster.stop(first);
    cluster.stop(holder);
    wipe(&cluster, first);
    cluster.start(unknowing).unwrap();
    let view = cluster.node(unknowing).view();
    let told = &view.cluster.member(id).unwrap().attributes.client_urls;
    assert!(told.is_empty(), "the test is about who has not heard of it");
    cluster.start(first).unwrap();
    // Each of these waits for a leader as long as callers do.
    assert!(put(cluster.node(unknowing), "k", "other").await.is_err());
    assert!(put(cluster.node(first), "k", "other").await.is_err());
    assert_eq!(cluster.node(unknowing).raft().leader, MemberId(0));
    cluster.start(holder).unwrap();
    let value = soon("an answer", get(cluster.node(unknowing), "k")).await;
    assert_eq!(value.as_deref(), Some("acknowledged"));
    cluster.stop_all();
}

/// Puts as soon as there is a leader.
async fn until_put(cluster: &Cluster, number: usize, value: &str) {
    while put(cluster.node(number), "k", value).await.is_err() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_founder_votes_for_nobody_who_was_away_when_it_was_started() {
    let mut cluster = Cluster::found("away", 3);
    cluster.stop_all_and_wipe();
    let [first, holder, unknowing] = [1, 2, 3];
    cluster.start(holder).unwrap();
    cluster.start(unknowing).unwrap();
    until_put(&cluster, holder, "old").await;
    nothing_is_forgotten(cluster, [first, holder, unknowing]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_member_that_joined_votes_for_nobody_who_was_away_when_it_was_started() {
    let mut cluster = Cluster::found("away-joiner", 2);
    let [holder, unknowing] = [1, 2];
    let first = cluster.add(false).await;
    let count = || cluster.running().all(|node| node.view().cluster.members().count() == 3);
    until("all know that it was added", count).await;
    nothing_is_forgotten(cluster, [first, holder, unknowing]).await;
}

/// An earlier first start ended when it had made the log, and nothing in it.
fn leave_an_empty_log(cluster: &Cluster, number: usize, (of, me): (u64, u64)) {
    let paths = &cluster.options[number - 1].paths;
    std::fs::create_dir_all(&paths.snap).unwrap();
    let metadata = proto::etcdserverpb::Metadata { node_id: Some(me), cluster_id: Some(of) };
    let options = wal::Options::new(Arc::new(RealClock::new()));
    wal::Wal::create(Arc::new(RealDisk), &paths.wal, &metadata.encode_to_vec(), options).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_founder_whose_first_start_ended_early_is_refused() {
    let mut cluster = Cluster::found("early-end", 3);
    let leader = cluster.leader().await;
    let wiped = (leader % 3) + 1;
    soon("a ready member", cluster.node(wiped).ready()).await;
    let (of, me) = cluster.node(wiped).ids();
    until("another knows it", || {
        cluster.node(leader).view().cluster.member(me).unwrap().is_started()
    })
    .await;
    cluster.stop(wiped);
    wipe(&cluster, wiped);
    leave_an_empty_log(&cluster, wiped, (of.get(), me.get()));
    let refused = cluster.start(wiped).err().unwrap().to_string();
    assert!(refused.ends_with("has already been bootstrapped"), "{refused}");
    let initial = cluster.options[wiped - 1].clone();
    cluster.options[wiped - 1].cluster_state = ClusterState::Existing;
    let refused = cluster.start(wiped).err().unwrap().to_string();
    assert!(refused.contains("was started before, and its data is not here"), "{refused}");
    cluster.options[wiped - 1] = initial;
    cluster.options[wiped - 1].initial_cluster_token = "another".to_owned();
    let refused = cluster.start(wiped).err().unwrap().to_string();
    assert!(refused.contains("which is not what the flags say"), "{refused}");
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn probation_ends_with_a_leader_and_leaves_no_mark() {
    let mut cluster = Cluster::found("mark", 3);
    put(cluster.node(1), "k", "v").await.unwrap();
    let learner = cluster.add(true).await;
    cluster.start(learner).unwrap();
    let marks: Vec<_> = cluster.options.iter().map(|options| options.paths.probation()).collect();
    until("no mark is left", || marks.iter().all(|mark| !mark.exists())).await;
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_two_go_on_though_one_has_just_joined() {
    let mut cluster = Cluster::found("two", 1);
    put(cluster.node(1), "k", "v").await.unwrap();
    let second = cluster.add(false).await;
    // The one that knew everything has to be elected by the one that knows nothing yet.
    cluster.stop(1);
    cluster.start(1).unwrap();
    cluster.start(second).unwrap();
    let value = soon("an answer", get(cluster.node(second), "k")).await;
    assert_eq!(value.as_deref(), Some("v"));
    cluster.stop_all();
}
