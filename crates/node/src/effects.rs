//! What an applied entry asks of the member beyond the replicated state.

use std::io;
use std::sync::Arc;

use apply::Effect;
use backend::{Image, Ticket};
use membership::{Change, Cluster};
use prost::Message as _;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{AlarmRequest, AlarmType, InternalRaftRequest, RequestHeader};
use proto::raftpb::Message;
use raft::confchange::ConfChangeEntry;
use types::Index;

use crate::network::Database;
use crate::shared::Shared;
use crate::{applying, consensus, turns};

/// Carries out effects in their order.
pub(crate) fn perform(shared: &Arc<Shared>, index: Index, effects: Vec<Effect>) {
    for effect in effects {
        perform_one(shared, index, effect);
    }
}

fn perform_one(shared: &Arc<Shared>, index: Index, effect: Effect) {
    match effect {
        Effect::ConfChange { change, conf_state } => {
            let change = change.map(ConfChangeEntry::V2);
            shared.consensus.complete(consensus::Event::ConfChange { index, change, conf_state });
        }
        Effect::MembersChanged(change) => members_changed(shared, &change),
        Effect::TermBegun => promote_if_leader(shared),
        Effect::LeaseGranted(lease) => {
            shared.metrics.leases.granted(lease.ttl);
            let now = shared.clock.now();
            shared.deadlines().granted(now, lease);
        }
        Effect::LeaseRevoked(id) => {
            shared.metrics.leases.revoked();
            shared.deadlines().revoked(id);
        }
        Effect::LeaseCheckpointed { id, remaining_ttl } => {
            let now = shared.clock.now();
            shared.deadlines().checkpointed(now, id, remaining_ttl);
        }
        Effect::Auth(effect) => shared.tokens().follow(&effect),
        Effect::LoggedIn(login) => {
            let now = shared.clock.now();
            if let Err(error) = shared.tokens().assign(now, &login) {
                tracing::warn!(%error, user = %login.user, "failed to assign a token");
            }
        }
        Effect::NoSpace => raise_no_space(shared),
        Effect::ClusterVersion { from, to } => {
            if to > proto::version::MIN_CLUSTER {
                shared.apply.complete(applying::Event::StorageVersion(to));
            }
            // A higher version lifts a hold that was not asked for.
            let level = shared.settings.max_cluster_version.level(Some(to));
            if membership::versions::is_below_cluster(level, Some(to)) {
                shared.fail(format!(
                    "this member is held at {level} by --max-cluster-version, and the cluster \
                     version is {to} now"
                ));
            }
            let from = from.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
            tracing::info!("cluster-id" = %shared.cluster_id, "local-member-id" = %shared.member_id,
                %from, to = %to, "updated cluster version");
            shared.peers.transport().set_level(shared.announced());
        }
        Effect::Compact(_) => unreachable!("the applying side keeps compactions to itself"),
        Effect::AlarmsChanged | Effect::DowngradeChanged => {}
    }
}

/// A leader's first entry of its term is applied: everything before it is too, so the leases that
/// are there are all there are.
fn promote_if_leader(shared: &Shared) {
    if shared.status().is_leader {
        let now = shared.clock.now();
        let leases = shared.view().leases.clone();
        shared.deadlines().promote(now, leases.iter(), shared.settings.election);
    }
}

fn members_changed(shared: &Arc<Shared>, change: &Change) {
    let id = change.id();
    match change {
        Change::Add(member) => tracing::info!("cluster-id" = %shared.cluster_id,
            "local-member-id" = %shared.member_id, "added-peer-id" = %id,
            "added-peer-is-learner" = member.is_learner, "added member"),
        Change::Promote(_) => tracing::info!("cluster-id" = %shared.cluster_id,
            "local-member-id" = %shared.member_id, "promoted-member-id" = %id, "promote member"),
        Change::Remove(_) => tracing::info!("cluster-id" = %shared.cluster_id,
            "local-member-id" = %shared.member_id, "removed-remote-peer-id" = %id, "removed member"),
        Change::Update { .. } => tracing::info!("cluster-id" = %shared.cluster_id,
            "local-member-id" = %shared.member_id, "updated-remote-peer-id" = %id, "updated member"),
    }
    shared.peers.follow(&shared.view().cluster);
    if matches!(change, Change::Remove(_)) && id == shared.member_id {
        shared.removed.send_replace(true);
    }
}

/// Another member's state is in place of this one's.
pub(crate) fn installed(shared: &Shared, compacted: Option<i64>) {
    let view = shared.view();
    shared.deadlines().demote();
    shared.tokens().begin(view.auth.is_enabled());
    shared.peers.follow(&view.cluster);
    shared.peers.transport().set_level(shared.announced());
    if let Some(revision) = compacted {
        shared.compacted.send_replace(revision);
    }
    tracing::info!("applySnapshot: opened snapshot backend");
    tracing::info!("incoming-leader-snapshot-index" = view.index.get(), "applied snapshot");
    if view.cluster.is_removed(shared.member_id) {
        shared.removed.send_replace(true);
    }
}

/// Sends a committed state to a member that is too far behind for entries.
pub(crate) fn send_snapshot(
    shared: &Shared,
    mut message: Message,
    ticket: &Ticket,
    cluster: &Cluster,
) {
    message.snapshot = Some(Box::new(turns::snapshot_of(ticket, cluster)));
    let image = ticket.state.image();
    let database = Database { size: image.len(), content: Box::new(Content(image)) };
    shared.peers.transport().send_snapshot(message, database);
}

/// A committed state as bytes.
struct Content(Image);

impl io::Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(io::Error::other)
    }
}

/// Raises the alarm of this member, by a proposal nobody waits for.
fn raise_no_space(shared: &Shared) {
    let alarm = AlarmRequest {
        action: AlarmAction::Activate.into(),
        member_id: shared.member_id.get(),
        alarm: AlarmType::Nospace.into(),
    };
    let id = shared.ids.next();
    let request = InternalRaftRequest {
        header: Some(RequestHeader { id, ..RequestHeader::default() }),
        alarm: Some(alarm),
        ..InternalRaftRequest::default()
    };
    let data = request.encode_to_vec().into();
    shared.consensus.complete(consensus::Event::Propose { id, data });
}
