//! The version that a cluster is at, and its way down.

use harness::{Cluster, http_get_at};
use load::Api;
use proto::etcdserverpb::DowngradeRequest;
use proto::etcdserverpb::downgrade_request::DowngradeAction;
use std::time::{Duration, Instant};
use tonic::Status;

const DIAL_MAX: Duration = Duration::from_secs(2);

/// How long a cluster may take to change its version.
const CHANGE_MAX: Duration = Duration::from_secs(60);

/// Waits until all members tell their peers that the cluster is at this version.
pub async fn wait_for_version(cluster: &Cluster, version: &str) {
    let told = format!("{version}.0");
    until("the version", || all_tell(cluster, "etcdcluster", &told)).await;
}

async fn ask(cluster: &Cluster, action: DowngradeAction, version: &str) -> Result<(), Status> {
    let api = Api::connect(&cluster.members()[0].endpoint(), DIAL_MAX).await.unwrap();
    let request = DowngradeRequest { action: action.into(), version: version.to_owned() };
    api.maintenance.clone().downgrade(request).await.map(drop)
}

/// Begins the way to the version below, and waits until all members have taken the cluster's
/// version, and their data's, from it.
pub async fn enable_downgrade(cluster: &Cluster, to: &str) {
    let version = format!("{to}.0");
    ask(cluster, DowngradeAction::Validate, &version).await.unwrap();
    ask(cluster, DowngradeAction::Enable, &version).await.unwrap();
    let again = ask(cluster, DowngradeAction::Enable, &version).await.unwrap_err();
    assert!(again.message().contains("downgrade"), "{again}");
    until("the version of the cluster", || all_tell(cluster, "etcdcluster", &version)).await;
    // 3.5 writes none into its data.
    if to != "3.5" {
        until("the version of the data", || all_tell(cluster, "storage", &version)).await;
    }
}

/// Waits until nobody is on the way down any more.
pub async fn wait_for_the_end_of_the_downgrade(cluster: &Cluster) {
    let start = Instant::now();
    for member in cluster.members() {
        let api = Api::connect(&member.endpoint(), DIAL_MAX).await.unwrap();
        while api.status().await.unwrap().downgrade_info.unwrap_or_default().enabled {
            assert!(start.elapsed() < CHANGE_MAX, "the downgrade does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn all_tell(cluster: &Cluster, field: &str, value: &str) -> bool {
    cluster.members().iter().all(|member| {
        let Ok(reply) = http_get_at(member.address.peer, "/version") else { return false };
        let json: serde_json::Value = serde_json::from_str(&reply.body).unwrap_or_default();
        json[field] == value
    })
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !tokio::task::block_in_place(&condition) {
        assert!(start.elapsed() < CHANGE_MAX, "{what} does not change");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
