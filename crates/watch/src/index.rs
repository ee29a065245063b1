//! Which watchers a key concerns.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use types::KeyRange;

use crate::interval::IntervalTree;

/// Watchers by what they watch. Exact keys are looked up, ranges found by an interval tree.
#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: HashMap<Bytes, BTreeSet<u64>>,
    ranges: IntervalTree,
}

impl Index {
    pub(crate) fn insert(&mut self, range: &KeyRange, watcher: u64) {
        match range {
            KeyRange::Key(key) => {
                self.keys.entry(key.clone()).or_default().insert(watcher);
            }
            range => {
                let (start, end) = bounds(range);
                self.ranges.insert(&start, end.as_ref(), watcher);
            }
        }
    }

    pub(crate) fn remove(&mut self, range: &KeyRange, watcher: u64) {
        match range {
            KeyRange::Key(key) => {
                if let Some(watchers) = self.keys.get_mut(key) {
                    watchers.remove(&watcher);
                    if watchers.is_empty() {
                        self.keys.remove(key);
                    }
                }
            }
            range => {
                let (start, end) = bounds(range);
                self.ranges.remove(&start, end.as_ref(), watcher);
            }
        }
    }

    /// Calls `visit` with each watcher that a change of the key concerns.
    pub(crate) fn find(&self, key: &[u8], visit: &mut impl FnMut(u64)) {
        if let Some(watchers) = self.keys.get(key) {
            watchers.iter().copied().for_each(&mut *visit);
        }
        self.ranges.stab(key, visit);
    }
}

fn bounds(range: &KeyRange) -> (Bytes, Option<Bytes>) {
    match range {
        KeyRange::Key(key) => (key.clone(), None),
        KeyRange::Range(start, end) => (start.clone(), Some(end.clone())),
        KeyRange::From(start) => (start.clone(), None),
        KeyRange::All => (Bytes::new(), None),
    }
}
