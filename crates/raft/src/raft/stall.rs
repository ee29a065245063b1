//! Whether the log writer still answers.
//!
//! Invariant: `waiting` holds the tick at which each unacknowledged append was handed out, oldest
//! first; appends are acknowledged in that order.

use std::collections::VecDeque;

use super::Raft;
use crate::storage::Storage;

/// The appends that are not acknowledged, by their age.
#[derive(Debug, Default)]
pub(crate) struct AppendWatch {
    now: u64,
    waiting: VecDeque<u64>,
}

impl AppendWatch {
    pub(super) fn tick(&mut self) {
        self.now += 1;
    }

    /// An append that will be acknowledged was handed out.
    pub(crate) fn handed_out(&mut self) {
        self.waiting.push_back(self.now);
    }

    /// The oldest one was acknowledged.
    pub(crate) fn acknowledged(&mut self) {
        self.waiting.pop_front();
    }

    /// The age of the oldest one in ticks; 0 if there is none.
    pub(super) fn age(&self) -> u64 {
        self.waiting.front().map_or(0, |at| self.now - at)
    }
}

impl<S: Storage> Raft<S> {
    /// Whether somebody else should lead since this member's storage does not answer. A sole voter
    /// has nobody to leave it to.
    pub(super) fn append_is_stalled(&self) -> bool {
        let voters = &self.tracker.config().voters;
        self.settings.step_down_on_stalled_append
            && self.stall.age() > u64::from(self.settings.election_tick)
            && voters.ids().iter().any(|id| *id != self.id)
    }
}
