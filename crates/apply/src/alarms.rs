//! The active alarms: replicated, kept as rows of the bucket `alarm`.
//!
//! Invariant: what is active is what has a row. `NONE` is never active.

use std::collections::BTreeSet;

use backend::schema::{self, Bucket};
use backend::{Backend, Result};
use bytes::Bytes;
use proto::etcdserverpb::{AlarmMember, AlarmType};
use types::MemberId;

/// Who raised which alarm. Ordered by member, then kind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Alarms {
    active: BTreeSet<(MemberId, i32)>,
}

impl Alarms {
    /// Reads the rows.
    ///
    /// # Errors
    /// When the file cannot be read, or a row is damaged.
    pub fn load(backend: &Backend) -> Result<Self> {
        let mut active = BTreeSet::new();
        for (key, _) in backend.rows(Bucket::Alarm)? {
            let alarm = schema::alarm::decode(&key)
                .map_err(|row| backend.last_committed().corrupted(row))?;
            active.insert((MemberId(alarm.member_id), alarm.alarm));
        }
        Ok(Self { active })
    }

    /// Raises an alarm; one that is up already stays. Returns it.
    pub fn activate(&mut self, backend: &mut Backend, member: MemberId, kind: i32) -> AlarmMember {
        let alarm = AlarmMember { member_id: member.get(), alarm: kind };
        if self.active.insert((member, kind)) {
            backend.put(Bucket::Alarm, schema::alarm::key(&alarm), Bytes::new());
        }
        alarm
    }

    /// Ends an alarm; `None` if it is not up.
    pub fn deactivate(
        &mut self,
        backend: &mut Backend,
        member: MemberId,
        kind: i32,
    ) -> Option<AlarmMember> {
        if !self.active.remove(&(member, kind)) {
            return None;
        }
        let alarm = AlarmMember { member_id: member.get(), alarm: kind };
        backend.delete(Bucket::Alarm, schema::alarm::key(&alarm));
        Some(alarm)
    }

    /// Those of a kind; `NONE` stands for every kind.
    #[must_use]
    pub fn of_kind(&self, kind: i32) -> Vec<AlarmMember> {
        let any = kind == i32::from(AlarmType::None);
        self.active
            .iter()
            .filter(|(_, active)| any || *active == kind)
            .map(|(member, alarm)| AlarmMember { member_id: member.get(), alarm: *alarm })
            .collect()
    }

    /// Whether some member raised this kind.
    #[must_use]
    pub fn is_active(&self, kind: AlarmType) -> bool {
        self.active.iter().any(|(_, active)| *active == i32::from(kind))
    }

    /// Whether this member raised this kind.
    #[must_use]
    pub fn is_raised_by(&self, member: MemberId, kind: AlarmType) -> bool {
        self.active.contains(&(member, i32::from(kind)))
    }
}
