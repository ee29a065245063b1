//! Snapshots on their way to other members, for whose sake old entries are kept.
//!
//! Invariant: entries are held from the moment a snapshot is asked for until [`REST`] after it has
//! arrived, so that its receiver finds the entries behind it.

use std::collections::BTreeSet;
use std::time::Duration;

use env::Monotonic;
use raft::SnapshotStatus;
use types::MemberId;

/// How long old entries are kept for somebody who has got a snapshot.
const REST: Duration = Duration::from_secs(30);

/// Who is being sent a snapshot.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    receivers: BTreeSet<MemberId>,
    until: Option<Monotonic>,
}

impl InFlight {
    /// A snapshot is to be sent.
    pub(crate) fn began(&mut self, to: MemberId) {
        self.receivers.insert(to);
    }

    /// Its way has ended.
    pub(crate) fn ended(&mut self, now: Monotonic, to: MemberId, status: SnapshotStatus) {
        if self.receivers.remove(&to) && status == SnapshotStatus::Finish {
            self.until = Some(now + REST);
        }
    }

    /// Only these are members now.
    pub(crate) fn retain(&mut self, is_member: impl Fn(MemberId) -> bool) {
        self.receivers.retain(|id| is_member(*id));
    }

    /// Whether old entries have to be kept.
    pub(crate) fn holds(&self, now: Monotonic) -> bool {
        !self.receivers.is_empty() || self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_held_while_a_snapshot_is_on_its_way_and_a_while_after() {
        let mut in_flight = InFlight::default();
        let at = |seconds| Monotonic(0) + Duration::from_secs(seconds);
        assert!(!in_flight.holds(at(0)));
        in_flight.began(MemberId(2));
        in_flight.began(MemberId(3));
        in_flight.ended(at(5), MemberId(3), SnapshotStatus::Failure);
        assert!(in_flight.holds(at(1000)));
        in_flight.ended(at(10), MemberId(2), SnapshotStatus::Finish);
        assert!(in_flight.holds(at(39)));
        assert!(!in_flight.holds(at(40)));
    }
}
