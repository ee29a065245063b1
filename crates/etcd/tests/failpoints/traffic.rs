//! What clients do, of all kinds and without end, whatever the server answers.

use std::time::Duration;

use client::grpc::etcdserverpb::cluster_client::ClusterClient;
use client::grpc::etcdserverpb::kv_client::KvClient;
use client::grpc::etcdserverpb::lease_client::LeaseClient;
use client::grpc::etcdserverpb::maintenance_client::MaintenanceClient;
use client::grpc::etcdserverpb::watch_client::WatchClient;
use client::{Channel, Options, connect};
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{
    CompactionRequest, DefragmentRequest, LeaseGrantRequest, LeaseKeepAliveRequest,
    LeaseTimeToLiveRequest, MemberAddRequest, MemberRemoveRequest, PutRequest, RangeRequest,
    WatchCreateRequest, WatchRequest,
};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;

/// How long one round of calls may take.
const ROUND_MAX: Duration = Duration::from_secs(20);

/// What a client does again and again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Keys,
    Watch,
    Leases,
    Compact,
    Members,
    Defragment,
}

/// All of it.
pub const ALL: [Kind; 6] =
    [Kind::Keys, Kind::Watch, Kind::Leases, Kind::Compact, Kind::Members, Kind::Defragment];

impl Kind {
    async fn round(self, channel: Channel) -> Done {
        match self {
            Self::Keys => keys(channel).await,
            Self::Watch => watch(channel).await,
            Self::Leases => leases(channel).await,
            Self::Compact => compact(channel).await,
            Self::Members => members(channel).await,
            Self::Defragment => defragment(channel).await,
        }
    }
}

/// Traffic to a server, until this goes.
pub struct Traffic {
    runtime: Option<Runtime>,
    channel: Channel,
}

impl Traffic {
    /// Connects and waits to be told what to do.
    pub fn quiet(endpoint: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = Options { dial_timeout: ROUND_MAX, ..Options::default() };
        let channel = runtime.block_on(connect(endpoint, &options)).unwrap();
        Self { runtime: Some(runtime), channel }
    }

    /// Connects and begins.
    pub fn start(endpoint: &str, kinds: &[Kind]) -> Self {
        let traffic = Self::quiet(endpoint);
        for kind in kinds.iter().copied() {
            let channel = traffic.channel.clone();
            traffic.runtime.as_ref().unwrap().spawn(async move {
                loop {
                    // A refusal or an end is as good as an answer.
                    let _ = tokio::time::timeout(ROUND_MAX, kind.round(channel.clone())).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        traffic
    }

    /// One put.
    pub fn put(&self, key: &'static str) -> Result<(), String> {
        let put = put(self.channel.clone(), key.to_owned(), 0);
        self.runtime.as_ref().unwrap().block_on(put).map_err(|error| error.to_string())
    }

    /// One defragmentation.
    pub fn defragment(&self) -> Result<(), String> {
        let defragment = defragment(self.channel.clone());
        self.runtime.as_ref().unwrap().block_on(defragment).map_err(|error| error.to_string())
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Done = Result<(), tonic::Status>;

async fn put(channel: Channel, key: String, lease: i64) -> Done {
    let put = PutRequest { key: key.into(), value: "value".into(), lease, ..PutRequest::default() };
    KvClient::new(channel).put(put).await.map(drop)
}

/// Puts, and lists them in pieces.
async fn keys(channel: Channel) -> Done {
    for number in 0..20 {
        put(channel.clone(), format!("key{number}"), 0).await?;
    }
    let range =
        RangeRequest { key: "key".into(), range_end: "kez".into(), ..RangeRequest::default() };
    let mut pieces = KvClient::new(channel).range_stream(range).await?.into_inner();
    while pieces.message().await?.is_some() {}
    Ok(())
}

/// Watches until something comes.
async fn watch(channel: Channel) -> Done {
    let create = WatchCreateRequest {
        key: "key".into(),
        range_end: "kez".into(),
        ..WatchCreateRequest::default()
    };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let requests = tokio_stream::iter([create]).chain(tokio_stream::pending());
    let mut responses = WatchClient::new(channel).watch(requests).await?.into_inner();
    while let Some(response) = responses.message().await? {
        if !response.events.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Grants a lease, keeps it alive, asks for what is left of it.
async fn leases(channel: Channel) -> Done {
    let mut client = LeaseClient::new(channel.clone());
    let grant = LeaseGrantRequest { ttl: 10, id: 0 };
    let id = client.lease_grant(grant).await?.into_inner().id;
    put(channel, "leased".to_owned(), id).await?;
    let requests = tokio_stream::iter([LeaseKeepAliveRequest { id }]);
    client.lease_keep_alive(requests).await?.into_inner().message().await?;
    client.lease_time_to_live(LeaseTimeToLiveRequest { id, keys: true }).await?;
    Ok(())
}

/// Compacts to what is newest, in the file too.
async fn compact(channel: Channel) -> Done {
    let mut client = KvClient::new(channel);
    let range = RangeRequest { key: "key".into(), count_only: true, ..RangeRequest::default() };
    let header = client.range(range).await?.into_inner().header;
    let revision = header.unwrap_or_default().revision;
    client.compact(CompactionRequest { revision, physical: true }).await.map(drop)
}

/// Adds a member that does not vote and does not exist, and removes it.
async fn members(channel: Channel) -> Done {
    let mut client = ClusterClient::new(channel);
    let peer_urls = vec!["http://127.0.0.1:1".to_owned()];
    let added = client.member_add(MemberAddRequest { peer_urls, is_learner: true }).await?;
    let id = added.into_inner().member.unwrap_or_default().id;
    client.member_remove(MemberRemoveRequest { id }).await.map(drop)
}

async fn defragment(channel: Channel) -> Done {
    MaintenanceClient::new(channel).defragment(DefragmentRequest {}).await.map(drop)
}
