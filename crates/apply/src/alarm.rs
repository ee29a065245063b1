//! Requests about alarms.

use proto::error::Error;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{AlarmRequest, AlarmType};
use types::MemberId;

use crate::applied::{Effect, Response};
use crate::applier::Applier;

impl Applier {
    /// An unknown action is answered with nothing, as in Go.
    pub(crate) fn alarm(
        &mut self,
        request: &AlarmRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<Response, Error> {
        let member = MemberId(request.member_id);
        let (alarms, backend) = (&mut self.alarms, &mut self.backend);
        let changed = match AlarmAction::try_from(request.action) {
            Ok(AlarmAction::Get) => return Ok(Response::Alarms(alarms.of_kind(request.alarm))),
            Ok(AlarmAction::Activate) if request.alarm != i32::from(AlarmType::None) => {
                Some(alarms.activate(backend, member, request.alarm))
            }
            Ok(AlarmAction::Deactivate) => alarms.deactivate(backend, member, request.alarm),
            Ok(AlarmAction::Activate) | Err(_) => None,
        };
        if changed.is_some() {
            effects.push(Effect::AlarmsChanged);
        }
        Ok(Response::Alarms(changed.into_iter().collect()))
    }
}
