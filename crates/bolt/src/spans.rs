//! Runs of free pages.
//!
//! Invariants: spans neither overlap nor touch; both maps hold the same spans; `pages` is the sum of
//! their lengths.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::page::PageId;

/// Free pages, in maximal runs.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// Length by start.
    by_start: BTreeMap<u64, u64>,
    /// (length, start), to find the tightest fit.
    by_length: BTreeSet<(u64, u64)>,
    pages: u64,
}

impl Spans {
    /// How many pages there are.
    pub(crate) const fn pages(&self) -> u64 {
        self.pages
    }

    /// The spans, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.by_start.iter().map(|(start, length)| *start..start + length)
    }

    /// Adds pages.
    ///
    /// # Errors
    /// One of them is there already.
    pub(crate) fn add(&mut self, run: Range<u64>) -> Result<(), PageId> {
        if run.is_empty() {
            return Ok(());
        }
        let mut joined = run.clone();
        if let Some((start, length)) = self.by_start.range(..run.end).next_back() {
            let (start, end) = (*start, start + length);
            if end > run.start {
                return Err(PageId(run.start.max(start)));
            }
            if end == run.start {
                joined.start = start;
                self.remove(start, end - start);
            }
        }
        if let Some(length) = self.by_start.get(&run.end).copied() {
            joined.end = run.end + length;
            self.remove(run.end, length);
        }
        self.insert(joined.start, joined.end - joined.start);
        Ok(())
    }

    /// Takes `count` consecutive pages: a single one from the lowest span, so that the pages of a
    /// commit lie together and at the front of the file; more from the tightest span.
    pub(crate) fn take(&mut self, count: u64) -> Option<PageId> {
        let (start, length) = if count == 1 {
            self.by_start.first_key_value().map(|(start, length)| (*start, *length))?
        } else {
            self.by_length.range((count, 0)..).next().map(|(length, start)| (*start, *length))?
        };
        self.remove(start, length);
        if length > count {
            self.insert(start + count, length - count);
        }
        Some(PageId(start))
    }

    fn insert(&mut self, start: u64, length: u64) {
        self.by_start.insert(start, length);
        self.by_length.insert((length, start));
        self.pages += length;
    }

    fn remove(&mut self, start: u64, length: u64) {
        self.by_start.remove(&start);
        self.by_length.remove(&(length, start));
        self.pages -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_join() {
        let mut spans = Spans::default();
        for run in [10..12, 14..15, 12..14, 20..21, 19..20] {
            spans.add(run).unwrap();
        }
        assert_eq!(spans.iter().collect::<Vec<_>>(), [10..15, 19..21]);
        assert_eq!(spans.pages(), 7);
    }

    #[test]
    fn a_page_is_not_free_twice() {
        let mut spans = Spans::default();
        spans.add(10..20).unwrap();
        for run in [10..11, 19..25, 5..11, 5..30, 12..13] {
            assert!(spans.add(run.clone()).is_err(), "{run:?}");
        }
        assert!(spans.iter().eq(std::iter::once(10..20)));
    }

    #[test]
    fn single_pages_come_from_the_front_and_runs_from_the_tightest_span() {
        let mut spans = Spans::default();
        for run in [4..10, 20..23, 30..34] {
            spans.add(run).unwrap();
        }
        assert_eq!(spans.take(3), Some(PageId(20)));
        assert_eq!(spans.take(4), Some(PageId(30)));
        assert_eq!(spans.take(1), Some(PageId(4)));
        assert_eq!(spans.take(6), None);
        assert_eq!(spans.take(5), Some(PageId(5)));
        assert_eq!((spans.take(1), spans.pages()), (None, 0));
    }
}
