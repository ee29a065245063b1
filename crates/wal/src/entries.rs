//! The entries that a scan of the log keeps: the newest, as many bytes of them as allowed.
//!
//! Invariant: the kept entries are consecutive; the first one's index is `before.index + 1`.

use std::collections::VecDeque;

use proto::raftpb::Entry;
use types::{Index, Term};

/// A position in the raft log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EntryId {
    /// The index.
    pub index: Index,
    /// The term of that index.
    pub term: Term,
}

/// The newest entries.
#[derive(Debug)]
pub(crate) struct Entries {
    before: EntryId,
    kept: VecDeque<Entry>,
    bytes: u64,
    bytes_max: u64,
    /// For each run of equal terms: where it starts. The first is where the log was opened.
    terms: Vec<EntryId>,
}

/// What a scan kept of the entries.
#[derive(Debug)]
pub(crate) struct Kept {
    /// What is before the first kept entry.
    pub(crate) before: EntryId,
    /// The newest ones.
    pub(crate) entries: Vec<Entry>,
    /// Of all: the first is where the log was opened.
    pub(crate) terms: Vec<EntryId>,
}

impl Entries {
    /// None yet, behind a snapshot.
    pub(crate) fn new(before: EntryId, bytes_max: u64) -> Self {
        Self { before, kept: VecDeque::new(), bytes: 0, bytes_max, terms: vec![before] }
    }

    /// The newest index, or the snapshot's.
    pub(crate) fn last(&self) -> Index {
        self.kept.back().map_or(self.before.index, |entry| Index(entry.index))
    }

    /// Adds an entry; it replaces one of its index and all behind that. `Err` if there is a gap
    /// before it: the index that should come next. Entries up to the snapshot are left out.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), Index> {
        let index = Index(entry.index);
        if index <= self.terms[0].index {
            return Ok(());
        }
        if index.0 - 1 > self.last().0 {
            return Err(self.last().next());
        }
        self.cut(index);
        if self.terms.last().is_none_or(|run| run.term.0 != entry.term) {
            self.terms.push(EntryId { index, term: Term(entry.term) });
        }
        self.bytes += size(&entry);
        self.kept.push_back(entry);
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= size(&oldest);
            self.before = EntryId { index: Index(oldest.index), term: Term(oldest.term) };
        }
        Ok(())
    }

    /// What was found, with where each run of equal terms begins.
    pub(crate) fn finish(self) -> Kept {
        Kept { before: self.before, entries: self.kept.into(), terms: self.terms }
    }

    /// Drops the entry of this index and all behind it.
    fn cut(&mut self, index: Index) {
        while let Some(entry) = self.kept.pop_back_if(|entry| entry.index >= index.0) {
            self.bytes -= size(&entry);
        }
        // The first run is the snapshot's own, which no entry here replaces.
        let runs = self.terms.partition_point(|run| run.index < index);
        self.terms.truncate(runs);
        if self.before.index >= index {
            let index = Index(index.0 - 1);
            let term = self.terms.last().map_or(Term(0), |run| run.term);
            self.before = EntryId { index, term };
        }
    }
}

/// What an entry counts for in memory.
fn size(entry: &Entry) -> u64 {
    (size_of::<Entry>() + entry.data.len()) as u64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use env::{Rng, SeededRng};

    use super::*;

    fn entry(index: u64, term: u64, len: usize) -> Entry {
        Entry { index, term, data: Bytes::from(vec![1; len]), ..Entry::default() }
    }

    #[test]
    fn what_is_kept_is_the_end_of_the_whole_list() {
        for seed in 0..300 {
            let mut rng = SeededRng::new(seed);
            let start = EntryId { index: Index(rng.below(5)), term: Term(1) };
            let mut entries = Entries::new(start, rng.below(2000));
            let mut all: Vec<Entry> = Vec::new();
            let mut term = 1;
            for _ in 0..rng.below(100) {
                let last = start.index.0 + all.len() as u64;
                let back = if rng.below(6) == 0 { rng.below(all.len() as u64 + 1) } else { 0 };
                term += u64::from(back > 0 || rng.below(9) == 0);
                let next = entry(last + 1 - back, term, rng.below(100) as usize);
                all.retain(|kept| kept.index < next.index);
                all.push(next.clone());
                entries.push(next).expect("no gap");
            }
            let last = entries.last();
            let Kept { before, entries: kept, terms } = entries.finish();
            let cut = all.len() - kept.len();
            assert_eq!(last.0, start.index.0 + all.len() as u64, "seed {seed}");
            assert_eq!(kept, all[cut..], "seed {seed}");
            let expected = all[..cut].last().map_or(start, |entry| EntryId {
                index: Index(entry.index),
                term: Term(entry.term),
            });
            assert_eq!(before, expected, "seed {seed}");
            let term_of =
                |index: u64| terms.iter().rfind(|run| run.index.0 <= index).map(|run| run.term.0);
            assert_eq!(terms[0], start, "seed {seed}");
            for entry in &all {
                assert_eq!(term_of(entry.index), Some(entry.term), "seed {seed}");
            }
        }
    }

    #[test]
    fn a_gap_is_refused_and_what_is_in_the_snapshot_left_out() {
        let mut entries = Entries::new(EntryId { index: Index(5), term: Term(2) }, u64::MAX);
        assert_eq!(entries.push(entry(5, 2, 0)), Ok(()));
        assert_eq!(entries.push(entry(7, 2, 0)), Err(Index(6)));
        assert_eq!(entries.push(entry(u64::MAX, 2, 0)), Err(Index(6)));
        assert_eq!(entries.push(entry(6, 2, 0)), Ok(()));
        assert_eq!(entries.last(), Index(6));
    }
}
