//! Pages in memory, bounded in bytes.
//!
//! A clock with credits: a page that is used gets its credits back, a branch page more of them than
//! a leaf, and the hand takes one each time it passes. Knows no file: who reuses a page id forgets
//! the page first ([`Cache::forget`]).
//!
//! Invariants: `bytes(shard) <= capacity(shard)`; a page is in at most one slot; the content kept
//! for an id is the one that every view able to reach that id sees.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::page::{Page, PageId};

const SHARDS_MAX: usize = 16;
/// No shard is smaller than this unless the whole cache is.
const SHARD_BYTES_MIN: usize = 256 << 10;
/// Memory of a cached page beside its bytes: slot, map entry, page and reference counts.
const OVERHEAD_BYTES: usize = 192;
const LEAF_CREDITS: u8 = 1;
const BRANCH_CREDITS: u8 = 6;

/// The pages that are kept.
pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let shards = (bytes_max / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        let shard = || Mutex::new(Shard { bytes_max: bytes_max / shards, ..Shard::default() });
        Self { shards: std::iter::repeat_with(shard).take(shards).collect() }
    }

    fn shard(&self, id: PageId) -> MutexGuard<'_, Shard> {
        let index = (spread(id.0) >> 32) as usize % self.shards.len();
        // A thread that panics holding this lock leaves at worst a page that is not kept.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, id: PageId) -> Option<Arc<Page>> {
        self.shard(id).get(id)
    }

    /// Keeps a page, unless it is too big for its share of the cache.
    pub(crate) fn insert(&self, page: &Arc<Page>) {
        self.shard(page.id()).insert(page);
    }

    /// Drops a page whose id gets a new content.
    pub(crate) fn forget(&self, id: PageId) {
        self.shard(id).remove(id);
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().bytes).sum()
    }
}

#[derive(Default)]
struct Shard {
    slots: Vec<Option<Slot>>,
    empty: Vec<usize>,
    /// Only looked up, never iterated.
    index: HashMap<PageId, usize, BuildHasherDefault<IdHasher>>,
    hand: usize,
    bytes: usize,
    bytes_max: usize,
}

struct Slot {
    page: Arc<Page>,
    credits: u8,
}

impl Slot {
    fn credits_of(page: &Page) -> u8 {
        if page.is_leaf() { LEAF_CREDITS } else { BRANCH_CREDITS }
    }
}

fn charge(page: &Page) -> usize {
    page.len() + OVERHEAD_BYTES
}

impl Shard {
    fn get(&mut self, id: PageId) -> Option<Arc<Page>> {
        let slot = self.slots[*self.index.get(&id)?].as_mut()?;
        slot.credits = Slot::credits_of(&slot.page);
        Some(Arc::clone(&slot.page))
    }

    fn insert(&mut self, page: &Arc<Page>) {
        // One long value must not push out everything else.
        if charge(page) > self.bytes_max / 4 {
            return;
        }
        self.remove(page.id());
        while self.bytes + charge(page) > self.bytes_max {
            self.evict_one();
        }
        let slot = Some(Slot { page: Arc::clone(page), credits: Slot::credits_of(page) });
        let place = match self.empty.pop() {
            Some(place) => {
                self.slots[place] = slot;
                place
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.index.insert(page.id(), place);
        self.bytes += charge(page);
    }

    /// Moves the hand until a page is gone. There is one: the bytes are not zero.
    fn evict_one(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.slots.len();
            match &mut self.slots[self.hand] {
                Some(slot) if slot.credits == 0 => {
                    let id = slot.page.id();
                    return self.remove(id);
                }
                Some(slot) => slot.credits -= 1,
                None => {}
            }
        }
    }

    fn remove(&mut self, id: PageId) {
        let Some(place) = self.index.remove(&id) else { return };
        if let Some(slot) = self.slots[place].take() {
            self.bytes -= charge(&slot.page);
            self.empty.push(place);
        }
    }
}

/// Spreads neighbouring page ids (Fibonacci hashing, Knuth vol. 3, 6.4).
const fn spread(id: u64) -> u64 {
    let product = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 29)
}

/// A hasher for page ids only.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = spread(self.0 ^ id);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::page::{Header, Kind};

    fn page(id: u64, kind: Kind) -> Arc<Page> {
        let mut bytes = vec![0; 4096];
        Header { id: PageId(id), kind, count: 0, overflow: 0 }.write(&mut bytes);
        if kind == Kind::Branch {
            bytes[10] = 1;
            bytes[16] = 16;
            bytes[20] = 1;
        }
        Arc::new(Page::parse(Bytes::from(bytes), PageId(id)).unwrap())
    }

    #[test]
    fn the_bytes_stay_below_the_bound() {
        for bytes_max in [0, 5_000, 100_000, 3 << 20] {
            let cache = Cache::new(bytes_max);
            for id in 2..3000 {
                cache.insert(&page(id, Kind::Leaf));
                assert!(cache.bytes() <= bytes_max);
            }
        }
    }

    #[test]
    fn branches_outlive_a_stream_of_leaves() {
        let cache = Cache::new(200_000);
        let branch = page(2, Kind::Branch);
        cache.insert(&branch);
        for id in 3..2000 {
            cache.insert(&page(id, Kind::Leaf));
            if id % 30 == 0 {
                assert!(cache.get(PageId(2)).is_some(), "after {id}");
            }
        }
        assert!(cache.get(PageId(3)).is_none());
    }

    #[test]
    fn a_forgotten_page_is_gone_and_can_come_back() {
        let cache = Cache::new(1 << 20);
        for _ in 0..3 {
            cache.insert(&page(9, Kind::Leaf));
            cache.insert(&page(9, Kind::Leaf));
            assert!(cache.get(PageId(9)).is_some());
            cache.forget(PageId(9));
            assert!(cache.get(PageId(9)).is_none());
        }
        assert_eq!(cache.bytes(), 0);
    }
}
