//! Who may make a request, asked when it is applied: the same answer on every member.

use auth::Identity;
use proto::access::Op;
use proto::error::Error as Known;
use proto::etcdserverpb::InternalRaftRequest;
use types::LeaseId;

use crate::applier::Applier;
use crate::quota::{self, NestedCost};

impl Applier {
    pub(crate) fn permit(
        &self,
        who: &Identity,
        request: &InternalRaftRequest,
    ) -> Result<(), Known> {
        let (auth, leases) = (self.auth.view(), self.leases.view());
        if !auth.is_enabled() {
            return Ok(());
        }
        if let Some(op) = Op::in_entry(request) {
            auth.check_op(who, op, |lease| leases.keys(lease))?;
        }
        if let Some(revoke) = &request.lease_revoke {
            auth.check_lease(who, leases.keys(LeaseId(revoke.id)))?;
        }
        Ok(auth.check_request(who, request)?)
    }

    /// What a request costs against the quota.
    pub(crate) fn cost(&self, request: &InternalRaftRequest) -> u64 {
        if let Some(put) = &request.put {
            return quota::put_cost(put);
        }
        if let Some(txn) = &request.txn {
            return quota::txn_cost(txn, self.nested_cost());
        }
        if request.lease_grant.is_some() { quota::lease_cost() } else { 0 }
    }

    /// All members have to agree, and those of 3.5 don't count nested operations (spec/apply.md
    /// 6.8): the cluster version decides, since it is replicated.
    fn nested_cost(&self) -> NestedCost {
        let counted = self.cluster_version().is_some_and(|version| version >= proto::version::V3_6);
        if counted { NestedCost::Counted } else { NestedCost::Free }
    }
}
