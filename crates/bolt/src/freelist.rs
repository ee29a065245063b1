//! Which pages the next commit may write over.
//!
//! A page allocated by transaction A and freed by F is seen by the views of A to F - 1. It is free
//! again when none of those is left, even while an older view lives: bbolt keeps such pages for as
//! long as any older reader (design: backend contract). Knows page numbers only.
//!
//! Invariants: a page is in at most one of `free`, `held` and the tree of the newest state; every
//! held run is filed under a view that sees it, the newest such one when it was filed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::page::{PageId, Txid};
use crate::spans::Spans;
use crate::sweep::Run;

/// Free pages, and freed ones that views still see.
#[derive(Debug)]
pub(crate) struct Freelist {
    free: Spans,
    /// By the view that keeps them.
    held: BTreeMap<Txid, Vec<Held>>,
    held_pages: u64,
    /// Who allocated a run, by its first page; a page that is not here is older than all views.
    /// Only looked up, never iterated.
    allocated: HashMap<PageId, Txid>,
    /// The same by transaction, to forget what has become older than all views.
    allocated_by: BTreeMap<Txid, Vec<PageId>>,
}

/// A run that is not reachable from the newest state.
#[derive(Debug)]
struct Held {
    run: Run,
    allocated: Txid,
    freed: Txid,
}

impl Held {
    /// The newest live view that sees the run.
    fn holder(&self, live: &BTreeSet<Txid>) -> Option<Txid> {
        if self.allocated >= self.freed {
            return None;
        }
        live.range(self.allocated..self.freed).next_back().copied()
    }
}

impl Freelist {
    /// The list of a file whose free pages are known and which has one view.
    pub(crate) fn new(free: Spans) -> Self {
        Self {
            free,
            held: BTreeMap::new(),
            held_pages: 0,
            allocated: HashMap::new(),
            allocated_by: BTreeMap::new(),
        }
    }

    /// Pages that can be taken now.
    pub(crate) const fn free_pages(&self) -> u64 {
        self.free.pages()
    }

    /// Takes consecutive pages, if there are as many.
    pub(crate) fn take(&mut self, pages: u64) -> Option<PageId> {
        self.free.take(pages)
    }

    /// Puts pages back that were taken and not used.
    ///
    /// # Errors
    /// A page that is free already.
    pub(crate) fn give_back(&mut self, run: Run) -> Result<(), PageId> {
        self.free.add(run.start.0..run.start.0 + run.pages)
    }

    /// Remembers which runs a transaction allocated.
    pub(crate) fn allocated(&mut self, by: Txid, starts: Vec<PageId>) {
        self.allocated.extend(starts.iter().map(|start| (*start, by)));
        self.allocated_by.insert(by, starts);
    }

    /// Takes back the runs that a committed transaction made unreachable.
    ///
    /// # Errors
    /// A page that is free already.
    pub(crate) fn freed(
        &mut self,
        by: Txid,
        runs: Vec<Run>,
        live: &BTreeSet<Txid>,
    ) -> Result<(), PageId> {
        for run in runs {
            let allocated = self.allocated.remove(&run.start).unwrap_or(Txid(0));
            self.file(Held { run, allocated, freed: by }, live)?;
        }
        Ok(())
    }

    /// Frees what no view sees any more.
    ///
    /// # Errors
    /// A page that is free already.
    pub(crate) fn release(&mut self, live: &BTreeSet<Txid>) -> Result<(), PageId> {
        let gone: Vec<Txid> =
            self.held.keys().filter(|view| !live.contains(view)).copied().collect();
        for view in gone {
            for held in self.held.remove(&view).unwrap_or_default() {
                self.held_pages -= held.run.pages;
                self.file(held, live)?;
            }
        }
        self.forget_allocations(live);
        Ok(())
    }

    /// Puts a run under the view that keeps it, or among the free ones.
    fn file(&mut self, held: Held, live: &BTreeSet<Txid>) -> Result<(), PageId> {
        match held.holder(live) {
            Some(view) => {
                self.held_pages += held.run.pages;
                self.held.entry(view).or_default().push(held);
                Ok(())
            }
            None => {
                let start = held.run.start.0;
                self.free.add(start..start + held.run.pages)
            }
        }
    }

    /// What was allocated no later than the oldest view is seen by it: for such a run any older
    /// transaction stands as well.
    fn forget_allocations(&mut self, live: &BTreeSet<Txid>) {
        let Some(oldest) = live.first() else { return };
        while let Some(entry) = self.allocated_by.first_entry() {
            if entry.key() > oldest {
                return;
            }
            let (by, starts) = entry.remove_entry();
            for start in starts {
                // The page may have been freed and allocated again since.
                if self.allocated.get(&start) == Some(&by) {
                    self.allocated.remove(&start);
                }
            }
        }
    }

    /// Pages freed but still seen by a view.
    #[cfg(test)]
    pub(crate) const fn held_pages(&self) -> u64 {
        self.held_pages
    }

    /// Runs for the allocating transaction of which something is remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.allocated.len()
    }

    /// All pages that no tree of the newest state may reach: free and held ones.
    pub(crate) fn unreachable(&self) -> Vec<std::ops::Range<u64>> {
        let held = self.held.values().flatten();
        let held = held.map(|held| held.run.start.0..held.run.start.0 + held.run.pages);
        self.free.iter().chain(held).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, pages: u64) -> Run {
        Run { start: PageId(start), pages }
    }

    fn live(views: &[u64]) -> BTreeSet<Txid> {
        views.iter().copied().map(Txid).collect()
    }

    #[test]
    fn a_freed_page_waits_for_the_views_that_see_it() {
        let mut list = Freelist::new(Spans::default());
        list.freed(Txid(5), vec![run(10, 2)], &live(&[2, 4, 5])).unwrap();
        list.release(&live(&[2, 5])).unwrap();
        assert_eq!((list.free_pages(), list.held_pages()), (0, 2));
        list.release(&live(&[5])).unwrap();
        assert_eq!((list.free_pages(), list.held_pages()), (2, 0));
    }

    #[test]
    fn a_page_that_came_and_went_between_two_views_is_free() {
        let mut list = Freelist::new(Spans::default());
        list.allocated(Txid(7), vec![PageId(10)]);
        list.release(&live(&[2, 7])).unwrap();
        list.freed(Txid(9), vec![run(10, 1), run(20, 1)], &live(&[2, 8, 9])).unwrap();
        assert_eq!(list.free_pages(), 0);
        list.release(&live(&[2, 9])).unwrap();
        assert_eq!((list.free_pages(), list.held_pages()), (1, 1));
        assert_eq!(list.take(1), Some(PageId(10)));
    }

    #[test]
    fn allocations_older_than_all_views_are_forgotten() {
        let mut list = Freelist::new(Spans::default());
        for txid in 3..50 {
            list.allocated(Txid(txid), vec![PageId(txid), PageId(txid + 100)]);
            list.release(&live(&[txid - 1, txid])).unwrap();
            assert!(list.remembered() <= 4, "{}", list.remembered());
        }
    }

    #[test]
    fn freeing_twice_is_an_error() {
        let mut list = Freelist::new(Spans::default());
        list.freed(Txid(5), vec![run(10, 2)], &live(&[5])).unwrap();
        assert_eq!(list.freed(Txid(6), vec![run(11, 1)], &live(&[6])), Err(PageId(11)));
    }
}
