//! Requests about leases. Keys are deleted by `mvcc`, in one transaction for each lease.

use lease::Checkpoints;
use proto::error::Error;
use proto::etcdserverpb as pb;
use types::LeaseId;

use crate::applied::{Effect, Response};
use crate::applier::Applier;

type Outcome = Result<Response, Error>;

impl Applier {
    pub(crate) fn lease_grant(
        &mut self,
        request: &pb::LeaseGrantRequest,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let lease = self.leases.grant(&mut self.backend, LeaseId(request.id), request.ttl)?;
        effects.push(Effect::LeaseGranted(lease));
        Ok(Response::Lease(lease))
    }

    pub(crate) fn lease_revoke(
        &mut self,
        request: &pb::LeaseRevokeRequest,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let id = LeaseId(request.id);
        let keys = self.leases.revoke(&mut self.backend, id)?;
        self.delete_keys(&keys);
        effects.push(Effect::LeaseRevoked(id));
        Ok(Response::Empty)
    }

    pub(crate) fn lease_checkpoint(
        &mut self,
        request: &pb::LeaseCheckpointRequest,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let rule = Checkpoints::rule(self.settings.persist_checkpoints, self.cluster_version());
        for checkpoint in &request.checkpoints {
            let (id, left) = (LeaseId(checkpoint.id), checkpoint.remaining_ttl);
            if self.leases.checkpoint(&mut self.backend, id, left, rule).is_some() {
                effects.push(Effect::LeaseCheckpointed { id, remaining_ttl: left });
            }
        }
        Ok(Response::Empty)
    }
}
