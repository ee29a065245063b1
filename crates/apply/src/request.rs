//! One request: who may make it, whether there is room, and to whom it goes.

use auth::Identity;
use proto::error::Error as Known;
use proto::etcdserverpb::{AlarmType, InternalRaftRequest};
use types::Index;

use crate::applied::{Effect, Response};
use crate::applier::{Applier, Error, Waiter};

/// The answer, or the refusal.
pub(crate) type Outcome = Result<Response, Known>;

impl Applier {
    pub(crate) fn request(
        &mut self,
        index: Index,
        request: &InternalRaftRequest,
        waiter: Waiter,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Error> {
        if let Some(outcome) = self.of_cluster(index, request, effects)? {
            return Ok(outcome);
        }
        if waiter == Waiter::Absent && is_question(request) {
            return Ok(Ok(Response::Empty));
        }
        let who = Identity::of(request.header.as_ref());
        if let Err(refusal) = self.alarm_refusal(request).and_then(|()| self.permit(&who, request))
        {
            return Ok(Err(refusal));
        }
        let has_room = self.has_room(request);
        let outcome = self.carry_out(index, request, waiter, effects)?;
        if outcome.is_ok() && !has_room {
            // It is applied all the same, as on every member; the answer alone says otherwise.
            effects.push(Effect::NoSpace);
            return Ok(Err(Known::NoSpace));
        }
        Ok(outcome)
    }

    fn carry_out(
        &mut self,
        index: Index,
        request: &InternalRaftRequest,
        waiter: Waiter,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Error> {
        if let Some(outcome) = self.kv(request, waiter, effects)? {
            return Ok(outcome);
        }
        if let Some(grant) = &request.lease_grant {
            return Ok(self.lease_grant(grant, effects));
        }
        if let Some(revoke) = &request.lease_revoke {
            return Ok(self.lease_revoke(revoke, effects));
        }
        if let Some(checkpoint) = &request.lease_checkpoint {
            return Ok(self.lease_checkpoint(checkpoint, effects));
        }
        if let Some(alarm) = &request.alarm {
            return Ok(self.alarm(alarm, effects));
        }
        let outcome = self.auth(request, index, effects);
        outcome.ok_or_else(|| Error::Entry { index, reason: "unknown kind of request".to_owned() })
    }

    /// What an active alarm forbids (etcd `apply/corrupt.go`, `apply/capped.go`). Alarms are
    /// replicated, so every member gives the same answer.
    fn alarm_refusal(&self, request: &InternalRaftRequest) -> Result<(), Known> {
        let touches_keys = request.put.is_some()
            || request.range.is_some()
            || request.delete_range.is_some()
            || request.txn.is_some()
            || request.compaction.is_some();
        let touches_leases = request.lease_grant.is_some() || request.lease_revoke.is_some();
        if self.alarms.is_active(AlarmType::Corrupt) && (touches_keys || touches_leases) {
            return Err(Known::Corrupt);
        }
        let grows = self.cost(request) > 0;
        if self.alarms.is_active(AlarmType::Nospace) && grows {
            return Err(Known::NoSpace);
        }
        Ok(())
    }

    fn has_room(&self, request: &InternalRaftRequest) -> bool {
        self.settings.quota.has_room(self.backend.size(), self.cost(request))
    }
}

/// Whether a request changes nothing: it is carried out for its answer alone.
fn is_question(request: &InternalRaftRequest) -> bool {
    request.range.is_some()
        || request.auth_user_get.is_some()
        || request.auth_role_get.is_some()
        || request.auth_status.is_some()
}
