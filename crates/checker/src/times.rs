//! When each revision can have come into being.

use crate::history::{History, Time};
use crate::place::{Cause, Places};
use crate::store::Store;

/// For each revision the time before which it can't have been there, and the time at which it was
/// there for certain.
#[derive(Clone, Debug)]
pub struct Times {
    base: i64,
    births: Vec<Time>,
    seen: Vec<Time>,
}

impl Times {
    /// Derives the times: a revision is not older than the call that made it, nor than those before
    /// it; it is there once an answer shows it, or a later one.
    pub fn new(history: &History, store: &Store, places: &Places) -> Self {
        let count = (store.last() - store.base()) as usize;
        let mut times = Self {
            base: store.base(),
            births: Vec::with_capacity(count),
            seen: vec![Time::NEVER; count],
        };
        let mut latest = Time::ZERO;
        for (_, cause) in places.causes() {
            if let Cause::Call(number) = cause {
                latest = latest.max(history.operations[number].begin);
            }
            times.births.push(latest);
        }
        for operation in &history.operations {
            if let Some(header) = operation.header() {
                times.see(header.revision, operation.end());
            }
        }
        for answer in history.watches.iter().flat_map(|watch| &watch.responses) {
            times.see(answer.revision, answer.at);
            for kv in answer.events.iter().filter_map(|event| event.kv.as_ref()) {
                times.see(kv.mod_revision, answer.at);
            }
        }
        for position in (1..count).rev() {
            times.seen[position - 1] = times.seen[position - 1].min(times.seen[position]);
        }
        times
    }

    fn position(&self, revision: i64) -> Option<usize> {
        usize::try_from(revision - self.base - 1).ok().filter(|&at| at < self.births.len())
    }

    fn see(&mut self, revision: i64, at: Time) {
        if let Some(position) = self.position(revision) {
            self.seen[position] = self.seen[position].min(at);
        }
    }

    /// The revision can't have been there before.
    pub fn birth(&self, revision: i64) -> Time {
        self.position(revision).map_or(Time::ZERO, |position| self.births[position])
    }

    /// The revision was there at this time.
    pub fn seen(&self, revision: i64) -> Time {
        self.position(revision).map_or(Time::NEVER, |position| self.seen[position])
    }
}
