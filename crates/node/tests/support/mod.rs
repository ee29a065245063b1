//! Members in one process, and the network between them.
#![allow(clippy::unwrap_used, dead_code)]

pub mod cluster;
pub mod stall;
pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apply::Quota;
use auth::Identity;
use env::{Disk, RealClock, RealDisk};
use node::compactor::Retention;
use node::data_dir::Paths;
use node::log::Keep;
use node::network::Network;
use node::{ClusterState, MaxClusterVersion, Member, Node, Options, Settings};
use proto::error::Status;
use proto::etcdserverpb::{InternalRaftRequest, PutRequest, RangeRequest};

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of its own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
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

/// The options of a member that is alone.
pub fn options(data: &Path) -> Options {
    let tick = Duration::from_millis(50);
    Options {
        name: "m1".to_owned(),
        paths: Paths::new(data, None),
        initial_cluster: "m1=http://127.0.0.1:2380".to_owned(),
        peer_urls: vec!["http://127.0.0.1:2380".parse().unwrap()],
        initial_cluster_token: "etcd-cluster".to_owned(),
        cluster_state: ClusterState::New,
        client_urls: vec!["http://127.0.0.1:2379".to_owned()],
        tick,
        election_ticks: 10,
        pre_vote: true,
        snapshot_count: 20,
        catchup_entries: 5,
        keep: Keep { wals: Some(5), snapshots: Some(5) },
        batch_interval: Duration::from_millis(100),
        batch_limit: 10_000,
        segment_bytes: node::SEGMENT_BYTES,
        unsafe_no_fsync: false,
        retention: Retention::Off,
        compaction_batch: 10,
        compaction_sleep: Duration::ZERO,
        watch_progress_interval: Duration::from_secs(600),
        auth_token: "simple".to_owned(),
        auth_token_ttl: Duration::from_secs(300),
        lease_checkpoints: false,
        persist_checkpoints: false,
        checks: node::Checks::default(),
        downgrade_check: Some(Duration::from_secs(5)),
        force_new_cluster: false,
        skip_first_ticks: true,
        settings: Settings {
            request_timeout: Duration::from_secs(7),
            tick,
            election: 10 * tick,
            request_bytes_max: 1 << 20,
            quota: Quota::Bytes(2 << 30),
            strict_reconfig_check: true,
            learners_max: 1,
            max_cluster_version: MaxClusterVersion::Auto,
            warning_apply: Duration::from_millis(100),
        },
    }
}

/// Starts a member.
pub fn start(options: &Options, network: &Arc<dyn Network>) -> Result<Member, node::Error> {
    start_on(Arc::new(RealDisk), options, network)
}

/// Starts a member on a disk.
pub fn start_on(
    disk: Arc<dyn Disk>,
    options: &Options,
    network: &Arc<dyn Network>,
) -> Result<Member, node::Error> {
    let registry = telemetry::Registry::new();
    let clock = Arc::new(RealClock::new());
    tokio::task::block_in_place(|| node::start(disk, clock, network, &registry, options))
}

/// Stops a member.
pub fn stop(member: Member) {
    tokio::task::block_in_place(|| member.stop());
}

/// Puts a key, and gives the revision.
pub async fn put(node: &Node, key: &str, value: &str) -> Result<i64, Status> {
    let put = PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    };
    let request = InternalRaftRequest { put: Some(put), ..InternalRaftRequest::default() };
    Ok(node.propose(Identity::default(), request).await?.revision)
}

/// Reads a key, linearizably.
pub async fn get(node: &Node, key: &str) -> Option<String> {
    node.linearize().await.unwrap();
    get_here(node, key)
}

/// Reads a key as this member has it.
pub fn get_here(node: &Node, key: &str) -> Option<String> {
    let range = RangeRequest { key: key.to_owned().into(), ..RangeRequest::default() };
    let answer = node.view().read.range(&range).unwrap();
    let kv: proto::mvccpb::KeyValue = proto::decode(answer.kvs.first()?.clone()).unwrap();
    Some(String::from_utf8(kv.value.to_vec()).unwrap())
}

/// Waits for something that comes.
pub async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(PATIENCE, coming).await;
    came.unwrap_or_else(|_| panic!("{what} does not come"))
}

/// Waits until something is so.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what} does not come true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
