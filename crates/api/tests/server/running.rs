//! A member that runs for a test.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::auth::password::Cost;
use api::{Caller, Server, Service};
use apply::Quota;
use env::{RealClock, RealDisk};
use node::compactor::Retention;
use node::data_dir::Paths;
use node::log::Keep;
use node::network::{Alone, Network};
use node::{ClusterState, MaxClusterVersion, Member, Options};
use proto::error::{Error as Known, Status};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::mvccpb::KeyValue;
use proto::twin;

/// A member with its API and its folder, which is removed at the end.
pub struct Running {
    server: Server,
    member: Option<Member>,
    folder: PathBuf,
}

impl Running {
    pub async fn start(name: &str) -> Self {
        Self::with_quota(name, Quota::Bytes(2 << 30)).await
    }

    pub async fn with_quota(name: &str, quota: Quota) -> Self {
        let folder = std::env::temp_dir().join(format!("oxetcd-api-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let options = options(Paths::new(&folder, None), quota);
        let clock = Arc::new(RealClock::new());
        let registry = telemetry::Registry::new();
        let alone: Arc<dyn Network> = Arc::new(Alone);
        let member = tokio::task::block_in_place(|| {
            node::start(Arc::new(RealDisk), clock, &alone, &registry, &options).unwrap()
        });
        let settings = api::Settings {
            txn_ops_max: 128,
            request_bytes_max: 1 << 20,
            bcrypt_cost: Cost::new(4).unwrap(),
            election: Duration::from_secs(1),
        };
        let server = Server::new(member.node().clone(), settings);
        member.node().ready().await;
        Self { server, member: Some(member), folder }
    }

    /// Returns when the cluster has decided on its version.
    pub async fn version_decided(&self) {
        while self.versions().cluster != "3.7.0" {
            tokio::task::yield_now().await;
        }
    }

    /// Compacts when all who watch have been told what is to go.
    pub async fn compact_at(&self, revision: i64) -> Result<pb::CompactionResponse, Status> {
        let now = self.status(&nobody(), pb::StatusRequest {}).await?.header.unwrap().revision;
        let mut told = 0;
        while told < now {
            let (requests, mut replies) = self.watch(&nobody()).await?;
            let create = RequestUnion::CreateRequest(pb::WatchCreateRequest::default());
            requests.send(pb::WatchRequest { request_union: Some(create) }).await;
            told = replies.next().await.unwrap()?.header.unwrap().revision;
        }
        self.compact(&nobody(), pb::CompactionRequest { revision, physical: true }).await
    }

    /// Puts in somebody's name; returns the revision.
    pub async fn put_as(&self, caller: &Caller, key: &str, value: &str) -> Result<i64, Status> {
        let put = pb::PutRequest {
            key: key.to_owned().into(),
            value: value.to_owned().into(),
            ..pb::PutRequest::default()
        };
        Ok(self.put(caller, put).await?.header.unwrap().revision)
    }

    pub async fn set(&self, key: &str, value: &str) -> i64 {
        self.put_as(&nobody(), key, value).await.unwrap()
    }

    /// The values of a range, with their keys.
    pub async fn get(&self, key: &str, range_end: &str) -> Vec<(String, String)> {
        kvs(&self.range(&nobody(), range(key, range_end)).await.unwrap().kvs)
    }
}

impl Deref for Running {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let member = self.member.take().unwrap();
        // A test that fails is told what its member died of.
        if let Some(reason) = member.node().failure() {
            eprintln!("the member has failed: {reason}");
        }
        tokio::task::block_in_place(|| member.stop());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn options(paths: Paths, quota: Quota) -> Options {
    Options {
        name: "m1".to_owned(),
        paths,
        initial_cluster: "m1=http://127.0.0.1:2380".to_owned(),
        peer_urls: vec!["http://127.0.0.1:2380".parse().unwrap()],
        initial_cluster_token: "etcd-cluster".to_owned(),
        cluster_state: ClusterState::New,
        client_urls: vec!["http://127.0.0.1:2379".to_owned()],
        tick: Duration::from_millis(100),
        election_ticks: 10,
        pre_vote: true,
        snapshot_count: 10_000,
        catchup_entries: 5000,
        keep: Keep { wals: Some(5), snapshots: Some(5) },
        batch_interval: Duration::from_millis(100),
        batch_limit: 10_000,
        segment_bytes: node::SEGMENT_BYTES,
        unsafe_no_fsync: true,
        retention: Retention::Off,
        compaction_batch: 1000,
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
        settings: node::Settings {
            request_timeout: Duration::from_secs(7),
            tick: Duration::from_millis(100),
            election: Duration::from_secs(1),
            request_bytes_max: 1 << 20,
            quota,
            strict_reconfig_check: true,
            learners_max: 1,
            max_cluster_version: MaxClusterVersion::Auto,
            warning_apply: Duration::from_millis(100),
        },
    }
}

pub fn nobody() -> Caller {
    Caller::default()
}

pub fn range(key: &str, range_end: &str) -> pb::RangeRequest {
    pb::RangeRequest {
        key: key.to_owned().into(),
        range_end: range_end.to_owned().into(),
        ..pb::RangeRequest::default()
    }
}

pub fn kvs(encoded: &[bytes::Bytes]) -> Vec<(String, String)> {
    let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let decode = |kv: &bytes::Bytes| proto::decode::<KeyValue>(kv.clone()).unwrap();
    encoded.iter().map(decode).map(|kv| (text(&kv.key), text(&kv.value))).collect()
}

pub fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The refusal, which has to be one of etcd's.
pub fn refusal<T>(result: Result<T, Status>) -> Option<Known> {
    let status = result.err()?;
    let known = Known::from_text(&status.message).unwrap_or_else(|| panic!("{status}"));
    assert_eq!(status, known.into());
    Some(known)
}

/// All that a stream of chunks gives.
pub async fn chunks(
    mut replies: api::Replies<twin::RangeStreamResponse>,
) -> Result<Vec<twin::RangeResponse>, Status> {
    let mut all = Vec::new();
    while let Some(chunk) = replies.next().await {
        all.push(chunk?.range_response.unwrap());
    }
    Ok(all)
}
