//! What a leader sends, put behind what is there; and where two logs part.

use proto::raftpb::{Entry, Message};
use types::{Index, Term};

use super::{EntryId, RaftLog};
use crate::error::{Error, Result};
use crate::logger::info;
use crate::storage::Storage;

/// A piece of a leader's log: entries and what stands before them.
pub(crate) struct AppendSlice {
    pub(crate) prev: EntryId,
    pub(crate) entries: Vec<Entry>,
}

impl AppendSlice {
    pub(crate) fn new(message: &mut Message) -> Self {
        let prev = EntryId { term: Term(message.log_term), index: Index(message.index) };
        Self { prev, entries: std::mem::take(&mut message.entries) }
    }

    /// Whether a leader of the message's term can have such a log: indexes without gaps, terms
    /// that never fall and never exceed the leader's.
    pub(crate) fn is_well_formed(message: &Message) -> bool {
        let (mut index, mut term) = (message.index, message.log_term);
        for entry in &message.entries {
            if index.checked_add(1) != Some(entry.index) || entry.term < term {
                return false;
            }
            (index, term) = (entry.index, entry.term);
        }
        term <= message.term && index < u64::MAX
    }

    fn last_index(&self) -> Index {
        Index(self.prev.index.0 + self.entries.len() as u64)
    }
}

impl<S: Storage> RaftLog<S> {
    /// Appends a leader's piece and commits up to `commit` as far as it reaches; returns its last
    /// index, or `None` if this log does not hold what stands before it.
    pub(crate) fn maybe_append(
        &mut self,
        mut slice: AppendSlice,
        commit: Index,
    ) -> Result<Option<Index>> {
        if !self.matches(slice.prev) {
            return Ok(None);
        }
        let last = slice.last_index();
        if let Some(position) = self.find_conflict(&slice.entries) {
            let index = Index(slice.entries[position].index);
            if index <= self.committed {
                return Err(Error::CommittedConflict { index, committed: self.committed });
            }
            self.append(slice.entries.split_off(position));
        }
        self.commit_to(commit.min(last));
        Ok(Some(last))
    }

    /// Appends entries, cutting what is after the first one's index; returns the last index.
    pub(crate) fn append(&mut self, entries: Vec<Entry>) -> Index {
        if let Some(first) = entries.first() {
            let committed = self.committed;
            assert!(
                first.index > committed.0,
                "after({}) is out of range [committed({committed})]",
                first.index - 1
            );
            self.unstable.truncate_and_append(entries);
        }
        self.last_index()
    }

    /// The position of the first entry that this log does not have.
    fn find_conflict(&self, entries: &[Entry]) -> Option<usize> {
        let has = |entry: &Entry| {
            self.matches(EntryId { term: Term(entry.term), index: Index(entry.index) })
        };
        let position = entries.iter().position(|entry| !has(entry))?;
        let (index, term) = (Index(entries[position].index), entries[position].term);
        if index <= self.last_index() {
            let existing = self.term_or_zero(index);
            info!(
                self.log,
                "found conflict at index {index} [existing term: {existing}, conflicting term: {term}]"
            );
        }
        Some(position)
    }

    /// Where this log may still agree with one that has `term` at `index`: the highest index up to
    /// there whose term is not above `term`, or is not known here (then the term returned is 0).
    /// Both sides skip whole terms by it after a refused append.
    pub(crate) fn find_conflict_by_term(&self, index: Index, term: Term) -> EntryId {
        let mut index = index;
        while index.0 > 0 {
            match self.term(index) {
                Err(_) => return EntryId { term: Term(0), index },
                Ok(ours) if ours <= term => return EntryId { term: ours, index },
                Ok(_) => index = Index(index.0 - 1),
            }
        }
        EntryId::default()
    }
}
