//! A member on real files: what it acknowledged is there after any end.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::Identity;
use node::network::Network;
use node::{Member, Options};
use proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, InternalRaftRequest, LeaseGrantRequest, PutRequest,
};
use support::wire::Wire;
use support::{Folder, options};

fn start(data: &Path) -> Member {
    let wire: Arc<Wire> = Arc::default();
    support::start(&options(data), &wire.end("http://127.0.0.1:2380")).unwrap()
}

async fn put(member: &Member, key: &str, value: &str) -> i64 {
    support::put(member.node(), key, value).await.unwrap()
}

async fn get(member: &Member, key: &str) -> Option<String> {
    support::get(member.node(), key).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_is_there_after_a_restart() {
    let folder = Folder::new("restart");
    let member = start(&folder.0);
    for number in 0..50 {
        assert_eq!(put(&member, &format!("k{number}"), &format!("v{number}")).await, number + 2);
    }
    member.node().ready().await;
    tokio::task::block_in_place(|| member.stop());

    let member = start(&folder.0);
    for number in 0..50 {
        assert_eq!(get(&member, &format!("k{number}")).await, Some(format!("v{number}")));
    }
    assert_eq!(put(&member, "k0", "again").await, 52);
    // One for every 20 entries, but where a commit takes longer than 20 puts.
    let deadline = Instant::now() + Duration::from_secs(30);
    while snapshots(&folder.0) < 2 {
        assert!(Instant::now() < deadline, "a snapshot for every 20 entries");
        put(&member, "k0", "again").await;
    }
    tokio::task::block_in_place(|| member.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_members_file_tells_its_version_with_the_first_commits() {
    let folder = Folder::new("storage-version");
    let member = start(&folder.0);
    let node = member.node();
    let deadline = Instant::now() + Duration::from_secs(30);
    while node.view().cluster.version().is_none() {
        assert!(Instant::now() < deadline, "no cluster version");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // One commit that the version can be told from, one that has it; the wish may come after the
    // first.
    let mut stored = None;
    for _ in 0..3 {
        let state = node.ticket().await.unwrap().state;
        stored = state.get(backend::Bucket::Meta, backend::schema::storage_version::KEY).unwrap();
    }
    assert_eq!(stored.as_deref(), Some(&b"3.7.0"[..]));
    tokio::task::block_in_place(|| member.stop());
}

/// How many snapshot files there are.
fn snapshots(data: &Path) -> usize {
    let files = std::fs::read_dir(data.join("member/snap")).unwrap();
    let snapshots = files.filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "snap")
    });
    snapshots.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_and_a_defragmentation_keep_what_is_newest() {
    let folder = Folder::new("compaction");
    let member = start(&folder.0);
    for number in 0..100 {
        put(&member, "same", &format!("v{number}")).await;
    }
    let compaction = CompactionRequest { revision: 90, physical: true };
    let request =
        InternalRaftRequest { compaction: Some(compaction), ..InternalRaftRequest::default() };
    member.node().propose(Identity::default(), request).await.unwrap();
    member.node().compacted(90).await.unwrap();
    member.node().defragment().await.unwrap();
    assert_eq!(get(&member, "same").await.as_deref(), Some("v99"));
    tokio::task::block_in_place(|| member.stop());
    let member = start(&folder.0);
    assert_eq!(get(&member, "same").await.as_deref(), Some("v99"));
    assert_eq!(member.node().view().read.compact_revision(), 90);
    tokio::task::block_in_place(|| member.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn defragmentations_at_once_wait_for_each_other() {
    let folder = Folder::new("defragmentations");
    let member = start(&folder.0);
    put(&member, "k", "v").await;
    let node = member.node();
    let all = tokio::join!(node.defragment(), node.defragment(), node.defragment());
    assert_eq!(all, (Ok(()), Ok(()), Ok(())));
    tokio::task::block_in_place(|| member.stop());
}

/// Where nothing is alive, a hash takes in whatever records are there, as Go's does: it must not
/// see those that a compaction has removed once the compaction is said to be done.
#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_a_compaction_sees_it_done() {
    let folder = Folder::new("compacted");
    let member = start(&folder.0);
    let node = member.node();
    for _ in 0..200 {
        put(&member, "k", "old").await;
        let kept = put(&member, "k", "new").await;
        let delete = DeleteRangeRequest { key: "k".into(), ..DeleteRangeRequest::default() };
        let request =
            InternalRaftRequest { delete_range: Some(delete), ..InternalRaftRequest::default() };
        node.propose(Identity::default(), request).await.unwrap();
        let compaction = CompactionRequest { revision: kept, physical: true };
        let request =
            InternalRaftRequest { compaction: Some(compaction), ..InternalRaftRequest::default() };
        node.propose(Identity::default(), request).await.unwrap();
        node.compacted(kept).await.unwrap();
        let at_once = node.view().read.hash(kept + 1).unwrap();
        node.ticket().await.unwrap();
        assert_eq!(at_once, node.view().read.hash(kept + 1).unwrap());
    }
    tokio::task::block_in_place(|| member.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once() {
    let folder = Folder::new("many");
    let member = Arc::new(start(&folder.0));
    let clients: Vec<_> = (0..50)
        .map(|client| {
            let member = Arc::clone(&member);
            tokio::spawn(async move {
                for number in 0..20 {
                    put(&member, &format!("c{client}"), &format!("v{number}")).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(member.node().view().read.revision(), 1001);
    let member = Arc::into_inner(member).unwrap();
    tokio::task::block_in_place(|| member.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_made_anew_from_a_log_that_is_longer_than_memory_keeps() {
    let folder = Folder::new("anew");
    let start = || {
        let options = Options { snapshot_count: 100_000, ..options(&folder.0) };
        let wire: Arc<Wire> = Arc::default();
        support::start(&options, &wire.end("http://127.0.0.1:2380")).unwrap()
    };
    let member = start();
    let value = "v".repeat(900 << 10);
    // 26 MB, of which raft's log keeps 16.
    for number in 0..30 {
        put(&member, &format!("k{number}"), &value).await;
    }
    support::stop(member);
    std::fs::remove_file(folder.0.join("member/snap/db")).unwrap();
    let member = start();
    for number in 0..30 {
        let found = get(&member, &format!("k{number}")).await;
        assert_eq!(found.as_deref(), Some(&*value), "{number}");
    }
    assert_eq!(put(&member, "k0", "again").await, 32);
    support::stop(member);
}

/// Changes rows of a database that nobody has open.
fn edit(data: &Path, change: impl FnOnce(&mut backend::Backend)) {
    let path = data.join("member/snap/db");
    let start = Instant::now();
    let open = || backend::open(Arc::new(env::RealDisk), backend::Options::new(&path));
    // A task of the member that was stopped may still hold a view.
    let opened = std::iter::repeat_with(open).find(|opened| {
        let is_locked = matches!(opened, Err(backend::Error::Locked(_)));
        assert!(start.elapsed() < Duration::from_secs(10), "the database stays locked");
        !is_locked
    });
    let (mut backend, mut committer) = opened.unwrap().unwrap();
    change(&mut backend);
    let position = backend.last_committed().position().clone();
    committer.prepare(backend.freeze(position)).unwrap();
    committer.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_keeps_a_lease_without_a_row_is_applied() {
    let folder = Folder::new("no-lease-row");
    let member = start(&folder.0);
    let propose = |request| member.node().propose(Identity::default(), request);
    let grant = LeaseGrantRequest { ttl: 100, id: 7 };
    propose(InternalRaftRequest { lease_grant: Some(grant), ..Default::default() }).await.unwrap();
    let put = PutRequest { key: "k".into(), value: "1".into(), lease: 7, ..Default::default() };
    propose(InternalRaftRequest { put: Some(put), ..Default::default() }).await.unwrap();
    tokio::task::block_in_place(|| member.stop());
    let row = backend::schema::lease::key(types::LeaseId(7));
    edit(&folder.0, |backend| backend.delete(backend::Bucket::Lease, row.to_vec()));

    let member = start(&folder.0);
    let put = PutRequest {
        key: "k".into(),
        value: "2".into(),
        ignore_lease: true,
        ..PutRequest::default()
    };
    let request = InternalRaftRequest { put: Some(put), ..Default::default() };
    member.node().propose(Identity::default(), request).await.unwrap();
    assert_eq!(get(&member, "k").await.as_deref(), Some("2"));
    tokio::task::block_in_place(|| member.stop());
}

/// Rows of a later version may mean what is not known here.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_later_version_is_refused() {
    let folder = Folder::new("later");
    support::stop(start(&folder.0));
    let write = |version: &'static str| {
        let key = backend::schema::storage_version::KEY;
        edit(&folder.0, |backend| backend.put(backend::Bucket::Meta, key, version));
    };
    let wire: Arc<Wire> = Arc::default();
    let network = wire.end("http://127.0.0.1:2380");
    for (version, reason) in [
        ("3.8.0", "version \"3.8.0\" is not supported"),
        ("4.0.0", "changing major storage version is not supported"),
    ] {
        write(version);
        let refused = support::start(&options(&folder.0), &network).map(drop).unwrap_err();
        assert_eq!(refused.to_string(), reason);
    }
    write("3.7.0");
    support::stop(start(&folder.0));
}

/// Directories of two members of different clusters after the same requests.
async fn two_alike(name: &str, network: &Arc<dyn Network>) -> (Folder, Folder) {
    let folder = |whose: &str| Folder::new(&format!("{name}-{whose}"));
    let (mine, other) = (folder("mine"), folder("other"));
    let foreign = Options { initial_cluster_token: "other".to_owned(), ..options(&other.0) };
    for options in [&options(&mine.0), &foreign] {
        let member = support::start(options, network).unwrap();
        for number in 0..30 {
            put(&member, "k", &number.to_string()).await;
        }
        support::stop(member);
    }
    (mine, other)
}

/// A database of another cluster, put beside a member's log.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_members_log_is_refused() {
    let wire: Arc<Wire> = Arc::default();
    let network = wire.end("http://127.0.0.1:2380");
    let (mine, other) = two_alike("database", &network).await;
    std::fs::copy(other.0.join("member/snap/db"), mine.0.join("member/snap/db")).unwrap();
    let refused = support::start(&options(&mine.0), &network).map(drop).unwrap_err().to_string();
    assert!(refused.contains("member/snap/db is not of this member's log"), "{refused}");
}

/// A log of another cluster, put beside a member's snapshots and database.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_another_member_is_refused() {
    let wire: Arc<Wire> = Arc::default();
    let network = wire.end("http://127.0.0.1:2380");
    let (mine, other) = two_alike("log", &network).await;
    let (log, foreign) = (mine.0.join("member/wal"), other.0.join("member/wal"));
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(foreign, log).unwrap();
    let refused = support::start(&options(&mine.0), &network).map(drop).unwrap_err().to_string();
    assert!(refused.contains("is not of this member's log"), "{refused}");
}
