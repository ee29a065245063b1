//! The cluster version: what the leader makes of the versions that all members tell, and the end of
//! a downgrade (server/etcdserver/version/monitor.go).
//!
//! The rules are `membership::versions`'; here are the questions to the others and the proposals.

use std::collections::BTreeMap;
use std::time::Duration;

use membership::{Member, versions};
use proto::etcdserverpb::InternalRaftRequest;
use proto::membershippb::{ClusterVersionSetRequest, DowngradeInfoSetRequest};
use proto::version::{self, Version};
use tokio::sync::oneshot;
use types::MemberId;

use crate::applying;
use crate::founding;
use crate::handle::Node;

/// How often versions are looked at.
const VERSION_INTERVAL: Duration = Duration::from_secs(4);
/// The first patch of 3.5 whose answer to a nested write outside of a user's permission is ours.
const NESTED_AUTH_FIX: Version = Version::new(3, 5, 28);

/// What was said in the log already.
#[derive(Default)]
struct Told {
    held: bool,
    nested_auth: bool,
}

/// Keeps the cluster version, while this member leads, at what all members can work at; and the
/// version of this member's own storage at the cluster's.
pub(crate) async fn watch_versions(node: Node) {
    let mut leadership = node.0.leadership.subscribe();
    let mut told = Told::default();
    loop {
        if node.raft().is_leader {
            decide(&node, &mut told).await;
        }
        let cluster = node.view().cluster.version();
        if let Some(cluster) = cluster.filter(|cluster| *cluster > version::MIN_CLUSTER) {
            node.0.apply.complete(applying::Event::StorageVersion(cluster));
        }
        tokio::select! {
            biased;
            () = node.sleep(VERSION_INTERVAL) => {}
            _ = leadership.changed() => {}
        }
    }
}

async fn decide(node: &Node, told: &mut Told) {
    let cluster = node.view().cluster.clone();
    let max = node.0.settings.max_cluster_version;
    let level = max.level(cluster.version().or(node.0.joined));
    if level < version::V3_7 && !told.held {
        told.held = true;
        tracing::info!(level = %level, "the cluster version is held; to go on, start every member \
            once with a higher --max-cluster-version");
    }
    let servers = server_versions(node).await;
    warn_of_nested_auth(&servers, told);
    let lowest = lowest(&servers);
    let decided = match versions::decide(cluster.version(), lowest, &cluster.downgrade()) {
        Ok(decided) => decided,
        Err(error) => {
            tracing::error!(%error, "the cluster version stays");
            None
        }
    };
    if let Some(decided) = decided {
        let set = ClusterVersionSetRequest { ver: decided.to_string() };
        let request = InternalRaftRequest {
            cluster_version_set: Some(set),
            ..InternalRaftRequest::default()
        };
        propose(node, request).await;
    }
}

/// Ends a downgrade, while this member leads, when all servers are at its target.
pub(crate) async fn end_downgrades(node: Node, interval: Duration) {
    loop {
        node.sleep(interval).await;
        let target = node.view().cluster.downgrade().target_version();
        let Some(target) = target.filter(|_| node.raft().is_leader) else { continue };
        if all_are_at(&server_versions(&node).await, target) {
            tracing::info!("cluster-version" = %target, "the cluster has been downgraded");
            let set = DowngradeInfoSetRequest { enabled: false, ver: String::new() };
            let request = InternalRaftRequest {
                downgrade_info_set: Some(set),
                ..InternalRaftRequest::default()
            };
            propose(&node, request).await;
        }
    }
}

async fn propose(node: &Node, request: InternalRaftRequest) {
    if let Err(error) = node.propose_as_root(request).await {
        tracing::warn!(%error, "failed to update cluster version");
    }
}

/// The server version of each member; `None` for one that does not tell.
async fn server_versions(node: &Node) -> BTreeMap<MemberId, Option<Version>> {
    let view = node.view();
    let (others, me): (Vec<Member>, MemberId) = {
        let me = node.ids().1;
        (view.cluster.members().filter(|member| member.id != me).cloned().collect(), me)
    };
    let mut found = BTreeMap::from([(me, Some(node.level()))]);
    let asked: Vec<_> = others
        .into_iter()
        .map(|member| {
            let node = node.clone();
            let (sender, receiver) = oneshot::channel();
            node.clone().tasks().spawn(Box::pin(async move {
                let told = founding::versions_of(node.network(), &member, node.patience()).await;
                if told.is_none() {
                    tracing::warn!("remote-member-id" = %member.id, "failed to get version");
                }
                let version = told.and_then(|told| told.server.parse().ok());
                // Nobody waits any more when the member stops.
                let _ = sender.send((member.id, version));
            }));
            receiver
        })
        .collect();
    for asked in asked {
        // It is gone only when the runtime is.
        if let Ok((id, version)) = asked.await {
            found.insert(id, version);
        }
    }
    found
}

fn lowest(servers: &BTreeMap<MemberId, Option<Version>>) -> Option<Version> {
    let known: Option<Vec<Version>> = servers.values().copied().collect();
    known?.into_iter().min()
}

fn all_are_at(servers: &BTreeMap<MemberId, Option<Version>>, target: Version) -> bool {
    servers.values().all(|version| version.map(Version::without_patch) == Some(target))
}

/// All members have to give the same answer to a request; old ones of 3.5 do not in one corner.
fn warn_of_nested_auth(servers: &BTreeMap<MemberId, Option<Version>>, told: &mut Told) {
    let is_old =
        |version: &Version| version.without_patch() == version::V3_5 && *version < NESTED_AUTH_FIX;
    let old = servers.iter().find(|(_, version)| version.as_ref().is_some_and(is_old));
    if let Some((id, _)) = old
        && !told.nested_auth
    {
        told.nested_auth = true;
        tracing::warn!("remote-member-id" = %id, "a member lets users write outside of their \
            permissions in nested transactions, where this one refuses: update it to the last \
            patch of 3.5");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(versions: &[Option<Version>]) -> BTreeMap<MemberId, Option<Version>> {
        (1..).map(MemberId).zip(versions.iter().copied()).collect()
    }

    #[test]
    fn one_that_does_not_tell_its_version_makes_the_lowest_unknown() {
        let (old, new) = (Version::new(3, 5, 16), Version::new(3, 7, 1));
        assert_eq!(lowest(&servers(&[Some(new), Some(old)])), Some(old));
        assert_eq!(lowest(&servers(&[Some(new), None])), None);
    }

    #[test]
    fn a_downgrade_has_ended_when_all_are_at_its_target() {
        let at = |patch| Some(Version::new(3, 6, patch));
        assert!(all_are_at(&servers(&[at(14), at(2)]), version::V3_6));
        assert!(!all_are_at(&servers(&[at(14), Some(version::SERVER)]), version::V3_6));
        assert!(!all_are_at(&servers(&[at(14), None]), version::V3_6));
    }
}
