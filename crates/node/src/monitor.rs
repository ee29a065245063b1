//! What a member does by itself from time to time: it publishes its name, watches over versions,
//! ends leases, compacts, and removes old files. Each is a task of its own on the runtime.

use std::time::Duration;

use apply::Response;
use prost::Message;
use proto::etcdserverpb::{
    CompactionRequest, InternalRaftRequest, LeaseCheckpointRequest, LeaseRevokeRequest,
    RequestHeader,
};
use proto::membershippb::{Attributes, ClusterMemberAttrSetRequest};
use telemetry::GoDuration;
use watch::PROGRESS_SLOTS;

use crate::compactor::Compactor;
use crate::handle::Node;
use crate::probation::Trial;
use crate::start::Options;
use crate::{cluster_version, consensus, corruption, log};

/// How often old files are removed.
const PURGE_INTERVAL: Duration = Duration::from_secs(30);
/// How often ended tokens are forgotten.
const TOKEN_INTERVAL: Duration = Duration::from_secs(1);
/// How often, and how many times, it is looked whether others are connected at the start.
const SKIP_INTERVAL: Duration = Duration::from_millis(50);
const SKIP_ATTEMPTS: usize = 100;
/// How soon something that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Starts all of them. They end with the member.
pub(crate) fn start(node: &Node, options: &Options, trial: Option<Trial>) {
    spawn(node, publish(node.clone(), options.name.clone(), options.client_urls.clone(), trial));
    spawn(node, cluster_version::watch_versions(node.clone()));
    if let Some(interval) = options.downgrade_check {
        spawn(node, cluster_version::end_downgrades(node.clone(), interval));
    }
    if let Some(period) = options.checks.period {
        spawn(node, corruption::check_periodically(node.clone(), period));
    }
    if let Some(interval) = options.checks.compaction {
        spawn(node, corruption::check_compactions(node.clone(), interval));
    }
    let skip = options.skip_first_ticks.then_some(options.election_ticks.saturating_sub(2));
    if let Some(ticks) = skip {
        spawn(node, skip_ticks(node.clone(), ticks));
    }
    spawn(node, end_leases(node.clone()));
    spawn(node, compact(node.clone(), options.retention));
    spawn(node, purge(node.clone()));
    spawn(node, forget_tokens(node.clone()));
    spawn(node, notify_progress(node.clone(), options.watch_progress_interval));
}

fn spawn(node: &Node, task: impl Future<Output = ()> + Send + 'static) {
    let stopping = node.clone();
    node.tasks().spawn(Box::pin(async move {
        tokio::select! {
            biased;
            () = stopping.stopped() => {}
            () = task => {}
        }
    }));
}

/// Shortens the first wait for a leader, once at least two others are connected: a leader among
/// them would have been heard of by then.
async fn skip_ticks(node: Node, ticks: u32) {
    for _ in 0..SKIP_ATTEMPTS {
        node.sleep(SKIP_INTERVAL).await;
        let others = node.other_members();
        let peers = node.0.peers.transport();
        let active = others.iter().filter(|member| peers.active_since(member.id).is_some());
        if node.has_leader() {
            return;
        }
        if active.count() >= 2 {
            for _ in 0..ticks {
                node.0.consensus.complete(consensus::Event::Tick);
            }
            return;
        }
    }
}

/// Makes the member's name and client URLs known, until the members' rows have them; not while it is
/// on probation.
async fn publish(node: Node, name: String, client_urls: Vec<String>, trial: Option<Trial>) {
    if let Some(trial) = trial {
        trial.go_on(&node).await;
    }
    let (me, cluster) = (node.ids().1, node.ids().0);
    let shown = format!("{{Name:{name} ClientURLs:[{}]}}", client_urls.join(" "));
    let timeout = GoDuration::from(node.0.settings.request_timeout);
    let attributes = Attributes { name, client_urls };
    loop {
        let request = ClusterMemberAttrSetRequest {
            member_id: me.get(),
            member_attributes: Some(attributes.clone()),
        };
        let request = InternalRaftRequest {
            cluster_member_attr_set: Some(request),
            ..InternalRaftRequest::default()
        };
        env::fail_point!("beforePublishing");
        match node.propose_as_root(request).await {
            Ok(_) => break,
            Err(error) => tracing::warn!("local-member-id" = %me,
                "local-member-attributes" = shown, "publish-timeout" = %timeout,
                error = %error.message, "failed to publish local member to cluster through raft"),
        }
        node.sleep(RETRY_INTERVAL).await;
    }
    tracing::info!("local-member-id" = %me, "local-member-attributes" = shown,
        "cluster-id" = %cluster, "publish-timeout" = %timeout,
        "published local member to cluster through raft");
    node.0.published.send_replace(true);
}

/// Proposes to revoke leases that have expired, and notes what is left of long ones.
async fn end_leases(node: Node) {
    loop {
        node.sleep(lease::LOOP_INTERVAL).await;
        let now = node.0.clock.now();
        let (expired, checkpoints) = {
            let mut deadlines = node.0.deadlines();
            let expired = deadlines.expired(now, lease::REVOKES_PER_SECOND / 2);
            (expired, deadlines.checkpoints_due(now, lease::CHECKPOINT_BATCH_MAX))
        };
        let term = node.term();
        node.metrics().leases.expired(expired.len());
        for id in expired {
            let revoke = LeaseRevokeRequest { id: id.get() };
            propose_as_leader(
                &node,
                term,
                InternalRaftRequest {
                    lease_revoke: Some(revoke),
                    ..InternalRaftRequest::default()
                },
            );
        }
        if !checkpoints.is_empty() {
            let checkpoint = LeaseCheckpointRequest { checkpoints };
            propose_as_leader(
                &node,
                term,
                InternalRaftRequest {
                    lease_checkpoint: Some(checkpoint),
                    ..InternalRaftRequest::default()
                },
            );
        }
    }
}

/// Proposes without waiting, and only while this member leads the term: an ex-leader must not end
/// leases.
fn propose_as_leader(node: &Node, term: types::Term, mut request: InternalRaftRequest) {
    let who = node.root();
    let id = node.next_id();
    request.header = Some(RequestHeader { id, username: who.user, auth_revision: who.revision });
    let data = request.encode_to_vec().into();
    node.0.consensus.complete(consensus::Event::ProposeIfLeader { term, data });
}

async fn compact(node: Node, retention: crate::compactor::Retention) {
    let mut compactor = Compactor::new(retention, node.0.clock.now());
    while let Some(next) = compactor.next_poll() {
        node.sleep(next.since(node.0.clock.now())).await;
        let now = node.0.clock.now();
        let revision = node.view().read.revision();
        let Some(target) = compactor.poll(now, revision, node.raft().is_leader) else { continue };
        tracing::info!(revision = target, "starting auto compaction");
        let compaction = CompactionRequest { revision: target, physical: false };
        let request =
            InternalRaftRequest { compaction: Some(compaction), ..InternalRaftRequest::default() };
        match node.propose_as_root(request).await {
            Ok(answer) => {
                debug_assert!(matches!(answer.response, Response::Empty));
                compactor.done(node.0.clock.now(), target);
                tracing::info!(revision = target, "completed auto compaction");
            }
            Err(error) if error == proto::error::Error::Compacted.into() => {
                compactor.done(node.0.clock.now(), target);
            }
            Err(error) => tracing::warn!(revision = target, %error, "failed auto compaction"),
        }
    }
    node.stopped().await;
}

async fn purge(node: Node) {
    loop {
        node.0.log.complete(log::Task::Purge);
        node.sleep(PURGE_INTERVAL).await;
    }
}

async fn forget_tokens(node: Node) {
    loop {
        node.sleep(TOKEN_INTERVAL).await;
        let now = node.0.clock.now();
        node.0.tokens().sweep(now);
    }
}

async fn notify_progress(node: Node, interval: Duration) {
    let mut slot = 0;
    loop {
        node.sleep((interval / PROGRESS_SLOTS as u32).max(Duration::from_millis(1))).await;
        node.0.watch.complete(watch::Event::ProgressTick(slot));
        slot = (slot + 1) % PROGRESS_SLOTS;
    }
}
