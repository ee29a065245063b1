//! Several members with a network in memory between them.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use auth::Identity;
use membership::Change;
use node::network::{Method, Question};
use node::{ClusterState, Options};
use prost::Message;
use proto::error::Error as Known;
use proto::etcdserverpb::{
    InternalRaftRequest, LeaseGrantRequest, LeaseKeepAliveRequest, LeaseTimeToLiveRequest,
};
use support::cluster::{Cluster, url};
use support::wire::Wire;
use support::{Folder, get, get_here, options, put, soon, start, until};
use types::{LeaseId, MemberId};

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
        soon("a ready member", cluster.node(number).ready()).await;
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

/// The keys of a watch's events so far, in their order.
async fn next_keys(stream: &mut node::WatchStream) -> Vec<(i64, String)> {
    let response = soon("a response", stream.next()).await.unwrap();
    assert!(!response.canceled, "{}", response.cancel_reason);
    let event =
        |bytes: &bytes::Bytes| -> proto::mvccpb::Event { proto::decode(bytes.clone()).unwrap() };
    let kvs = response.events.iter().map(|bytes| event(bytes).kv.unwrap());
    kvs.map(|kv| (kv.mod_revision, String::from_utf8(kv.key.to_vec()).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_over_an_installed_snapshot_without_a_gap() {
    let cluster = Cluster::found("watch", 3);
    let behind = cluster.follower().await;
    let (requests, mut stream) = cluster.node(behind).open_watch();
    requests.create(watch::Create {
        watch_id: 1,
        range: types::KeyRange::All,
        start_revision: 1,
        filters: Vec::new(),
        prev_kv: false,
        progress_notify: false,
        fragment: false,
    });
    assert!(soon("its creation", stream.next()).await.unwrap().created);
    put(cluster.node(behind), "k0", "v").await.unwrap();
    let mut seen = next_keys(&mut stream).await;
    cluster.wire.isolate(&url(behind));
    let others = (1..=3).filter(|number| *number != behind);
    let leads = |number: &usize| cluster.node(*number).raft().is_leader;
    until("the others have a leader", || others.clone().any(|number| leads(&number))).await;
    let leader = others.clone().find(leads).unwrap();
    for number in 1..=200 {
        put(cluster.node(leader), &format!("k{number}"), "v").await.unwrap();
    }
    cluster.wire.heal();
    while seen.len() < 201 {
        seen.append(&mut next_keys(&mut stream).await);
    }
    assert!(cluster.wire.snapshots() > 0);
    let expected: Vec<(i64, String)> =
        (0..=200).map(|number| (number + 2, format!("k{number}"))).collect();
    assert_eq!(seen, expected);
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_joins_becomes_a_voter_and_leaves() {
    let mut cluster = Cluster::found("learner", 3);
    put(cluster.node(1), "k", "v").await.unwrap();
    for number in 1..=3 {
        soon("a ready member", cluster.node(number).ready()).await;
    }
    let learner = cluster.add_learner().await;
    let id = cluster.node(learner).ids().1;
    soon("a ready member", cluster.node(learner).ready()).await;
    assert!(cluster.node(learner).is_learner());
    until("it has what there is", || get_here(cluster.node(learner), "k").is_some()).await;
    // A follower asks the leader, who knows whether the learner is ready.
    let follower = cluster.follower().await;
    let promoted = async || cluster.node(follower).promote_member(id, None).await;
    while promoted().await.is_err() {}
    assert_eq!(promoted().await, Err(Known::MemberNotLearner.into()));
    let unknown = cluster.node(follower).promote_member(MemberId(1), None).await;
    assert_eq!(unknown, Err(Known::MemberNotFound.into()));
    until("it knows", || !cluster.node(learner).is_learner()).await;
    let leader = cluster.leader().await;
    let left = cluster.node(leader).change_members(Change::Remove(id)).await.unwrap();
    assert_eq!(left.len(), 3);
    soon("the removal", cluster.node(learner).removed()).await;
    cluster.stop(learner);
    put(cluster.node(1), "k", "w").await.unwrap();
    // It does not come back under its name: the others refuse what it says.
    cluster.start(learner).unwrap();
    soon("the removal", cluster.node(learner).removed()).await;
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_over_before_a_leader_stops() {
    let cluster = Cluster::found("hand-over", 3);
    let leader = cluster.leader().await;
    let term = cluster.node(leader).term();
    cluster.node(leader).hand_over().await;
    assert!(!cluster.node(leader).raft().is_leader);
    let next = cluster.leader().await;
    assert_ne!(next, leader);
    assert_eq!(cluster.node(next).term().get(), term.get() + 1);
    // To a member of one's choice.
    let to = cluster.node(leader).ids().1;
    cluster.node(next).move_leader(to).await.unwrap();
    assert_eq!(cluster.leader().await, leader);
    let nobody = cluster.node(leader).move_leader(MemberId(1)).await;
    assert_eq!(nobody, Err(Known::BadLeaderTransferee.into()));
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_goes_on_alone_when_it_is_forced_to() {
    let mut cluster = Cluster::found("forced", 3);
    let leader = cluster.leader().await;
    put(cluster.node(leader), "k", "v").await.unwrap();
    // It may be the one of which the quorum had no need.
    let alone = (leader % 3) + 1;
    assert_eq!(get(cluster.node(alone), "k").await.as_deref(), Some("v"));
    for number in 1..=3 {
        cluster.stop(number);
    }
    cluster.options[alone - 1].force_new_cluster = true;
    cluster.start(alone).unwrap();
    assert_eq!(get(cluster.node(alone), "k").await.as_deref(), Some("v"));
    put(cluster.node(alone), "k", "w").await.unwrap();
    assert_eq!(cluster.node(alone).view().cluster.members().count(), 1);
    assert_eq!(cluster.node(alone).view().cluster.contents().removed.len(), 2);
    // Once is enough, and twice does no harm.
    for force in [true, false] {
        cluster.stop(alone);
        cluster.options[alone - 1].force_new_cluster = force;
        cluster.start(alone).unwrap();
        assert_eq!(get(cluster.node(alone), "k").await.as_deref(), Some("w"));
    }
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_live_on_by_way_of_any_member_and_end_with_any_leader() {
    let cluster = Cluster::found("leases", 3);
    let follower = cluster.follower().await;
    // Longer than the machine may be busy with something else.
    grant(cluster.node(follower), 7, 60).await;
    let check = |_: &apply::View| Ok(());
    for number in 1..=3 {
        // A leader that nobody asked for may be elected meanwhile.
        let renewed = async {
            loop {
                match cluster.node(number).renew_lease(LeaseId(7), &check).await {
                    Ok(ttl) => break ttl,
                    Err(error) => assert_ne!(error, Known::LeaseNotFound.into()),
                }
            }
        };
        assert_eq!(soon("the lease is renewed", Box::pin(renewed)).await, 60);
        let asked = async {
            loop {
                let ask = LeaseTimeToLiveRequest { id: 7, keys: true };
                if let Ok(answer) = cluster.node(number).lease_time_to_live(ask, &check).await {
                    break answer.unwrap();
                }
            }
        };
        let answer = soon("its time is told", Box::pin(asked)).await;
        assert_eq!((answer.granted_ttl, answer.keys.len()), (60, 0));
    }
    let refused = async {
        loop {
            match cluster.node(follower).renew_lease(LeaseId(8), &check).await {
                Err(error) if error == Known::LeaseNotFound.into() => break,
                outcome => assert!(outcome.is_err(), "there is no such lease: {outcome:?}"),
            }
        }
    };
    soon("the refusal", Box::pin(refused)).await;
    grant(cluster.node(follower), 9, 3).await;
    cluster.node(cluster.leader().await).hand_over().await;
    let gone = || cluster.running().all(|node| node.view().leases.lookup(LeaseId(9)).is_none());
    until("the lease ends", gone).await;
    assert!(cluster.running().all(|node| node.view().leases.lookup(LeaseId(7)).is_some()));
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_misses_no_lease_whose_grant_is_only_in_its_log() {
    let mut cluster = Cluster::found("leases-again", 3);
    let check = |_: &apply::View| Ok(());
    for id in 1..=3 {
        let leader = cluster.leader().await;
        grant(cluster.node(leader), id, 60).await;
        for number in 1..=3 {
            cluster.stop(number);
        }
        for number in 1..=3 {
            cluster.start(number).unwrap();
        }
        for number in 1..=3 {
            let renewed = async {
                loop {
                    match cluster.node(number).renew_lease(LeaseId(id), &check).await {
                        Ok(ttl) => break ttl,
                        Err(error) => assert_ne!(error, Known::LeaseNotFound.into()),
                    }
                }
            };
            assert_eq!(soon("the lease is renewed", Box::pin(renewed)).await, 60);
        }
    }
    cluster.stop_all();
}

async fn grant(node: &node::Node, id: i64, ttl: i64) {
    let request = InternalRaftRequest {
        lease_grant: Some(LeaseGrantRequest { id, ttl }),
        ..InternalRaftRequest::default()
    };
    node.propose(Identity::default(), request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_disk_hangs_is_replaced_and_ends_no_lease() {
    let cluster = Cluster::found("stall", 3);
    let stalled = cluster.leader().await;
    grant(cluster.node(stalled), 7, 3).await;
    cluster.switches[stalled - 1].set(true);
    let begin = std::time::Instant::now();
    // It goes on with the other two's acknowledgements until it gives up.
    let stalled_node = cluster.node(stalled).clone();
    let last = tokio::spawn(async move { put(&stalled_node, "k", "v").await });
    until("it steps down", || !cluster.node(stalled).raft().is_leader).await;
    let others = (1..=3).filter(|number| *number != stalled);
    let leads = |number: &usize| cluster.node(*number).raft().is_leader;
    until("another leads", || others.clone().any(|number| leads(&number))).await;
    let next = others.clone().find(leads).unwrap();
    put(cluster.node(next), "after", "v").await.unwrap();
    let lease = |number: usize| cluster.node(number).view().leases.lookup(LeaseId(7)).is_some();
    while begin.elapsed() < Duration::from_secs(3) {
        assert!(lease(next), "it was promised three seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cluster.switches[stalled - 1].set(false);
    until("it follows", || get_here(cluster.node(stalled), "after").is_some()).await;
    until("the lease ends in its time", || !lease(next)).await;
    // Whether the last put was made is for the new leader to say; it was not lost if it was
    // acknowledged.
    if soon("an answer", last).await.unwrap().is_ok() {
        assert_eq!(get(cluster.node(next), "k").await.as_deref(), Some("v"));
    }
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_replaced_and_does_not_know_it_renews_no_lease() {
    let cluster = Cluster::found("lease-cut-off", 3);
    let leader = cluster.leader().await;
    grant(cluster.node(leader), 7, 60).await;
    cluster.wire.isolate(&url(leader));
    // What a client of its own asks, and what another member does for one.
    let stale = cluster.node(leader).clone();
    let own = tokio::spawn(async move { stale.renew_lease(LeaseId(7), &|_| Ok(())).await });
    let stale = cluster.node(leader).clone();
    let foreign = tokio::spawn(async move { stale.answer(renewal(7)).await });
    let others = (1..=3).filter(|number| *number != leader);
    let leads = |number: &usize| cluster.node(*number).raft().is_leader;
    until("the others elect", || others.clone().any(|number| leads(&number))).await;
    until("it steps down", || !cluster.node(leader).raft().is_leader).await;
    let refusal = soon("an answer to the member", foreign).await.unwrap();
    assert_eq!((refusal.status, &refusal.body[..]), (400, &b"not a primary lessor\n"[..]));
    assert!(!own.is_finished(), "nobody who may say so has renewed the lease");
    cluster.wire.heal();
    match soon("an answer to the client", own).await.unwrap() {
        Ok(ttl) => assert_eq!(ttl, 60),
        Err(error) => assert_ne!(error, Known::LeaseNotFound.into()),
    }
    cluster.stop_all();
}

/// What a member asks the leader in the name of a client.
fn renewal(id: i64) -> Question {
    let body = LeaseKeepAliveRequest { id }.encode_to_vec();
    Question {
        url: String::new(),
        method: Method::Post,
        path: "/leases".to_owned(),
        cluster: None,
        token: None,
        body: Some(("application/protobuf", body.into())),
        timeout: Duration::from_secs(7),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_alone_waits_for_its_disk() {
    let cluster = Cluster::found("stall-alone", 1);
    cluster.leader().await;
    cluster.switches[0].set(true);
    let node = cluster.node(1).clone();
    let waiting = tokio::spawn(async move { put(&node, "k", "v").await });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(cluster.node(1).raft().is_leader);
    assert_eq!(get_here(cluster.node(1), "k"), None);
    cluster.switches[0].set(false);
    soon("the answer", waiting).await.unwrap().unwrap();
    cluster.stop_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_confirms_nothing() {
    let cluster = Cluster::found("cut-off", 3);
    let leader = cluster.leader().await;
    put(cluster.node(leader), "k", "old").await.unwrap();
    cluster.wire.isolate(&url(leader));
    let stale = cluster.node(leader).clone();
    let reading = tokio::spawn(async move { stale.linearize().await.map(|()| stale) });
    let next = {
        let others = (1..=3).filter(|number| *number != leader);
        let leads = |number: &usize| cluster.node(*number).raft().is_leader;
        until("the others elect", || others.clone().any(|number| leads(&number))).await;
        others.clone().find(leads).unwrap()
    };
    put(cluster.node(next), "k", "new").await.unwrap();
    cluster.wire.heal();
    // The read came before the cut was healed, and sees what was written after it came at the most
    // recent; never the old value once a new one is confirmed.
    let node = reading.await.unwrap().unwrap();
    assert_eq!(get_here(&node, "k").as_deref(), Some("new"));
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
