//! One connection to a member, with every service on it.

use anyhow::{Context, Result};
use client::grpc::etcdserverpb::cluster_client::ClusterClient;
use client::grpc::etcdserverpb::kv_client::KvClient;
use client::grpc::etcdserverpb::lease_client::LeaseClient;
use client::grpc::etcdserverpb::maintenance_client::MaintenanceClient;
use client::grpc::etcdserverpb::watch_client::WatchClient;
use client::{Channel, Options, connect};
use proto::etcdserverpb::{
    HashKvRequest, HashKvResponse, RangeRequest, RangeResponse, StatusRequest, StatusResponse,
};
use std::time::Duration;
use tonic::Status;

/// A connection.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named as the services of the API")]
pub struct Api {
    pub kv: KvClient<Channel>,
    pub lease: LeaseClient<Channel>,
    pub watch: WatchClient<Channel>,
    pub maintenance: MaintenanceClient<Channel>,
    pub cluster: ClusterClient<Channel>,
}

impl Api {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// If nobody answers in time.
    pub async fn connect(endpoint: &str, dial_timeout: Duration) -> Result<Self> {
        let options = Options { dial_timeout, ..Options::default() };
        let channel = tokio::time::timeout(dial_timeout, connect(endpoint, &options)).await;
        let channel = channel.with_context(|| format!("{endpoint} does not answer"))??;
        let max = usize::MAX;
        Ok(Self {
            kv: KvClient::new(channel.clone()).max_decoding_message_size(max),
            lease: LeaseClient::new(channel.clone()).max_decoding_message_size(max),
            watch: WatchClient::new(channel.clone()).max_decoding_message_size(max),
            maintenance: MaintenanceClient::new(channel.clone()).max_decoding_message_size(max),
            cluster: ClusterClient::new(channel).max_decoding_message_size(max),
        })
    }

    /// Everything that this member alone has, now.
    ///
    /// # Errors
    /// What it answers.
    pub async fn all(&self) -> Result<RangeResponse, Status> {
        let all = RangeRequest {
            key: vec![0].into(),
            range_end: vec![0].into(),
            serializable: true,
            ..RangeRequest::default()
        };
        Ok(self.kv.clone().range(all).await?.into_inner())
    }

    /// `HashKV`.
    ///
    /// # Errors
    /// What the member answers.
    pub async fn hash_kv(&self, revision: i64) -> Result<HashKvResponse, Status> {
        Ok(self.maintenance.clone().hash_kv(HashKvRequest { revision }).await?.into_inner())
    }

    /// `Status`.
    ///
    /// # Errors
    /// What the member answers.
    pub async fn status(&self) -> Result<StatusResponse, Status> {
        Ok(self.maintenance.clone().status(StatusRequest {}).await?.into_inner())
    }
}
