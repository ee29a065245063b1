//! A leaf: some consecutive keys in one block of exactly their size.
//!
//! ```text
//! block   prefix | row 0 | row 1 | ... | offset of row 0 (u32 LE) | offset of row 1 | ...
//! row     length of suffix | suffix | main revision | present entry, with a bit: has a history
//! ```
//! Numbers are packed in groups of 7 bits. A key is the prefix with its suffix. Histories stand
//! beside the block, in the order of their slots, so that copying a leaf touches no other memory
//! unless keys were overwritten.
//!
//! Invariants: keys ascend; the prefix is the longest that all keys have; a leaf never changes.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Key;
use super::entry::{Entry, unpack_varint};
use super::history::History;
use super::summary::Summary;

/// Keys in a leaf at most.
pub(super) const KEYS_MAX: usize = 64;
/// Bytes of a block at most, unless it has but one key.
pub(super) const BYTES_MAX: usize = 4096;

/// Bytes of an offset.
pub(super) const OFFSET_BYTES: usize = 4;

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Leaf {
    pub(super) block: Box<[u8]>,
    pub(super) count: u32,
    pub(super) prefix_len: u32,
    pub(super) histories: Box<[(u32, Arc<History>)]>,
}

/// What a leaf has of a key.
#[derive(Clone)]
pub(super) struct Row<'a> {
    pub(super) head: Entry,
    pub(super) history: Option<&'a Arc<History>>,
}

impl Row<'_> {
    /// The newest entry with `main <= at`.
    pub(super) fn newest_at(&self, at: i64) -> Option<Entry> {
        if self.head.revision.main <= at {
            return Some(self.head);
        }
        self.history?.newest_at(at)
    }
}

impl Leaf {
    pub(super) const fn len(&self) -> usize {
        self.count as usize
    }

    pub(super) fn prefix(&self) -> &[u8] {
        &self.block[..self.prefix_len as usize]
    }

    /// Where the rows of a slot and those after it begin; of the slot behind the last: where the
    /// rows end.
    pub(super) fn offset(&self, slot: usize) -> usize {
        let offsets = self.block.len() - self.len() * OFFSET_BYTES;
        if slot == self.len() {
            return offsets;
        }
        let at = offsets + slot * OFFSET_BYTES;
        let bytes = self.block[at..at + OFFSET_BYTES].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    }

    /// A slot's suffix, and what follows in its row.
    pub(super) fn split_row(&self, slot: usize) -> (&[u8], &[u8]) {
        let mut row = &self.block[self.offset(slot)..];
        let len = unpack_varint(&mut row) as usize;
        row.split_at(len)
    }

    pub(super) fn key(&self, slot: usize) -> Key<'_> {
        Key { prefix: self.prefix(), suffix: self.split_row(slot).0 }
    }

    pub(super) fn row(&self, slot: usize) -> Row<'_> {
        let (head, has_history) = self.head(slot);
        Row { head, history: has_history.then(|| self.history(slot)) }
    }

    /// A key's present entry, and whether it has a history.
    fn head(&self, slot: usize) -> (Entry, bool) {
        let (_, mut rest) = self.split_row(slot);
        let main = unpack_varint(&mut rest) as i64;
        Entry::unpack(main, &mut rest)
    }

    /// How many keys of some slots were there at a revision. Looks into a history only if the key
    /// was created or deleted since, not if it was overwritten.
    pub(super) fn live_at(&self, slots: std::ops::Range<usize>, at: i64) -> i64 {
        let mut rows = &self.block[self.offset(slots.start)..self.offset(slots.end)];
        let mut live = 0;
        for slot in slots {
            let suffix_len = unpack_varint(&mut rows) as usize;
            rows = &rows[suffix_len..];
            let main = unpack_varint(&mut rows) as i64;
            let (head, has_history) = Entry::unpack(main, &mut rows);
            let was_live = if head.event() <= at {
                head.is_live()
            } else {
                has_history && self.history(slot).newest_at(at).is_some_and(|entry| entry.is_live())
            };
            live += i64::from(was_live);
        }
        live
    }

    fn history(&self, slot: usize) -> &Arc<History> {
        let of = |(slot, _): &(u32, Arc<History>)| *slot as usize;
        let at = self.histories.binary_search_by_key(&slot, of);
        &self.histories[at.expect("a row with the bit has a history")].1
    }

    /// The histories of some slots.
    pub(super) fn histories_of(&self, slots: &std::ops::Range<usize>) -> &[(u32, Arc<History>)] {
        let before =
            |end: usize| self.histories.partition_point(|(slot, _)| (*slot as usize) < end);
        &self.histories[before(slots.start)..before(slots.end)]
    }

    /// The slot of a key, or where it would be.
    pub(super) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let Some(suffix) = key.strip_prefix(self.prefix()) else {
            let before = key < self.prefix();
            return Err(if before { 0 } else { self.len() });
        };
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.split_row(middle).0.cmp(suffix) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// The slots of the keys in some bounds.
    pub(super) fn slots(&self, start: Option<&[u8]>, end: Option<&[u8]>) -> std::ops::Range<usize> {
        let place = |key| self.search(key).unwrap_or_else(|place| place);
        start.map_or(0, place)..end.map_or(self.len(), place)
    }

    /// The summary of all keys. Visits every history.
    pub(super) fn summary(&self) -> Summary {
        (0..self.len()).fold(Summary::EMPTY, |summary, slot| {
            let Row { head, history } = self.row(slot);
            summary.and(Summary::of(&head, history.map(|history| &**history)))
        })
    }

    /// Bytes of the allocations that the leaf is, but its node's own.
    pub(super) fn heap_bytes(&self) -> usize {
        let histories: usize = self.histories.iter().map(|(_, history)| history.heap_bytes()).sum();
        self.block.len() + size_of_val(&*self.histories) + histories
    }
}
