//! The generated calls over one connection.

use client::grpc::etcdserverpb::auth_client::AuthClient;
use client::grpc::etcdserverpb::cluster_client::ClusterClient;
use client::grpc::etcdserverpb::kv_client::KvClient;
use client::grpc::etcdserverpb::lease_client::LeaseClient;
use client::grpc::etcdserverpb::maintenance_client::MaintenanceClient;
use client::grpc::etcdserverpb::watch_client::WatchClient;
use client::{Channel, Options, connect};
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{
    HashKvRequest, HashKvResponse, PutRequest, PutResponse, RangeRequest, RangeResponse,
    WatchCreateRequest, WatchRequest,
};
use proto::mvccpb::Event;
use std::time::Duration;
use tonic::{Request, Status};

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The services of a server.
#[derive(Clone, Debug)]
pub struct Api {
    pub kv: KvClient<Channel>,
    pub lease: LeaseClient<Channel>,
    pub watch: WatchClient<Channel>,
    pub maintenance: MaintenanceClient<Channel>,
    pub auth: AuthClient<Channel>,
    pub cluster: ClusterClient<Channel>,
}

impl Api {
    /// Connects to `host:port`, with a token where there is one.
    pub async fn connect(endpoint: &str, token: Option<String>) -> Self {
        let options = Options { token, dial_timeout: ANSWER_MAX, ..Options::default() };
        let channel = connect(endpoint, &options).await.unwrap();
        let max = usize::MAX;
        Self {
            kv: KvClient::new(channel.clone()).max_decoding_message_size(max),
            lease: LeaseClient::new(channel.clone()).max_decoding_message_size(max),
            watch: WatchClient::new(channel.clone()).max_decoding_message_size(max),
            maintenance: MaintenanceClient::new(channel.clone()).max_decoding_message_size(max),
            auth: AuthClient::new(channel.clone()).max_decoding_message_size(max),
            cluster: ClusterClient::new(channel).max_decoding_message_size(max),
        }
    }

    /// Puts a pair without more.
    pub async fn put(&self, key: &[u8], value: &[u8]) -> Result<PutResponse, Status> {
        let request = PutRequest {
            key: key.to_vec().into(),
            value: value.to_vec().into(),
            ..PutRequest::default()
        };
        Ok(self.kv.clone().put(request).await?.into_inner())
    }

    /// All keys at a revision; 0 for the newest.
    pub async fn all_at(&self, revision: i64) -> Result<RangeResponse, Status> {
        let request = RangeRequest { revision, ..whole_range() };
        Ok(self.kv.clone().range(request).await?.into_inner())
    }

    /// The newest revision.
    pub async fn revision(&self) -> i64 {
        let request = RangeRequest { key: "r".into(), count_only: true, ..RangeRequest::default() };
        let response = self.kv.clone().range(request).await.unwrap().into_inner();
        response.header.unwrap().revision
    }

    pub async fn hash_kv(&self, revision: i64) -> Result<HashKvResponse, Status> {
        let request = HashKvRequest { revision };
        Ok(self.maintenance.clone().hash_kv(request).await?.into_inner())
    }

    /// Every event of every key from one revision to another, both included, in order.
    pub async fn events(&self, first: i64, last: i64) -> Vec<Event> {
        if first > last {
            return Vec::new();
        }
        let create = WatchCreateRequest {
            key: vec![0].into(),
            range_end: vec![0].into(),
            start_revision: first,
            ..WatchCreateRequest::default()
        };
        let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        let (requests, receiver) = tokio::sync::mpsc::channel(1);
        requests.send(create).await.unwrap();
        let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut responses =
            self.watch.clone().watch(Request::new(receiver)).await.unwrap().into_inner();
        let mut events: Vec<Event> = Vec::new();
        loop {
            let response = tokio::time::timeout(ANSWER_MAX, responses.message()).await;
            let response = response.unwrap_or_else(|_| {
                panic!("a watch from {first} to {last} is silent after {} events", events.len())
            });
            let response = response.unwrap().expect("a watch stays open");
            assert!(!response.canceled, "a watch from {first} was canceled: {response:?}");
            events.extend(response.events);
            let reached = events.last().and_then(|event| event.kv.as_ref());
            if reached.is_some_and(|kv| kv.mod_revision >= last) {
                return events;
            }
        }
    }
}

/// A range of all keys.
pub fn whole_range() -> RangeRequest {
    RangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..RangeRequest::default() }
}

/// Runs a test's calls.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
