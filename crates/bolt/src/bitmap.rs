//! A set of pages, one bit each.
//!
//! Invariant: `bits.len() == pages / 64 + 1`; a page is added once.

use std::ops::Range;

use crate::page::PageId;

/// Which pages below a high-water mark are in a set.
#[derive(Clone, Debug)]
pub(crate) struct Bitmap {
    bits: Vec<u64>,
    pages: u64,
}

impl Bitmap {
    /// No page of `pages`.
    pub(crate) fn new(pages: u64) -> Self {
        Self { bits: vec![0; (pages / 64 + 1) as usize], pages }
    }

    pub(crate) fn contains(&self, id: PageId) -> bool {
        id.0 < self.pages && self.bits[(id.0 / 64) as usize] >> (id.0 % 64) & 1 == 1
    }

    /// Adds `count` pages from `start`.
    ///
    /// # Errors
    /// The first of them that was there already or is not below the high-water mark.
    pub(crate) fn add(&mut self, start: PageId, count: u64) -> Result<(), PageId> {
        for id in (start.0..start.0.saturating_add(count)).map(PageId) {
            if id.0 >= self.pages || self.contains(id) {
                return Err(id);
            }
            self.bits[(id.0 / 64) as usize] |= 1 << (id.0 % 64);
        }
        Ok(())
    }

    /// Adds all pages of another set with as many pages.
    ///
    /// # Errors
    /// A page that is in both.
    pub(crate) fn add_all(&mut self, other: &Self) -> Result<(), PageId> {
        for (index, (mine, theirs)) in self.bits.iter_mut().zip(&other.bits).enumerate() {
            let both = *mine & *theirs;
            if both != 0 {
                return Err(PageId(index as u64 * 64 + u64::from(both.trailing_zeros())));
            }
            *mine |= theirs;
        }
        Ok(())
    }

    /// The runs of pages from `from` on that are not in the set, ascending.
    pub(crate) fn gaps(&self, from: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut next = from;
        std::iter::from_fn(move || {
            let start = (next..self.pages).find(|id| !self.contains(PageId(*id)))?;
            let end = (start..self.pages).find(|id| self.contains(PageId(*id)));
            next = end.unwrap_or(self.pages);
            Some(start..next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_was_not_added() {
        let mut set = Bitmap::new(200);
        for (start, count) in [(0, 2), (5, 60), (66, 1), (190, 10)] {
            set.add(PageId(start), count).unwrap();
        }
        assert_eq!(set.gaps(0).collect::<Vec<_>>(), [2..5, 65..66, 67..190]);
        assert_eq!(set.add(PageId(60), 9), Err(PageId(60)));
        assert_eq!(set.add(PageId(199), 2), Err(PageId(199)));
    }

    #[test]
    fn sets_that_share_a_page_do_not_join() {
        let mut one = Bitmap::new(100);
        let mut two = Bitmap::new(100);
        one.add(PageId(70), 2).unwrap();
        two.add(PageId(72), 1).unwrap();
        one.add_all(&two).unwrap();
        assert_eq!(one.add_all(&two), Err(PageId(72)));
        assert!(one.contains(PageId(71)) && one.contains(PageId(72)));
    }
}
