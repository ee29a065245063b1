//! `endpoint health`, `endpoint status` and `endpoint hashkv`.

use crate::say::say;
use client::grpc::etcdserverpb::cluster_client::ClusterClient;
use client::grpc::etcdserverpb::maintenance_client::MaintenanceClient;
use client::{Client, Config, Safety};
use proto::error::Error as Known;
use proto::etcdserverpb::{
    AlarmType, HashKvRequest, MemberListRequest, RangeRequest, StatusRequest,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::GoDuration;
use tokio::task::JoinSet;

use super::alarm;
use crate::cli::{Flag, Spec, bool_flag, int_flag};
use crate::context::Context;
use crate::failure::{ERROR, Failure};
use crate::print::{Hashes, Health, HealthList, Statuses};

/// `--cluster`.
pub const CLUSTER: Flag =
    bool_flag("cluster", "ask every member that the cluster lists instead of --endpoints");

/// What the commands take.
pub fn spec() -> Spec {
    let revision = int_flag("rev", "hash the history up to a revision; 0 means all of it");
    Spec {
        name: "endpoint",
        summary: "Shows how members are",
        inherited: vec![CLUSTER],
        commands: vec![
            Spec {
                name: "hashkv",
                summary: "Shows the hash of each member's keys and their history",
                flags: vec![revision],
                ..Spec::default()
            },
            Spec {
                name: "health",
                summary: "Tells whether members take requests",
                ..Spec::default()
            },
            Spec {
                name: "status",
                summary: "Shows what members say of themselves",
                details: "Shows what members say of themselves. In the format simple a line holds: \
                          endpoint, ID, version, storage version, db size, size in use, percentage \
                          not in use, quota, is leader, is learner, raft term, raft index, raft \
                          applied index, errors, downgrade target version, downgrade enabled.",
                ..Spec::default()
            },
        ],
        ..Spec::default()
    }
}

/// Runs one of them.
///
/// # Errors
/// If a member does not answer, or is not healthy.
pub async fn run(context: &Context, which: &str) -> Result<(), Failure> {
    match which {
        "health" => health(context).await,
        "status" => status(context).await,
        _ => hash_kv(context).await,
    }
}

/// The endpoints to go through: those given, or with `--cluster` all that members advertise.
///
/// # Errors
/// If the list of members is not to be had.
pub async fn endpoints(context: &Context) -> Result<Vec<String>, Failure> {
    if !context.arguments.is_set("cluster") {
        return Ok(context.globals.endpoints.clone());
    }
    let client = context.client().await?;
    let send = |channel| async move {
        ClusterClient::new(channel).member_list(MemberListRequest { linearizable: true }).await
    };
    let members = context.timed(client.call(Safety::Read, send)).await.map_err(|error| {
        let message = "failed to fetch endpoints from etcd cluster member list";
        Failure::new(ERROR, format_args!("{message}: {error}"))
    })?;
    Ok(members.members.into_iter().flat_map(|member| member.client_urls).collect())
}

/// A time as Go prints it.
pub fn took(time: Duration) -> GoDuration {
    GoDuration(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

async fn health(context: &Context) -> Result<(), Failure> {
    let mut asked = JoinSet::new();
    for endpoint in endpoints(context).await? {
        let config = context.config(vec![endpoint])?;
        asked.spawn(health_of(config, context.globals.command_timeout));
    }
    let mut list = Vec::new();
    while let Some(answer) = asked.join_next().await {
        list.push(answer.map_err(|error| Failure::new(ERROR, error))?);
    }
    let sick = list.iter().any(|health| !health.error.is_empty());
    context.print(&HealthList(list))?;
    if sick { Err(Failure::new(ERROR, "unhealthy cluster")) } else { Ok(()) }
}

/// Asks one endpoint: it is healthy if it answers a read that needs the cluster, and has no alarm.
async fn health_of(config: Config, limit: Duration) -> Health {
    let endpoint = config.endpoints.join(",");
    let unhealthy = Health { endpoint, ..Health::default() };
    let client = match Client::new(config).await {
        Ok(client) => Arc::new(client),
        Err(error) => return Health { error: error.to_string(), ..unhealthy },
    };
    let start = Instant::now();
    let deadline = tokio::time::Instant::now() + limit;
    let answer = tokio::time::timeout_at(deadline, probe(&client)).await;
    let health = Health { took: took(start.elapsed()).to_string(), ..unhealthy };
    match answer.unwrap_or(Err(client::Error::Deadline)) {
        Ok(()) => {}
        // Whoever is refused was answered by the whole cluster.
        Err(error) if error.known() == Some(Known::PermissionDenied) => {}
        Err(error) => return Health { error: error.to_string(), ..health },
    }
    match tokio::time::timeout_at(deadline, alarm::list(&client)).await {
        Ok(Ok(response)) if response.alarms.is_empty() => Health { healthy: true, ..health },
        Ok(Ok(response)) => {
            let names = response.alarms.iter().map(|alarm| match alarm.alarm() {
                AlarmType::Nospace => "NOSPACE ",
                AlarmType::Corrupt => "CORRUPT ",
                AlarmType::None => "UNKNOWN ",
            });
            let error = format!("Active Alarm(s): {}", names.collect::<String>());
            Health { error, ..health }
        }
        _ => Health { error: "Unable to fetch the alarm list".to_owned(), ..health },
    }
}

async fn probe(client: &Client) -> Result<(), client::Error> {
    let send = |channel| async move {
        let request = RangeRequest { key: "health".into(), ..RangeRequest::default() };
        client::grpc::etcdserverpb::kv_client::KvClient::new(channel).range(request).await
    };
    client.call(Safety::Read, send).await.map(drop)
}

async fn status(context: &Context) -> Result<(), Failure> {
    let mut list = Vec::new();
    let mut failed = false;
    for endpoint in endpoints(context).await? {
        let client = context.client_of(vec![endpoint.clone()]).await?;
        let send =
            |channel| async move { MaintenanceClient::new(channel).status(StatusRequest {}).await };
        match context.timed(client.call(Safety::Read, send)).await {
            Ok(status) => list.push((endpoint, status)),
            Err(error) => {
                failed = true;
                say!("Failed to get the status of endpoint {endpoint} ({error})");
            }
        }
    }
    context.print(&Statuses(list))?;
    if failed { Err(Failure::silent(ERROR)) } else { Ok(()) }
}

async fn hash_kv(context: &Context) -> Result<(), Failure> {
    let revision = context.arguments.int("rev");
    let mut list = Vec::new();
    let mut failure = None;
    for endpoint in endpoints(context).await? {
        let client = context.client_of(vec![endpoint.clone()]).await?;
        let send = |channel| async move {
            MaintenanceClient::new(channel).hash_kv(HashKvRequest { revision }).await
        };
        match context.timed(client.call(Safety::Read, send)).await {
            Ok(hash) => list.push((endpoint, hash)),
            Err(error) => {
                say!("Failed to get the hash of endpoint {endpoint} ({error})");
                failure = Some(Failure::new(ERROR, error));
            }
        }
    }
    context.print(&Hashes(list))?;
    failure.map_or(Ok(()), Err)
}
