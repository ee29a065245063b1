//! The stored log as kept in memory, bounded by bytes.
//!
//! It mirrors what a write-ahead log holds: whoever writes that log tells this storage what it
//! wrote. Terms of all entries stay, by runs; contents stay while they fit, newest first. Older
//! contents are answered with `Unavailable` and can be put back for a while.
//!
//! Invariants: `start + 1 == first_index`; `cached` ends at `last_index` and its bytes are within
//! the bound, or it holds one entry; the snapshot's index is at most `last_index`.

use std::collections::VecDeque;

use bytes::Bytes;
use proto::raftpb::{ConfState, Entry, HardState, Snapshot};
use types::{Index, Term};

use crate::log::{entries_size, entry_size, limit_size};
use crate::storage::{Storage, StorageError};
use crate::term_runs::TermRuns;

/// How many fetched pieces of the older log are kept, the oldest leaving first: one per follower
/// of a large cluster that lags, and one for applying.
const FETCHED_MAX: usize = 8;

/// The stored log in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    hard_state: HardState,
    snapshot: Snapshot,
    /// The terms from the entry before the first one to the last one.
    terms: TermRuns,
    cached: VecDeque<Entry>,
    cached_size: u64,
    /// At most this many bytes stay in `cached`; `None` for no bound.
    size_max: Option<u64>,
    fetched: VecDeque<Vec<Entry>>,
}

impl MemoryStorage {
    /// An empty log that keeps all contents.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty log that keeps at most `size_max` bytes of contents ([`entry_size`]).
    #[must_use]
    pub fn bounded(size_max: u64) -> Self {
        Self { size_max: Some(size_max), ..Self::default() }
    }

    /// The bytes of the contents that are in memory, without fetched pieces.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.cached_size
    }

    /// Takes the promises over.
    pub fn set_hard_state(&mut self, state: HardState) {
        self.hard_state = state;
    }

    /// The log becomes this snapshot.
    ///
    /// # Errors
    /// `SnapshotOutOfDate` if the one that is there is as new.
    pub fn apply_snapshot(&mut self, snapshot: Snapshot) -> Result<(), StorageError> {
        let present = self.snapshot.metadata.index;
        if present != 0 && present >= snapshot.metadata.index {
            return Err(StorageError::SnapshotOutOfDate);
        }
        let at = &snapshot.metadata;
        self.terms = TermRuns::new(Index(at.index), Term(at.term));
        self.cached.clear();
        self.cached_size = 0;
        self.fetched.clear();
        self.snapshot = snapshot;
        Ok(())
    }

    /// Makes a snapshot of the state as of `index`, to be handed to followers.
    ///
    /// # Errors
    /// `SnapshotOutOfDate` if there is one as new, `Unavailable` if the log does not reach `index`.
    pub fn create_snapshot(
        &mut self,
        index: Index,
        conf_state: ConfState,
        data: Bytes,
    ) -> Result<Snapshot, StorageError> {
        if index.0 <= self.snapshot.metadata.index {
            return Err(StorageError::SnapshotOutOfDate);
        }
        let term = self.term(index)?;
        self.snapshot.data = data;
        self.snapshot.metadata.index = index.0;
        self.snapshot.metadata.term = term.0;
        self.snapshot.metadata.conf_state = conf_state;
        Ok(self.snapshot.clone())
    }

    /// Forgets the entries up to `index`, whose term stays.
    ///
    /// # Errors
    /// `Compacted` if they are forgotten already, `Unavailable` if the log does not reach `index`.
    pub fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        if index < self.first_index() {
            return Err(StorageError::Compacted);
        }
        self.term(index)?;
        self.terms.compact(index);
        while self.cached.front().is_some_and(|entry| entry.index <= index.0) {
            self.drop_oldest();
        }
        self.fetched.retain(|piece| piece.first().is_some_and(|entry| entry.index > index.0));
        Ok(())
    }

    /// Takes over entries that were written, cutting what stands in their place. Those that are
    /// compacted already are passed over.
    ///
    /// # Panics
    /// If they leave a gap behind the last entry: nothing that was written in order can.
    pub fn append(&mut self, entries: &[Entry]) {
        let first = self.first_index();
        let skipped = entries.iter().take_while(|entry| entry.index < first.0).count();
        let entries = &entries[skipped..];
        let Some(start) = entries.first().map(|entry| Index(entry.index)) else {
            return;
        };
        let last = self.last_index();
        assert!(start <= last.next(), "missing log entry [last: {last}, append at: {start}]");
        self.truncate(start);
        for entry in entries {
            self.terms.push(Term(entry.term));
            self.cached_size += entry_size(entry);
            self.cached.push_back(entry.clone());
        }
        self.evict();
    }

    /// Takes note of entries that are stored and left out of memory: those after the last one up to
    /// `last`, all of one term. Their contents are fetched when they are needed.
    ///
    /// # Panics
    /// If there are contents in memory already, which newer ones would be missing behind.
    pub fn leave_out(&mut self, last: Index, term: Term) {
        assert!(self.cached.is_empty(), "entries up to {last} are left out behind others");
        self.terms.extend(last, term);
    }

    /// Puts contents of older entries back for a while, as asked for by a
    /// [`LogRead`](crate::LogRead). Those that were read before others took their place are passed
    /// over.
    pub fn insert_fetched(&mut self, mut entries: Vec<Entry>) {
        let holds = |entry: &Entry| self.term(Index(entry.index)) == Ok(Term(entry.term));
        let valid = entries.iter().take_while(|entry| holds(entry)).count();
        entries.truncate(valid);
        if entries.is_empty() {
            return;
        }
        if self.fetched.len() == FETCHED_MAX {
            self.fetched.pop_front();
        }
        self.fetched.push_back(entries);
    }

    fn truncate(&mut self, from: Index) {
        if from > self.last_index() {
            return;
        }
        self.terms.truncate(from);
        while let Some(entry) = self.cached.pop_back_if(|entry| entry.index >= from.0) {
            self.cached_size -= entry_size(&entry);
        }
        self.fetched.retain(|piece| piece.last().is_some_and(|entry| entry.index < from.0));
    }

    fn evict(&mut self) {
        let Some(size_max) = self.size_max else {
            return;
        };
        while self.cached_size > size_max && self.cached.len() > 1 {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.cached.pop_front() {
            self.cached_size -= entry_size(&entry);
        }
    }

    /// The fetched entries from `low` on.
    fn fetched_from(&self, low: Index, high: Index) -> impl Iterator<Item = &Entry> {
        let holds = |piece: &&Vec<Entry>| piece.iter().any(|entry| entry.index == low.0);
        let piece = self.fetched.iter().rev().find(holds);
        let within = move |entry: &&Entry| entry.index >= low.0 && entry.index < high.0;
        piece.into_iter().flatten().filter(within)
    }
}

impl Storage for MemoryStorage {
    fn initial_state(&self) -> (HardState, ConfState) {
        (self.hard_state, self.snapshot.metadata.conf_state.clone())
    }

    fn entries(&self, low: Index, high: Index, size_max: u64) -> Result<Vec<Entry>, StorageError> {
        if low < self.first_index() {
            return Err(StorageError::Compacted);
        }
        let last = self.last_index();
        assert!(high <= last.next(), "entries' hi({high}) is out of bound lastindex({last})");
        let cached_first = Index(last.0 + 1 - self.cached.len() as u64);
        if low >= cached_first {
            let start = (low.0 - cached_first.0) as usize;
            let wanted = (high.0 - low.0) as usize;
            return Ok(limit_size(self.cached.iter().skip(start).take(wanted), size_max));
        }
        let older = limit_size(self.fetched_from(low, high), size_max);
        if older.is_empty() {
            return Err(StorageError::Unavailable);
        }
        debug_assert!(older.len() == 1 || entries_size(&older) <= size_max);
        Ok(older)
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        if index.next() < self.first_index() {
            return Err(StorageError::Compacted);
        }
        self.terms.get(index).ok_or(StorageError::Unavailable)
    }

    fn first_index(&self) -> Index {
        self.terms.start().next()
    }

    fn last_index(&self) -> Index {
        self.terms.last()
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        if self.snapshot.is_empty() {
            return Err(StorageError::SnapshotTemporarilyUnavailable);
        }
        Ok(self.snapshot.clone())
    }
}

#[cfg(test)]
#[path = "memory_storage_test.rs"]
mod tests;
