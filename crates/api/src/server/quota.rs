//! The quota where requests are proposed (etcd `v3rpc/quota.go`): what would exceed it is refused
//! without troubling the log, but for the alarm.

use proto::error::Error as Known;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{AlarmRequest, AlarmType, InternalRaftRequest};

use crate::Error;
use crate::server::Server;

/// What a lease costs (etcd `server/storage/quota.go`, `leaseOverhead`).
pub(crate) const LEASE_COST: u64 = 64;

impl Server {
    /// Refuses a request of this cost that the database has no room for, and sees to it that the
    /// alarm is raised.
    pub(crate) async fn check_room(&self, cost: u64) -> Result<(), Error> {
        if self.node.quota().has_room(self.node.sizes().size(), cost) {
            return Ok(());
        }
        // Boxed, since hardly any request comes here and each would carry the place for it.
        Box::pin(self.raise_no_space()).await;
        Err(Known::NoSpace.into())
    }

    async fn raise_no_space(&self) {
        let (_, member) = self.node.ids();
        if !self.node.view().alarms.is_raised_by(member, AlarmType::Nospace) {
            let alarm = AlarmRequest {
                action: AlarmAction::Activate.into(),
                member_id: member.get(),
                alarm: AlarmType::Nospace.into(),
            };
            let request =
                InternalRaftRequest { alarm: Some(alarm), ..InternalRaftRequest::default() };
            if let Err(error) = self.node.propose_as_root(request).await {
                tracing::warn!(%error, "failed to raise the alarm NOSPACE");
            }
        }
    }
}
