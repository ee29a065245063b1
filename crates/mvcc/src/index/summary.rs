//! What a subtree's parent knows of it, so that it need not be visited.
//!
//! Invariant: a write never raises `birth` and `lost_at` nor lowers `event`, so that writes are
//! taken in without looking at the rest of the subtree.

use super::entry::Entry;
use super::history::History;

/// A summary of some keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Summary {
    /// How many keys are there now.
    pub(super) live: i64,
    /// The newest creation or deletion: from then on the number of keys did not change.
    pub(super) event: i64,
    /// The oldest creation: before it no key was there.
    pub(super) birth: i64,
    /// The lowest revision at which a compaction removes anything.
    pub(super) lost_at: i64,
}

impl Summary {
    /// Of no keys.
    pub(super) const EMPTY: Self =
        Self { live: 0, event: i64::MIN, birth: i64::MAX, lost_at: i64::MAX };

    /// Of one key.
    pub(super) fn of(head: &Entry, history: Option<&History>) -> Self {
        Self {
            live: i64::from(head.is_live()),
            event: head.event(),
            birth: history.map_or(head.create, History::birth),
            lost_at: history.map_or_else(|| head.lost_at(None), History::lost_at),
        }
    }

    /// Of the keys of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            live: self.live + other.live,
            event: self.event.max(other.event),
            birth: self.birth.min(other.birth),
            lost_at: self.lost_at.min(other.lost_at),
        }
    }

    /// Whether there are no keys, deleted ones included.
    pub(super) const fn is_empty(&self) -> bool {
        self.event == i64::MIN
    }

    /// Whether the keys that are there now are those that were there at a revision.
    pub(super) const fn is_settled(&self, at: i64) -> bool {
        self.event <= at
    }

    /// Whether surely no key was there at a revision.
    pub(super) const fn is_unseen(&self, at: i64) -> bool {
        self.birth > at || self.live == 0 && self.is_settled(at)
    }
}
