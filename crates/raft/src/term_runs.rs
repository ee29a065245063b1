//! The term of every entry of a log, in as many words as there were terms.
//!
//! Invariants: `runs` is not empty; starts and terms rise; the first run begins at `start`.

use types::{Index, Term};

/// Terms by runs of equal ones.
#[derive(Clone, Debug)]
pub(crate) struct TermRuns {
    /// Where each run begins, and its term.
    runs: Vec<(Index, Term)>,
    last: Index,
}

impl Default for TermRuns {
    fn default() -> Self {
        Self::new(Index(0), Term(0))
    }
}

impl TermRuns {
    /// A log of which only the term at `start` is known.
    pub(crate) fn new(start: Index, term: Term) -> Self {
        Self { runs: vec![(start, term)], last: start }
    }

    /// The first index whose term is known.
    pub(crate) fn start(&self) -> Index {
        self.runs[0].0
    }

    pub(crate) fn last(&self) -> Index {
        self.last
    }

    pub(crate) fn get(&self, index: Index) -> Option<Term> {
        if index > self.last {
            return None;
        }
        let after = self.runs.partition_point(|(start, _)| *start <= index);
        Some(self.runs[after.checked_sub(1)?].1)
    }

    /// The term of the entry after the last one.
    pub(crate) fn push(&mut self, term: Term) {
        self.last = self.last.next();
        if self.runs.last().is_some_and(|(_, last)| *last != term) {
            self.runs.push((self.last, term));
        }
    }

    /// The entries after the last one up to `last` have this term.
    pub(crate) fn extend(&mut self, last: Index, term: Term) {
        if last > self.last {
            self.push(term);
            self.last = last;
        }
    }

    /// Forgets everything from `from` on, which is behind the start.
    pub(crate) fn truncate(&mut self, from: Index) {
        debug_assert!(self.start() < from && from <= self.last);
        self.runs.retain(|(start, _)| *start < from);
        self.last = Index(from.0 - 1);
    }

    /// Forgets everything before `start`, which is known.
    pub(crate) fn compact(&mut self, start: Index) {
        let kept = self.runs.partition_point(|(begin, _)| *begin <= start) - 1;
        self.runs.drain(..kept);
        self.runs[0].0 = start;
    }
}
