//! The part of the log that is not known to be stored yet.
//!
//! Entries and a snapshot stay here while they are being written, so that reads never depend on
//! how far the writing is.
//!
//! Invariants: `entries[i].index == offset + i`; `offset <= in_progress <= offset + entries.len()`;
//! with a snapshot, `offset == snapshot.index + 1` or later entries were stored meanwhile.
//! `offset` may be less than the storage's last index: then the next write cuts the storage first.

use std::collections::VecDeque;

use proto::raftpb::{Entry, Snapshot};
use types::{Index, Term};

use super::EntryId;
use crate::logger::{Log, info};

/// What is not known to be stored.
pub(crate) struct Unstable {
    snapshot: Option<Snapshot>,
    entries: VecDeque<Entry>,
    /// The index of `entries[0]`, or of the next entry if there is none.
    offset: Index,
    snapshot_in_progress: bool,
    /// Entries before this index are being written.
    in_progress: Index,
    /// The bytes of the entries' contents.
    bytes: u64,
    log: Log,
}

impl Unstable {
    pub(crate) fn new(offset: Index, log: Log) -> Self {
        Self {
            snapshot: None,
            entries: VecDeque::new(),
            offset,
            snapshot_in_progress: false,
            in_progress: offset,
            bytes: 0,
            log,
        }
    }

    pub(crate) fn offset(&self) -> Index {
        self.offset
    }

    pub(crate) fn in_progress(&self) -> Index {
        self.in_progress
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The first index of the log, if a snapshot replaces it.
    pub(crate) fn first_index(&self) -> Option<Index> {
        self.snapshot.as_ref().map(|snapshot| Index(snapshot.metadata.index + 1))
    }

    /// The last index of the log, if that is here.
    pub(crate) fn last_index(&self) -> Option<Index> {
        let snapshot = || self.snapshot.as_ref().map(|snapshot| Index(snapshot.metadata.index));
        self.entries.back().map(|entry| Index(entry.index)).or_else(snapshot)
    }

    pub(crate) fn term(&self, index: Index) -> Option<Term> {
        if index < self.offset {
            let snapshot = self.snapshot.as_ref()?;
            let covered = snapshot.metadata.index == index.0;
            return covered.then_some(Term(snapshot.metadata.term));
        }
        let position = usize::try_from(index.0 - self.offset.0).ok()?;
        self.entries.get(position).map(|entry| Term(entry.term))
    }

    /// Entries that nobody writes yet.
    pub(crate) fn next_entries(&self) -> Vec<Entry> {
        self.entries.iter().skip(self.in_progress_len()).cloned().collect()
    }

    pub(crate) fn has_next_entries(&self) -> bool {
        self.entries.len() > self.in_progress_len()
    }

    /// The index after the last entry.
    fn end(&self) -> Index {
        Index(self.offset.0 + self.entries.len() as u64)
    }

    fn in_progress_len(&self) -> usize {
        (self.in_progress.0 - self.offset.0) as usize
    }

    /// The snapshot, if nobody writes it yet.
    pub(crate) fn next_snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref().filter(|_| !self.snapshot_in_progress)
    }

    /// Everything here is being written from now on.
    pub(crate) fn accept_in_progress(&mut self) {
        if let Some(last) = self.entries.back() {
            self.in_progress = Index(last.index + 1);
        }
        self.snapshot_in_progress = self.snapshot.is_some();
    }

    /// Entries up to this one are stored, and no write that is under way replaces them; that
    /// second part is the caller's promise.
    pub(crate) fn stable_to(&mut self, id: EntryId) {
        let Some(term) = self.term(id.index) else {
            info!(self.log, "entry at index {} missing from unstable log; ignoring", id.index);
            return;
        };
        if id.index < self.offset {
            info!(self.log, "entry at index {} matched unstable snapshot; ignoring", id.index);
            return;
        }
        if term != id.term {
            info!(
                self.log,
                "entry at (index,term)=({},{}) mismatched with entry at ({},{}) in unstable log; ignoring",
                id.index,
                id.term,
                id.index,
                term
            );
            return;
        }
        let stored = (id.index.0 - self.offset.0 + 1) as usize;
        let dropped: u64 = self.entries.drain(..stored).map(|entry| entry.data.len() as u64).sum();
        self.bytes -= dropped;
        self.offset = id.index.next();
        self.in_progress = self.in_progress.max(self.offset);
        if self.entries.is_empty() {
            // The room of a burst is given back.
            self.entries = VecDeque::new();
        }
    }

    pub(crate) fn stable_snapshot_to(&mut self, index: Index) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.metadata.index == index.0) {
            self.snapshot = None;
            self.snapshot_in_progress = false;
        }
    }

    /// The log is this snapshot and nothing else.
    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        self.offset = Index(snapshot.metadata.index + 1);
        self.in_progress = self.offset;
        self.entries = VecDeque::new();
        self.bytes = 0;
        self.snapshot = Some(snapshot);
        self.snapshot_in_progress = false;
    }

    /// Appends, after cutting what stands in the way.
    pub(crate) fn truncate_and_append(&mut self, entries: Vec<Entry>) {
        let Some(first) = entries.first().map(|entry| Index(entry.index)) else {
            return;
        };
        if first <= self.offset && !(self.entries.is_empty() && first == self.offset) {
            info!(self.log, "replace the unstable entries from index {first}");
            self.entries.clear();
            self.bytes = 0;
            self.offset = first;
            self.in_progress = first;
        } else if first < self.end() {
            info!(self.log, "truncate the unstable entries before index {first}");
            let cut = self.entries.split_off((first.0 - self.offset.0) as usize);
            self.bytes -= cut.iter().map(|entry| entry.data.len() as u64).sum::<u64>();
            self.in_progress = self.in_progress.min(first);
        }
        assert_eq!(first, self.end(), "a gap in the log");
        self.bytes += entries.iter().map(|entry| entry.data.len() as u64).sum::<u64>();
        self.entries.extend(entries);
        self.check_invariants();
    }

    /// The entries in `[low, high)`, all of which are here.
    pub(crate) fn range(&self, low: Index, high: Index) -> impl Iterator<Item = &Entry> {
        assert!(
            self.offset <= low && low <= high && high <= self.end(),
            "unstable.slice[{low},{high}) out of bound [{},{}]",
            self.offset,
            self.end()
        );
        self.entries.range((low.0 - self.offset.0) as usize..(high.0 - self.offset.0) as usize)
    }

    fn check_invariants(&self) {
        debug_assert!(self.entries.front().is_none_or(|first| first.index == self.offset.0));
        debug_assert!(self.entries.back().is_none_or(|last| last.index + 1 == self.end().0));
        debug_assert!(self.offset <= self.in_progress && self.in_progress <= self.end());
    }
}

#[cfg(test)]
#[path = "unstable_test.rs"]
mod tests;
