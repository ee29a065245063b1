//! The log of one member: what is stored, what is not stored yet, what is committed and applied.
//!
//! Knows no messages and no other member.
//!
//! Invariants: `applied <= applying <= committed <= last_index`; `first_index - 1 <= applied`
//! unless a snapshot waits to be applied.

mod append;
mod applying;
mod size;
mod unstable;

use std::fmt;
use std::ops::Range;

use proto::raftpb::{Entry, Snapshot};
use types::{Index, Term};

use crate::logger::{Log, info};
use crate::storage::{Storage, StorageError};

pub(crate) use append::AppendSlice;
pub(crate) use applying::{Apply, Applying};
pub(crate) use size::payload_size;
pub use size::{entries_size, entry_size, limit_size};
pub(crate) use unstable::Unstable;

/// What names an entry: no two leaders write different entries of one term at one index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct EntryId {
    pub(crate) term: Term,
    pub(crate) index: Index,
}

/// The log.
pub(crate) struct RaftLog<S> {
    pub(crate) storage: S,
    pub(crate) unstable: Unstable,
    pub(crate) committed: Index,
    pub(crate) applying: Applying,
    log: Log,
}

impl<S: Storage> RaftLog<S> {
    pub(crate) fn new(storage: S, applying_size_max: u64, log: Log) -> Self {
        let start = Index(storage.first_index().0 - 1);
        let unstable = Unstable::new(storage.last_index().next(), log.clone());
        let applying = Applying::new(start, applying_size_max);
        Self { storage, unstable, committed: start, applying, log }
    }

    pub(crate) fn first_index(&self) -> Index {
        self.unstable.first_index().unwrap_or_else(|| self.storage.first_index())
    }

    pub(crate) fn last_index(&self) -> Index {
        self.unstable.last_index().unwrap_or_else(|| self.storage.last_index())
    }

    /// The last entry, or the snapshot's if there is none.
    pub(crate) fn last_id(&self) -> EntryId {
        let index = self.last_index();
        let term = self.term(index).expect("the storage knows the term of its last entry");
        EntryId { term, index }
    }

    /// The term at `index`, which may be one before the first.
    pub(crate) fn term(&self, index: Index) -> Result<Term, StorageError> {
        if let Some(term) = self.unstable.term(index) {
            return Ok(term);
        }
        if index < Index(self.first_index().0 - 1) {
            return Err(StorageError::Compacted);
        }
        if index > self.last_index() {
            return Err(StorageError::Unavailable);
        }
        self.storage.term(index)
    }

    /// As [`term`](Self::term); 0 where it is not known.
    pub(crate) fn term_or_zero(&self, index: Index) -> Term {
        self.term(index).unwrap_or_default()
    }

    pub(crate) fn matches(&self, id: EntryId) -> bool {
        self.term(id.index) == Ok(id.term)
    }

    /// Whether a log that ends with this entry has at least what this one has.
    pub(crate) fn is_up_to_date(&self, theirs: EntryId) -> bool {
        let ours = self.last_id();
        (theirs.term, theirs.index) >= (ours.term, ours.index)
    }

    /// Entries from `low` to the end, at most `size_max` bytes of them.
    pub(crate) fn entries(&self, low: Index, size_max: u64) -> Result<Vec<Entry>, StorageError> {
        let last = self.last_index();
        if low > last {
            return Ok(Vec::new());
        }
        self.slice(low, last.next(), size_max)
    }

    /// The entries in `[low, high)`, cut to `size_max` bytes but not to none.
    pub(crate) fn slice(
        &self,
        low: Index,
        high: Index,
        size_max: u64,
    ) -> Result<Vec<Entry>, StorageError> {
        assert!(low <= high, "invalid slice {low} > {high}");
        if low < self.first_index() {
            return Err(StorageError::Compacted);
        }
        let last = self.last_index();
        assert!(high <= last.next(), "slice[{low},{high}) out of bound [..,{last}]");
        let offset = self.unstable.offset();
        if low >= offset || low == high {
            let range = (low < high).then(|| self.unstable.range(low, high));
            return Ok(limit_size(range.into_iter().flatten(), size_max));
        }
        let cut = high.min(offset);
        let mut entries = self.storage.entries(low, cut, size_max)?;
        let size = entries_size(&entries);
        let all_stored = entries.len() as u64 == cut.0 - low.0;
        if high > offset && all_stored && size < size_max {
            let room = size_max - size;
            let more = limit_size(self.unstable.range(offset, high), room);
            // A first entry that is too large alone comes with the next read.
            if entries_size(&more) <= room {
                entries.extend(more);
            }
        }
        Ok(entries)
    }

    /// The part of the entries from `low` on that is in the storage.
    pub(crate) fn stored_range(&self, low: Index) -> Range<Index> {
        low..self.last_index().next().min(self.unstable.offset())
    }

    /// The newest snapshot: the one that is being installed, or the storage's.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StorageError> {
        match self.unstable.snapshot() {
            Some(snapshot) => Ok(snapshot.clone()),
            None => self.storage.snapshot(),
        }
    }

    /// Whether a snapshot waits to be installed.
    pub(crate) fn has_pending_snapshot(&self) -> bool {
        self.unstable.snapshot().is_some()
    }

    /// Commits up to `index`; never back.
    pub(crate) fn commit_to(&mut self, index: Index) {
        if self.committed < index {
            let last = self.last_index();
            assert!(index <= last, "tocommit({index}) is out of range [lastIndex({last})]");
            self.committed = index;
        }
    }

    /// A leader's commit: only entries of its own term are committed by counting (Raft 5.4.2).
    pub(crate) fn maybe_commit(&mut self, at: EntryId) -> bool {
        let news = at.term != Term(0) && at.index > self.committed && self.matches(at);
        if news {
            self.commit_to(at.index);
        }
        news
    }

    pub(crate) fn check_invariants(&self) {
        let (applied, applying) = (self.applying.applied(), self.applying.index());
        let last = self.last_index();
        assert!(applied <= applying && applying <= self.committed, "{self}");
        assert!(self.committed <= last, "{self}, last={last}");
        assert!(self.has_pending_snapshot() || self.first_index() <= applied.next(), "{self}");
        assert!(self.first_index() <= last.next(), "{self}, last={last}");
    }

    /// The log becomes this snapshot.
    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        let (index, term) = (snapshot.metadata.index, snapshot.metadata.term);
        info!(self.log, "log [{self}] starts to restore snapshot [index: {index}, term: {term}]");
        self.committed = Index(index);
        self.unstable.restore(snapshot);
    }
}

impl<S> fmt::Display for RaftLog<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "committed={}, applied={}, applying={}, unstable.offset={}, unstable.offsetInProgress={}, len(unstable.Entries)={}",
            self.committed,
            self.applying.applied(),
            self.applying.index(),
            self.unstable.offset(),
            self.unstable.in_progress(),
            self.unstable.len()
        )
    }
}

#[cfg(test)]
#[path = "log_test.rs"]
mod tests;
