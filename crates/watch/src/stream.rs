//! One client's stream: its watches by id, and how much may still be queued for it.

use std::collections::{BTreeMap, BTreeSet};

/// Ids that a stream remembers of watches which compaction ended.
const ENDED_MAX: usize = 10_000;

/// The watches of a stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Watchers by the client's ids.
    pub(crate) watchers: BTreeMap<i64, u64>,
    /// Those that have not been told everything.
    pub(crate) behind: BTreeSet<u64>,
    /// The next id that the hub gives.
    next_id: i64,
    /// Bytes queued and not drained yet.
    pub(crate) queued: usize,
    /// Ids of watches that compaction ended: like etcd, their cancellation is still answered, once.
    ended: BTreeSet<i64>,
    /// A progress request waits for those behind.
    pub(crate) progress_wanted: bool,
}

impl Stream {
    /// Remembers a watch that compaction ended; of too many, the oldest id is forgotten.
    pub(crate) fn end(&mut self, watch_id: i64) {
        self.ended.insert(watch_id);
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_first();
        }
    }

    /// Whether compaction ended this watch and nobody has cancelled it since.
    pub(crate) fn forget_ended(&mut self, watch_id: i64) -> bool {
        self.ended.remove(&watch_id)
    }

    /// The id for a watch: the wanted one, or for 0 the next that is free. `None` if it is taken.
    pub(crate) fn assign_id(&mut self, wanted: i64) -> Option<i64> {
        if wanted != 0 {
            return (!self.watchers.contains_key(&wanted)).then_some(wanted);
        }
        while self.watchers.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        let id = self.next_id;
        self.next_id += 1;
        Some(id)
    }
}
