//! A member on real files: what it acknowledged is there after any end.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use apply::Quota;
use auth::Identity;
use env::{RealClock, RealDisk};
use node::compactor::Retention;
use node::data_dir::Paths;
use node::log::Keep;
use node::{ClusterState, MaxClusterVersion, Member, Options, Settings};
use proto::etcdserverpb::{CompactionRequest, InternalRaftRequest, PutRequest, RangeRequest};

/// A data directory of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("oxetcd-node-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn options(data: &Path) -> Options {
    Options {
        name: "m1".to_owned(),
        paths: Paths::new(data, None),
        initial_cluster: "m1=http://127.0.0.1:2380".to_owned(),
        initial_cluster_token: "etcd-cluster".to_owned(),
        cluster_state: ClusterState::New,
        client_urls: vec!["http://127.0.0.1:2379".to_owned()],
        tick: Duration::from_millis(100),
        election_ticks: 10,
        pre_vote: true,
        snapshot_count: 20,
        catchup_entries: 5,
        keep: Keep { wals: Some(5), snapshots: Some(5) },
        batch_interval: Duration::from_millis(100),
        batch_limit: 10_000,
        unsafe_no_fsync: false,
        retention: Retention::Off,
        compaction_batch: 10,
        compaction_sleep: Duration::ZERO,
        watch_progress_interval: Duration::from_secs(600),
        auth_token: "simple".to_owned(),
        auth_token_ttl: Duration::from_secs(300),
        lease_checkpoints: false,
        persist_checkpoints: false,
        settings: Settings {
            request_timeout: Duration::from_secs(7),
            election: Duration::from_secs(1),
            request_bytes_max: 1 << 20,
            quota: Quota::Bytes(2 << 30),
            strict_reconfig_check: true,
            learners_max: 1,
            max_cluster_version: MaxClusterVersion::Auto,
        },
    }
}

fn start(data: &Path) -> Member {
    let registry = telemetry::Registry::new();
    let clock = Arc::new(RealClock::new());
    node::start(Arc::new(RealDisk), clock, &registry, &options(data)).unwrap()
}

async fn put(member: &Member, key: &str, value: &str) -> i64 {
    let put = PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    };
    let request = InternalRaftRequest { put: Some(put), ..InternalRaftRequest::default() };
    member.node().propose(Identity::default(), request).await.unwrap().revision
}

async fn get(member: &Member, key: &str) -> Option<String> {
    member.node().linearize().await.unwrap();
    let range = RangeRequest { key: key.to_owned().into(), ..RangeRequest::default() };
    let answer = member.node().view().read.range(&range).unwrap();
    let kv: proto::mvccpb::KeyValue = proto::decode(answer.kvs.first()?.clone()).unwrap();
    Some(String::from_utf8(kv.value.to_vec()).unwrap())
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
    tokio::task::block_in_place(|| member.stop());
    let snapshots = std::fs::read_dir(folder.0.join("member/snap")).unwrap();
    let snapshots = snapshots.filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "snap")
    });
    assert!(snapshots.count() >= 2, "a snapshot for every 20 entries");
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
