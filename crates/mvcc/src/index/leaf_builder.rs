//! New leaves from rows of old ones and changed rows.
//!
//! Rows of a leaf whose prefix stays the same are copied as they lie; only where the prefix changes
//! are they taken apart.

use std::ops::Range;
use std::sync::Arc;

use super::Key;
use super::branch::Line;
use super::entry::Entry;
use super::history::History;
use super::leaf::{BYTES_MAX, KEYS_MAX, Leaf, OFFSET_BYTES};
use crate::record::put_varint;

/// Some rows of a leaf to be.
#[derive(Clone)]
pub(super) enum Item<'a> {
    /// Consecutive rows of a leaf, as they are; may be none.
    Rows(&'a Leaf, Range<usize>),
    /// A new row, or one that replaces an old one.
    Row { key: Key<'a>, head: Entry, history: Option<Arc<History>> },
}

/// What a new row takes beside its key, about.
const ROW_BYTES: usize = 16;

impl<'a> Item<'a> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Rows(_, slots) if slots.is_empty())
    }

    fn len(&self) -> usize {
        match self {
            Self::Rows(_, slots) => slots.len(),
            Self::Row { .. } => 1,
        }
    }

    /// What the rows take in a leaf whose prefix has so many bytes, about.
    fn bytes(&self, prefix_len: usize) -> usize {
        match self {
            Self::Rows(leaf, slots) => {
                let lying = leaf.offset(slots.end) - leaf.offset(slots.start);
                let with_prefixes = lying + slots.len() * (leaf.prefix_len as usize + OFFSET_BYTES);
                with_prefixes.saturating_sub(slots.len() * prefix_len)
            }
            Self::Row { key, .. } => (key.len() + ROW_BYTES).saturating_sub(prefix_len),
        }
    }

    fn first_key(&self) -> Key<'a> {
        match self {
            Self::Rows(leaf, slots) => leaf.key(slots.start),
            Self::Row { key, .. } => *key,
        }
    }

    fn last_key(&self) -> Key<'a> {
        match self {
            Self::Rows(leaf, slots) => leaf.key(slots.end - 1),
            Self::Row { key, .. } => *key,
        }
    }
}

/// One leaf of the rows, or several if they are too many for one.
pub(super) fn build(items: Vec<Item<'_>>) -> Line<Leaf> {
    let items = without_empty(items);
    let prefix_len = prefix_len(&items);
    let keys: usize = items.iter().map(Item::len).sum();
    let bytes: usize = items.iter().map(|item| item.bytes(prefix_len)).sum();
    if keys <= 1 || keys <= KEYS_MAX && bytes <= BYTES_MAX {
        return Line { first: leaf_of(&items, prefix_len), others: Vec::new() };
    }
    let rows = single_rows(items);
    let mut pieces = pieces(&rows, prefix_len).into_iter();
    let leaf = |rows: &[Item<'_>]| leaf_of(rows, self::prefix_len(rows));
    let first = leaf(&rows[pieces.next().expect("there are rows")]);
    let others = pieces.map(|piece| {
        let separator = separator(rows[piece.start - 1].last_key(), rows[piece.start].first_key());
        (separator, leaf(&rows[piece]))
    });
    Line { first, others: others.collect() }
}

/// One leaf of the rows, which came from one and are not more than they were.
pub(super) fn build_smaller(items: Vec<Item<'_>>) -> Leaf {
    let items = without_empty(items);
    leaf_of(&items, prefix_len(&items))
}

fn without_empty(mut items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    items.retain(|item| !item.is_empty());
    items
}

/// How many bytes all keys begin with in common.
fn prefix_len(items: &[Item<'_>]) -> usize {
    match items {
        [] => 0,
        [first, .., last] => first.first_key().common_prefix_len(last.last_key()),
        [only] => only.first_key().common_prefix_len(only.last_key()),
    }
}

/// Each row by itself.
fn single_rows(items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    let mut rows = Vec::new();
    for item in items {
        match item {
            Item::Rows(leaf, slots) => {
                rows.extend(slots.map(|slot| Item::Rows(leaf, slot..slot + 1)));
            }
            row @ Item::Row { .. } => rows.push(row),
        }
    }
    rows
}

/// Cuts rows into leaves of about the same size.
fn pieces(rows: &[Item<'_>], prefix_len: usize) -> Vec<Range<usize>> {
    let bytes: usize = rows.iter().map(|row| row.bytes(prefix_len)).sum();
    let leaves = rows.len().div_ceil(KEYS_MAX).max(bytes.div_ceil(BYTES_MAX));
    let bytes_each = bytes.div_ceil(leaves);
    let mut pieces = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        let row_bytes = row.bytes(prefix_len);
        let full = at - start == KEYS_MAX || size + row_bytes / 2 > bytes_each;
        if at > start && full {
            pieces.push(start..at);
            (start, size) = (at, 0);
        }
        size += row_bytes;
    }
    pieces.push(start..rows.len());
    pieces
}

/// The shortest key above `left` and not above `right`.
fn separator(left: Key<'_>, right: Key<'_>) -> Box<[u8]> {
    let len = left.common_prefix_len(right) + 1;
    let mut key = right.to_vec();
    key.truncate(len);
    key.into()
}

/// The leaf of some rows, all of which begin with so many bytes in common and not with more.
fn leaf_of(items: &[Item<'_>], prefix_len: usize) -> Leaf {
    let Some(first) = items.first() else { return Leaf::default() };
    let keys: usize = items.iter().map(Item::len).sum();
    let bytes: usize = items.iter().map(|item| item.bytes(prefix_len)).sum();
    let mut builder = Builder {
        prefix_len,
        block: Vec::with_capacity(prefix_len + bytes + keys * OFFSET_BYTES),
        offsets: Vec::with_capacity(keys),
        histories: Vec::new(),
    };
    first.first_key().write_range(0..prefix_len, &mut builder.block);
    for item in items {
        builder.push(item);
    }
    builder.finish()
}

struct Builder {
    prefix_len: usize,
    /// Prefix and rows.
    block: Vec<u8>,
    offsets: Vec<u32>,
    histories: Vec<(u32, Arc<History>)>,
}

impl Builder {
    fn push(&mut self, item: &Item<'_>) {
        match item {
            Item::Rows(leaf, slots) if leaf.prefix_len as usize == self.prefix_len => {
                self.push_as_they_lie(leaf, slots);
            }
            Item::Rows(leaf, slots) => {
                self.push_histories(leaf, slots);
                for slot in slots.clone() {
                    let (_, rest) = leaf.split_row(slot);
                    self.begin_row(leaf.key(slot));
                    self.block.extend_from_slice(rest_of_row(leaf, slot, rest));
                }
            }
            Item::Row { key, head, history } => {
                if let Some(history) = history {
                    self.histories.push((self.offsets.len() as u32, Arc::clone(history)));
                }
                self.begin_row(*key);
                put_varint(&mut self.block, head.revision.main as u64);
                head.pack(&mut self.block, history.is_some());
            }
        }
    }

    fn push_as_they_lie(&mut self, leaf: &Leaf, slots: &Range<usize>) {
        self.push_histories(leaf, slots);
        let (start, end) = (leaf.offset(slots.start), leaf.offset(slots.end));
        let to = self.block.len();
        let moved = slots.clone().map(|slot| offset_of(leaf.offset(slot) - start + to));
        self.offsets.extend(moved);
        self.block.extend_from_slice(&leaf.block[start..end]);
    }

    fn push_histories(&mut self, leaf: &Leaf, slots: &Range<usize>) {
        let to = self.offsets.len();
        let moved = leaf.histories_of(slots).iter().map(|(slot, history)| {
            ((*slot as usize - slots.start + to) as u32, Arc::clone(history))
        });
        self.histories.extend(moved);
    }

    fn begin_row(&mut self, key: Key<'_>) {
        self.offsets.push(offset_of(self.block.len()));
        put_varint(&mut self.block, (key.len() - self.prefix_len) as u64);
        key.write_range(self.prefix_len..key.len(), &mut self.block);
    }

    fn finish(self) -> Leaf {
        let Self { prefix_len, mut block, offsets, histories } = self;
        for offset in &offsets {
            block.extend_from_slice(&offset.to_le_bytes());
        }
        Leaf {
            block: block.into(),
            count: offsets.len() as u32,
            prefix_len: prefix_len as u32,
            histories: histories.into(),
        }
    }
}

/// What follows the suffix in a row, up to the row's end.
fn rest_of_row<'a>(leaf: &'a Leaf, slot: usize, rest: &'a [u8]) -> &'a [u8] {
    let rest_start = leaf.block.len() - rest.len();
    &leaf.block[rest_start..leaf.offset(slot + 1)]
}

fn offset_of(at: usize) -> u32 {
    u32::try_from(at).expect("a leaf has few keys, and a request is below 4 GiB")
}
