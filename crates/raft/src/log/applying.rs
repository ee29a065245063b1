//! How far committed entries are handed out and applied.
//!
//! Invariants: `applied <= index`; `outstanding` is the size of what is handed out and not applied.

use proto::raftpb::Entry;
use types::Index;

use super::{RaftLog, entries_size};
use crate::storage::{Storage, StorageError};

/// Which committed entries may be applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Apply {
    /// All: what is handed out is stored before it is applied.
    Committed,
    /// Those known to be stored here.
    Stored,
}

/// The progress of applying, bounded by bytes.
#[derive(Debug)]
pub(crate) struct Applying {
    index: Index,
    applied: Index,
    outstanding: u64,
    size_max: u64,
    /// The bound is reached.
    paused: bool,
    /// The next entries' contents are being fetched into memory.
    reading: bool,
}

impl Applying {
    pub(super) fn new(start: Index, size_max: u64) -> Self {
        Self {
            index: start,
            applied: start,
            outstanding: 0,
            size_max,
            paused: false,
            reading: false,
        }
    }

    /// Up to here entries are handed out.
    pub(crate) fn index(&self) -> Index {
        self.index
    }

    /// Up to here entries are applied.
    pub(crate) fn applied(&self) -> Index {
        self.applied
    }

    pub(crate) fn size_max(&self) -> u64 {
        self.size_max
    }

    pub(crate) fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
    }
}

impl<S: Storage> RaftLog<S> {
    /// The last index that may be applied.
    fn appliable(&self, which: Apply) -> Index {
        match which {
            Apply::Committed => self.committed,
            Apply::Stored => self.committed.min(Index(self.unstable.offset().0 - 1)),
        }
    }

    /// Whether there is something to apply. Nothing is while a snapshot waits: it comes first.
    pub(crate) fn has_next_committed(&self, which: Apply) -> bool {
        let applying = &self.applying;
        !applying.paused
            && !applying.reading
            && !self.has_pending_snapshot()
            && applying.index < self.appliable(which)
    }

    /// The next committed entries to apply, within what the bound leaves.
    pub(crate) fn next_committed(&self, which: Apply) -> Result<Vec<Entry>, StorageError> {
        if !self.has_next_committed(which) {
            return Ok(Vec::new());
        }
        let room = self.applying.size_max - self.applying.outstanding;
        self.slice(self.applying.index.next(), self.appliable(which).next(), room)
    }

    /// Notes that these were handed out. Pauses when the bound is reached, or was the reason why
    /// there were not more.
    pub(crate) fn accept_applying(&mut self, entries: &[Entry], which: Apply) {
        let Some(last) = entries.last() else {
            return;
        };
        let appliable = self.appliable(which);
        let applying = &mut self.applying;
        applying.index = Index(last.index);
        applying.outstanding += entries_size(entries);
        applying.paused = applying.outstanding >= applying.size_max || applying.index < appliable;
    }

    /// Notes that everything up to `index`, `size` bytes of it handed out, is applied.
    pub(crate) fn applied_to(&mut self, index: Index, size: u64) {
        let applying = &mut self.applying;
        assert!(
            applying.applied <= index && index <= self.committed,
            "applied({index}) is out of range [prevApplied({}), committed({})]",
            applying.applied,
            self.committed
        );
        applying.applied = index;
        applying.index = applying.index.max(index);
        applying.outstanding = applying.outstanding.saturating_sub(size);
        applying.paused = applying.outstanding >= applying.size_max;
    }
}
