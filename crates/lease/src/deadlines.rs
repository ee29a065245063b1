//! The leader's part of leases: when each of them ends.
//!
//! Owned by `node`. Filled at promotion, dropped at step-down; in between it follows what apply has
//! done ([`granted`](Deadlines::granted), [`revoked`](Deadlines::revoked),
//! [`checkpointed`](Deadlines::checkpointed)) and what clients ask ([`renew`](Deadlines::renew)).
//! What is due is proposed by the caller, as leader and in the term of the promotion only.
//!
//! Does not know keys, raft, or a clock: time is an argument and never goes back.
//!
//! Invariants: without a promotion there are no deadlines; each lease stands in `queue` exactly
//! once, at its `due`, and in `checkpoints` at most once; `due == expiry` until the lease was given
//! out as expired. A lease whose expiry has passed never gets a later one: it can only be revoked,
//! or forgotten at step-down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use env::Monotonic;
use proto::etcdserverpb::LeaseCheckpoint;
use types::LeaseId;

use crate::{Error, Lease, spread};

/// How often the caller asks what is due.
pub const LOOP_INTERVAL: Duration = Duration::from_millis(500);
/// How many leases a leader revokes per second at most; half of them per [`LOOP_INTERVAL`].
pub const REVOKES_PER_SECOND: usize = 1000;
/// How many revokes the caller has in flight at most.
pub const REVOKES_IN_FLIGHT_MAX: usize = 16;
/// After how long a lease that is still there is given out as expired again.
pub const REVOKE_INTERVAL: Duration = Duration::from_secs(3);
/// How long before a lease's remaining time is noted again, unless set otherwise.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(300);
/// How many checkpoints go into one proposal at most.
pub const CHECKPOINT_BATCH_MAX: usize = 1000;

/// How deadlines are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// How often the remaining time of a long lease is noted; `None` when the feature
    /// `LeaseCheckpoint` is off.
    pub checkpoint_interval: Option<Duration>,
    /// After how long an expired lease that is still there is given out again.
    pub revoke_interval: Duration,
    /// The rate that a promotion spreads deadlines for.
    pub revokes_per_second: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            checkpoint_interval: None,
            revoke_interval: REVOKE_INTERVAL,
            revokes_per_second: REVOKES_PER_SECOND,
        }
    }
}

/// What became of a renewal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Renewal {
    /// The lease lives another `ttl` seconds.
    Renewed {
        /// Seconds.
        ttl: i64,
    },
    /// The lease has a checkpoint: propose one with a remaining time of 0, and ask again when it is
    /// applied.
    CheckpointFirst,
    /// The lease has expired. The answer is [`Error::NotFound`] once it is revoked, or
    /// [`Error::NotPrimary`] if leadership goes before that.
    RevokePending,
}

/// When each lease ends, as the leader has it.
pub struct Deadlines {
    options: Options,
    primary: bool,
    leases: BTreeMap<LeaseId, Deadline>,
    /// When each lease is to be given out as expired.
    queue: BTreeSet<(Monotonic, LeaseId)>,
    /// When the remaining time of each long lease is to be noted.
    checkpoints: BTreeSet<(Monotonic, LeaseId)>,
}

struct Deadline {
    ttl: i64,
    remaining_ttl: i64,
    expiry: Monotonic,
    /// Where it stands in the queue: its expiry, or when it is given out again.
    due: Monotonic,
    /// Where it stands among the checkpoints.
    checkpoint: Option<Monotonic>,
}

impl Deadlines {
    /// Of a member that is not the leader.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        Self {
            options,
            primary: false,
            leases: BTreeMap::new(),
            queue: BTreeSet::new(),
            checkpoints: BTreeSet::new(),
        }
    }

    /// Whether this member keeps deadlines.
    #[must_use]
    pub const fn is_primary(&self) -> bool {
        self.primary
    }

    /// Begins to keep deadlines: each lease gets its whole remaining time and `extend`, an election
    /// timeout, on top, since the leader before may have renewed it a moment ago. Deadlines that
    /// pile up are spread.
    pub fn promote(
        &mut self,
        now: Monotonic,
        leases: impl IntoIterator<Item = Lease>,
        extend: Duration,
    ) {
        self.demote();
        self.primary = true;
        let mut all: Vec<(Duration, Lease)> = leases
            .into_iter()
            .map(|lease| (extend + seconds(lease.seconds_at_promotion()), lease))
            .collect();
        all.sort_by_key(|(left, lease)| (*left, lease.id));
        let mut delays = Vec::new();
        if all.len() >= self.options.revokes_per_second {
            let lefts: Vec<Duration> = all.iter().map(|(left, _)| *left).collect();
            delays = spread::delays(&lefts, self.options.revokes_per_second);
        }
        for (position, (left, lease)) in all.into_iter().enumerate() {
            let delay = delays.get(position).copied().unwrap_or_default();
            if env::planted!("lease-deadlines-kept") && self.leases.contains_key(&lease.id) {
                continue;
            }
            self.insert(now, lease, now + left + delay);
        }
    }

    /// Stops to keep deadlines and forgets them.
    pub fn demote(&mut self) {
        self.primary = false;
        if env::planted!("lease-deadlines-kept") {
            return;
        }
        self.leases.clear();
        self.queue.clear();
        self.checkpoints.clear();
    }

    /// A grant was applied.
    pub fn granted(&mut self, now: Monotonic, lease: Lease) {
        if self.primary {
            self.insert(now, lease, now + seconds(lease.ttl));
        }
    }

    /// A revoke was applied: whoever waits to renew this lease is told that it is gone.
    pub fn revoked(&mut self, id: LeaseId) {
        if let Some(deadline) = self.leases.remove(&id) {
            self.queue.remove(&(deadline.due, id));
            if let Some(time) = deadline.checkpoint {
                self.checkpoints.remove(&(time, id));
            }
        }
    }

    /// A checkpoint was applied. Changes no deadline: the remaining time counts at the next
    /// promotion.
    pub fn checkpointed(&mut self, now: Monotonic, id: LeaseId, remaining_ttl: i64) {
        if let Some(deadline) = self.leases.get_mut(&id) {
            deadline.remaining_ttl = remaining_ttl;
            self.schedule_checkpoint(now, id);
        }
    }

    /// Renews a lease for a client, or says what has to come before. (The fail point
    /// `beforeCheckpointInLeaseRenew` belongs to the caller, before it proposes the checkpoint or
    /// answers: this core must not be held up.)
    ///
    /// A lease that has a checkpoint while checkpoints are switched off is renewed at once, for its
    /// whole time to live. (Go would set the deadline to the remaining time and answer with the
    /// whole one.)
    ///
    /// # Errors
    /// [`Error::NotPrimary`], [`Error::NotFound`].
    pub fn renew(&mut self, now: Monotonic, id: LeaseId) -> Result<Renewal, Error> {
        if !self.primary {
            return Err(Error::NotPrimary);
        }
        let deadline = self.leases.get_mut(&id).ok_or(Error::NotFound)?;
        if deadline.expiry <= now && !env::planted!("lease-renewed-while-revoked") {
            return Ok(Renewal::RevokePending);
        }
        if deadline.remaining_ttl > 0 && self.options.checkpoint_interval.is_some() {
            return Ok(Renewal::CheckpointFirst);
        }
        self.queue.remove(&(deadline.due, id));
        deadline.expiry = now + seconds(deadline.ttl);
        deadline.due = deadline.expiry;
        self.queue.insert((deadline.due, id));
        Ok(Renewal::Renewed { ttl: deadline.ttl })
    }

    /// Leases that have expired, the oldest first and at most `max`. Each is to be revoked; one
    /// that is still there after the revoke interval is given out again.
    pub fn expired(&mut self, now: Monotonic, max: usize) -> Vec<LeaseId> {
        let due: Vec<(Monotonic, LeaseId)> =
            self.queue.iter().take_while(|(due, _)| *due <= now).take(max).copied().collect();
        for (due, id) in &due {
            self.queue.remove(&(*due, *id));
            let again = now + self.options.revoke_interval;
            self.queue.insert((again, *id));
            self.leases.get_mut(id).expect("what is queued is there").due = again;
        }
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// Remaining times that are to be noted in the log, of at most `max` leases. Each comes again
    /// after the interval if nothing comes of it.
    pub fn checkpoints_due(&mut self, now: Monotonic, max: usize) -> Vec<LeaseCheckpoint> {
        let due = self.checkpoints.iter().take_while(|(time, _)| *time <= now).take(max);
        let due: Vec<LeaseId> = due.map(|(_, id)| *id).collect();
        let mut checkpoints = Vec::new();
        for id in due {
            let deadline = self.leases.get(&id).expect("what is scheduled is there");
            let left = deadline.expiry.since(now);
            let remaining_ttl = seconds_up(left);
            if !left.is_zero() && remaining_ttl < deadline.ttl {
                checkpoints.push(LeaseCheckpoint { id: id.0, remaining_ttl });
            }
            self.schedule_checkpoint(now, id);
        }
        checkpoints
    }

    /// How long a lease still lives; zero when it has expired.
    ///
    /// # Errors
    /// [`Error::NotPrimary`], [`Error::NotFound`].
    pub fn remaining(&self, now: Monotonic, id: LeaseId) -> Result<Duration, Error> {
        if !self.primary {
            return Err(Error::NotPrimary);
        }
        self.leases.get(&id).map(|deadline| deadline.expiry.since(now)).ok_or(Error::NotFound)
    }

    /// All leases, those that expire first in front, as the leader lists them.
    #[must_use]
    pub fn by_expiry(&self) -> Vec<LeaseId> {
        let mut all: Vec<(Monotonic, LeaseId)> =
            self.leases.iter().map(|(id, deadline)| (deadline.expiry, *id)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// When [`expired`](Self::expired) or [`checkpoints_due`](Self::checkpoints_due) have something
    /// next; `None` when never.
    #[must_use]
    pub fn next_due(&self) -> Option<Monotonic> {
        let first = |set: &BTreeSet<(Monotonic, LeaseId)>| set.first().map(|(time, _)| *time);
        first(&self.queue).into_iter().chain(first(&self.checkpoints)).min()
    }

    /// Checks the relations named at the top of this module.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check_invariants(&self) {
        assert!(self.primary || self.leases.is_empty());
        assert!(self.queue.len() == self.leases.len());
        let scheduled = self.leases.values().filter(|deadline| deadline.checkpoint.is_some());
        assert!(self.checkpoints.len() == scheduled.count());
        for (id, deadline) in &self.leases {
            assert!(deadline.due >= deadline.expiry);
            assert!(self.queue.contains(&(deadline.due, *id)));
            let mut scheduled = deadline.checkpoint.into_iter();
            assert!(scheduled.all(|time| self.checkpoints.contains(&(time, *id))));
        }
    }

    fn insert(&mut self, now: Monotonic, lease: Lease, expiry: Monotonic) {
        self.revoked(lease.id);
        let deadline = Deadline {
            ttl: lease.ttl,
            remaining_ttl: lease.remaining_ttl,
            expiry,
            due: expiry,
            checkpoint: None,
        };
        self.queue.insert((expiry, lease.id));
        self.leases.insert(lease.id, deadline);
        self.schedule_checkpoint(now, lease.id);
    }

    /// Schedules the next checkpoint of a lease that is there, if it is long enough for one.
    fn schedule_checkpoint(&mut self, now: Monotonic, id: LeaseId) {
        let deadline = self.leases.get_mut(&id).expect("the lease is there");
        if let Some(time) = deadline.checkpoint.take() {
            self.checkpoints.remove(&(time, id));
        }
        let Some(interval) = self.options.checkpoint_interval else { return };
        let long = if deadline.remaining_ttl > 0 { deadline.remaining_ttl } else { deadline.ttl };
        if seconds(long) > Duration::from_secs(interval.as_secs()) {
            let time = now + interval;
            deadline.checkpoint = Some(time);
            self.checkpoints.insert((time, id));
        }
    }
}

/// Seconds as stored; a negative number, which only a damaged row could hold, counts as none.
fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}

/// Whole seconds, a begun one counted.
fn seconds_up(duration: Duration) -> i64 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(whole).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "deadlines_test.rs"]
mod tests;
