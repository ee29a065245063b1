//! The checks that a proposer makes before a change of members (spec/peer.md 5.12).

use membership::Change;
use membership::reconfiguration::{self, Connections};
use proto::error::{Error as Known, Status};
use types::MemberId;

use crate::shared::Shared;

/// Refuses what would cost the cluster its quorum.
pub(crate) fn check(shared: &Shared, change: &Change) -> Result<(), Status> {
    let active_since = |id: MemberId| shared.peers.transport().active_since(id);
    let connections = Connections {
        local: shared.member_id,
        now: shared.clock.now(),
        active_since: &active_since,
    };
    let cluster = &shared.view().cluster;
    let checked = match change {
        Change::Add(member) => reconfiguration::may_add(cluster, member.is_learner, connections),
        Change::Remove(id) => {
            let may = reconfiguration::may_remove(cluster, *id, connections);
            if may.is_ok() && cluster.member(*id).is_none() {
                return Err(Known::MemberNotFound.into());
            }
            may
        }
        Change::Promote(_) => reconfiguration::may_promote(cluster),
        Change::Update { .. } => Ok(()),
    };
    checked.map_err(|refusal| Known::from(refusal).into())
}
