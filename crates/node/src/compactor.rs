//! Auto-compaction: when to compact, and to which revision (spec/apply.md 6.9).
//!
//! A state machine over the monotonic clock: the driver calls [`Compactor::poll`] at the time that
//! the last call asked for, and reports how a compaction ended. Knows nothing of raft.
//!
//! Invariant: `last < target`, and a target is at least 1.

use std::collections::VecDeque;
use std::time::Duration;

use env::Monotonic;

const HOUR: Duration = Duration::from_hours(1);
/// A periodic compactor samples this many times in its interval, and retries as often.
const SAMPLES_PER_INTERVAL: u32 = 10;
/// How often a compactor by revision looks.
const REVISION_INTERVAL: Duration = Duration::from_mins(5);

/// What to keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retention {
    /// Everything: no auto-compaction.
    Off,
    /// All that is younger than this.
    Period(Duration),
    /// This many revisions.
    Revisions(i64),
}

/// Decides about auto-compaction.
#[derive(Debug)]
pub struct Compactor {
    retention: Retention,
    /// One revision per sample, oldest first; only for a period.
    samples: VecDeque<i64>,
    /// The target of the last compaction that ended well.
    last: i64,
    /// When that was, or the start.
    last_at: Monotonic,
    /// How long after `last_at` the next one may come.
    wait: Duration,
    next_poll: Monotonic,
    started: bool,
}

impl Compactor {
    /// A compactor that starts now.
    #[must_use]
    pub fn new(retention: Retention, now: Monotonic) -> Self {
        let wait = match retention {
            Retention::Period(period) => period,
            Retention::Off | Retention::Revisions(_) => Duration::ZERO,
        };
        Self {
            retention,
            samples: VecDeque::new(),
            last: 0,
            last_at: now,
            wait,
            next_poll: now,
            started: false,
        }
    }

    /// When to call [`poll`](Self::poll) next; `None` for never.
    #[must_use]
    pub fn next_poll(&self) -> Option<Monotonic> {
        (self.retention != Retention::Off).then_some(self.next_poll)
    }

    /// Samples the current revision; returns the revision to compact to, if one is due and this
    /// member `leads`.
    pub fn poll(&mut self, now: Monotonic, revision: i64, leads: bool) -> Option<i64> {
        if now < self.next_poll {
            return None;
        }
        let target = match self.retention {
            Retention::Off => None,
            Retention::Period(period) => self.poll_period(now, period, revision),
            Retention::Revisions(keep) => self.poll_revisions(now, keep, revision),
        };
        self.started = true;
        target.filter(|&target| leads && target > 0 && target != self.last)
    }

    /// A compaction to `target` ended well, or had been done already.
    pub fn done(&mut self, now: Monotonic, target: i64) {
        self.last = target;
        self.last_at = now;
        if let Retention::Period(period) = self.retention {
            self.wait = period.min(HOUR);
        }
    }

    fn poll_period(&mut self, now: Monotonic, period: Duration, revision: i64) -> Option<i64> {
        let sampling = period.min(HOUR) / SAMPLES_PER_INTERVAL;
        self.next_poll = now + sampling;
        // Decided on what was sampled up to one interval ago, as the sample of this moment belongs
        // to the window that begins now.
        let oldest = self.samples.front().copied();
        let due = now.since(self.last_at) >= self.wait;
        let samples_max = (period.as_nanos() / sampling.as_nanos().max(1)) as usize + 1;
        self.samples.push_back(revision);
        if self.samples.len() > samples_max {
            self.samples.pop_front();
        }
        oldest.filter(|_| due && self.started)
    }

    fn poll_revisions(&mut self, now: Monotonic, keep: i64, revision: i64) -> Option<i64> {
        self.next_poll = now + REVISION_INTERVAL;
        self.started.then(|| revision.saturating_sub(keep))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Monotonic = Monotonic(1_000);

    /// Polls whenever asked to, one revision per poll; returns (seconds, target) of each decision.
    fn run(
        compactor: &mut Compactor,
        polls: usize,
        leads: impl Fn(usize) -> bool,
    ) -> Vec<(u64, i64)> {
        let mut decisions = Vec::new();
        for count in 0..polls {
            let now = compactor.next_poll().expect("it is on");
            if let Some(target) = compactor.poll(now, count as i64 + 1, leads(count)) {
                decisions.push((now.since(START).as_secs(), target));
                compactor.done(now, target);
            }
        }
        decisions
    }

    #[test]
    fn a_short_period_compacts_each_period_to_one_period_ago() {
        let period = Duration::from_mins(10);
        let mut compactor = Compactor::new(Retention::Period(period), START);
        assert_eq!(run(&mut compactor, 31, |_| true), [(600, 1), (1200, 10), (1800, 20)]);
    }

    #[test]
    fn a_long_period_waits_for_itself_and_then_compacts_each_hour() {
        let period = Duration::from_hours(2);
        let mut compactor = Compactor::new(Retention::Period(period), START);
        let hours: Vec<u64> =
            run(&mut compactor, 41, |_| true).into_iter().map(|(at, _)| at / 3600).collect();
        assert_eq!(hours, [2, 3, 4]);
    }

    #[test]
    fn a_follower_samples_but_does_not_compact() {
        let period = Duration::from_mins(10);
        let mut compactor = Compactor::new(Retention::Period(period), START);
        assert_eq!(run(&mut compactor, 25, |count| count > 15), [(960, 6)]);
    }

    #[test]
    fn by_revision_every_five_minutes() {
        let mut compactor = Compactor::new(Retention::Revisions(2), START);
        assert_eq!(run(&mut compactor, 5, |_| true), [(600, 1), (900, 2), (1200, 3)]);
    }

    #[test]
    fn a_failed_compaction_is_tried_again_at_the_next_sample() {
        let period = Duration::from_mins(10);
        let mut compactor = Compactor::new(Retention::Period(period), START);
        let mut at = Vec::new();
        for count in 0..13 {
            let now = compactor.next_poll().expect("it is on");
            if compactor.poll(now, count + 1, true).is_some() {
                at.push(now.since(START).as_secs());
            }
        }
        assert_eq!(at, [600, 660, 720]);
    }

    #[test]
    fn off_is_never_polled() {
        assert_eq!(Compactor::new(Retention::Off, START).next_poll(), None);
    }
}
