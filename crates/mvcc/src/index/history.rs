//! The superseded revisions of a key: chunks of at most 32, packed, newest first.
//!
//! A write adds to the newest chunk by copying it, and when that is full puts it into a tree of
//! chunks, so that a write costs the same whether a key has one revision or a million.
//!
//! Invariants: a history is not empty; entries descend by revision; each knows which main revision
//! superseded it; a chunk never changes.

use std::sync::Arc;

use super::chunk_tree::ChunkTree;
use super::entry::{Entry, unpack_varint};
use crate::record::put_varint;

/// Entries in a chunk at most.
pub(super) const CHUNK_ENTRIES_MAX: u32 = 32;

/// The superseded revisions of a key.
pub(super) struct History {
    newest: Chunk,
    older: Option<Arc<ChunkTree>>,
    /// The creation that the oldest entry goes back to.
    birth: i64,
    /// The lowest revision at which a compaction removes an entry.
    lost_at: i64,
}

impl History {
    /// The history of a key whose first entry was superseded.
    pub(super) fn begin(entry: &Entry, superseded_by: i64) -> Self {
        Self {
            newest: Chunk::of(entry, superseded_by),
            older: None,
            birth: entry.create,
            lost_at: entry.lost_at(Some(superseded_by)),
        }
    }

    /// The history with one more entry.
    pub(super) fn push(&self, entry: &Entry, superseded_by: i64) -> Self {
        let Self { newest, older, birth, lost_at } = self;
        let (newest, older) = if newest.count < CHUNK_ENTRIES_MAX {
            (newest.push(entry, superseded_by), older.clone())
        } else {
            let full = Arc::new(newest.clone());
            let older = older.as_ref().map_or_else(
                || ChunkTree::of(Arc::clone(&full)),
                |older| older.push(Arc::clone(&full)),
            );
            (Chunk::of(entry, superseded_by), Some(older))
        };
        Self { newest, older, birth: *birth, lost_at: *lost_at }
    }

    /// The newest entry with `main <= at`.
    pub(super) fn newest_at(&self, at: i64) -> Option<Entry> {
        if self.newest.oldest_main <= at {
            return self.newest.newest_at(at);
        }
        self.older.as_ref()?.find(at)?.newest_at(at)
    }

    /// What is left after a compaction at a revision before the key's present entry.
    pub(super) fn compact(&self, at: i64) -> Option<Self> {
        let (newest, older) = if self.newest.oldest_main <= at {
            (self.newest.compact(at)?, None)
        } else {
            let older = self.older.as_ref().and_then(|older| older.compact(at));
            (self.newest.clone(), older)
        };
        let oldest_chunk = older.as_ref().map_or(&newest, |older| older.oldest());
        let (oldest, superseded_by) = oldest_chunk.iter().last().expect("a chunk is not empty");
        let (birth, lost_at) = (oldest.create, oldest.lost_at(Some(superseded_by)));
        Some(Self { newest, older, birth, lost_at })
    }

    pub(super) const fn birth(&self) -> i64 {
        self.birth
    }

    pub(super) const fn lost_at(&self) -> i64 {
        self.lost_at
    }

    /// Bytes of the allocations that a history is, its own included.
    pub(super) fn heap_bytes(&self) -> usize {
        let older = self.older.as_ref().map_or(0, |older| older.heap_bytes());
        super::ARC_BYTES + size_of::<Self>() + self.newest.bytes.len() + older
    }

    /// All entries, newest first, each with what superseded it.
    #[cfg(test)]
    pub(super) fn entries(&self) -> Vec<(Entry, i64)> {
        let mut entries: Vec<_> = self.newest.iter().collect();
        if let Some(older) = &self.older {
            older.chunks_newest_first(&mut |chunk| entries.extend(chunk.iter()));
        }
        entries
    }
}

/// Some consecutive entries.
///
/// Packed as the newest one ([`Entry::pack`]), then for each further one how far its main revision
/// is below the one before, and itself.
#[derive(Clone)]
pub(super) struct Chunk {
    newest_main: i64,
    oldest_main: i64,
    /// What superseded the newest entry; an older one was superseded by the one before it.
    superseded_by: i64,
    count: u32,
    bytes: Box<[u8]>,
}

impl Chunk {
    fn of(entry: &Entry, superseded_by: i64) -> Self {
        let mut bytes = Vec::new();
        entry.pack(&mut bytes, false);
        let main = entry.revision.main;
        Self { newest_main: main, oldest_main: main, superseded_by, count: 1, bytes: bytes.into() }
    }

    fn push(&self, entry: &Entry, superseded_by: i64) -> Self {
        let mut bytes = Vec::with_capacity(self.bytes.len() + 24);
        entry.pack(&mut bytes, false);
        put_varint(&mut bytes, (entry.revision.main - self.newest_main) as u64);
        bytes.extend_from_slice(&self.bytes);
        Self {
            newest_main: entry.revision.main,
            oldest_main: self.oldest_main,
            superseded_by,
            count: self.count + 1,
            bytes: bytes.into(),
        }
    }

    pub(super) const fn oldest_main(&self) -> i64 {
        self.oldest_main
    }

    /// The newest entry with `main <= at`.
    pub(super) fn newest_at(&self, at: i64) -> Option<Entry> {
        self.iter().map(|(entry, _)| entry).find(|entry| entry.revision.main <= at)
    }

    /// What is left after a compaction: nothing behind the newest entry with `main <= at`, nor that
    /// one if it is a deletion before `at`.
    pub(super) fn compact(&self, at: i64) -> Option<Self> {
        let mut entries = self.iter();
        let mut kept = 0;
        let mut kept_bytes = 0;
        let mut oldest_main = self.newest_main;
        while let Some((entry, _)) = entries.next() {
            let main = entry.revision.main;
            if main < at && !entry.is_live() {
                break;
            }
            kept += 1;
            kept_bytes = self.bytes.len() - entries.rest.len();
            oldest_main = main;
            if main <= at {
                break;
            }
        }
        let bytes = self.bytes[..kept_bytes].into();
        (kept > 0).then_some(Self { oldest_main, count: kept, bytes, ..*self })
    }

    /// The entries, newest first, each with what superseded it.
    pub(super) fn iter(&self) -> Entries<'_> {
        Entries {
            main: self.newest_main,
            superseded_by: self.superseded_by,
            left: self.count,
            begun: false,
            rest: &self.bytes,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        super::ARC_BYTES + size_of::<Self>() + self.bytes.len()
    }
}

/// See [`Chunk::iter`].
pub(super) struct Entries<'a> {
    /// Of the entry given last.
    main: i64,
    /// What superseded the entry that comes next.
    superseded_by: i64,
    left: u32,
    begun: bool,
    rest: &'a [u8],
}

impl Iterator for Entries<'_> {
    type Item = (Entry, i64);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if self.begun {
            self.main -= unpack_varint(&mut self.rest) as i64;
        }
        self.begun = true;
        let (entry, _) = Entry::unpack(self.main, &mut self.rest);
        let superseded_by = std::mem::replace(&mut self.superseded_by, self.main);
        Some((entry, superseded_by))
    }
}
