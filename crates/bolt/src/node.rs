//! A node of the tree on its way to pages: how big it is, where it is cut, how it is written.
//!
//! Knows no file. Invariants of what [`encode`] writes: spec/backend-bbolt.md 1.1; a run has one
//! page, or begins with an entry that does not fit one, or is a branch of few long keys.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::bucket;
use crate::page::{ELEMENT_BYTES, ELEMENTS_MAX, HEADER_BYTES, Header, Kind, Page, PageId};

/// A run of pages that holds several entries past the fill limit is at most this long: more would
/// make reading a short value as dear as reading the long one beside it.
const SHARED_RUN_PAGES_MAX: usize = 4;

/// A key and value of a leaf.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) is_bucket: bool,
}

/// A separator and the page below it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) key: Bytes,
    pub(crate) child: PageId,
}

/// A node of any size, its entries in order.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf(Vec<Item>),
    Branch(Vec<Link>),
}

impl Node {
    /// The node that a page holds. Keys and values are slices of the page.
    pub(crate) fn of_page(page: &Page) -> Self {
        if page.is_leaf() {
            Self::Leaf((0..page.count()).map(|index| Item::of_page(page, index)).collect())
        } else {
            let link = |index| Link { key: page.shared_key(index), child: page.child(index) };
            Self::Branch((0..page.count()).map(link).collect())
        }
    }

    pub(crate) const fn is_leaf(&self) -> bool {
        matches!(self, Self::Leaf(_))
    }

    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Leaf(items) => items.len(),
            Self::Branch(links) => links.len(),
        }
    }

    pub(crate) fn key(&self, index: usize) -> &Bytes {
        match self {
            Self::Leaf(items) => &items[index].key,
            Self::Branch(links) => &links[index].key,
        }
    }

    pub(crate) fn first_key(&self) -> Option<&Bytes> {
        (self.len() > 0).then(|| self.key(0))
    }

    pub(crate) fn last_key(&self) -> Option<&Bytes> {
        self.len().checked_sub(1).map(|last| self.key(last))
    }

    fn entry_bytes(&self, index: usize) -> usize {
        ELEMENT_BYTES
            + match self {
                Self::Leaf(items) => items[index].key.len() + items[index].value.len(),
                Self::Branch(links) => links[index].key.len(),
            }
    }

    fn range_bytes(&self, range: Range<usize>) -> usize {
        HEADER_BYTES + range.map(|index| self.entry_bytes(index)).sum::<usize>()
    }

    /// Bytes that the node takes in one page, header included.
    pub(crate) fn bytes(&self) -> usize {
        self.range_bytes(0..self.len())
    }

    /// Puts the entries of the right neighbour behind these. Both are of one kind.
    pub(crate) fn append(&mut self, right: Self) {
        match (self, right) {
            (Self::Leaf(items), Self::Leaf(more)) => items.extend(more),
            (Self::Branch(links), Self::Branch(more)) => links.extend(more),
            _ => unreachable!("the caller compares the kinds"),
        }
    }

    /// Where to cut the node into pages that are filled up to `split_bytes`.
    pub(crate) fn pieces(&self, page_size: usize, split_bytes: usize) -> Vec<Range<usize>> {
        if self.bytes() <= page_size && self.len() <= ELEMENTS_MAX {
            return std::iter::once(0..self.len()).collect();
        }
        let mut pieces = Vec::new();
        let mut start = 0;
        let mut bytes = HEADER_BYTES;
        for index in 0..self.len() {
            let entry = self.entry_bytes(index);
            let is_full = bytes + entry > split_bytes || index - start >= ELEMENTS_MAX;
            if is_full && self.may_cut(index - start, bytes, bytes + entry, page_size) {
                pieces.push(start..index);
                start = index;
                bytes = HEADER_BYTES;
            }
            bytes += entry;
        }
        pieces.push(start..self.len());
        self.join_tail(&mut pieces, page_size);
        pieces
    }

    /// Whether a piece of so many entries and bytes may end before an entry that brings it to
    /// `with_next` bytes. A branch needs two children, or no level would be smaller than the one
    /// below; a leaf takes a second entry where its page has room for it, and where it overflows
    /// the page anyway.
    fn may_cut(&self, entries: usize, bytes: usize, with_next: usize, page_size: usize) -> bool {
        match self {
            Self::Branch(_) => entries >= 2,
            Self::Leaf(_) if entries == 1 && bytes > page_size => {
                with_next > SHARED_RUN_PAGES_MAX * page_size
            }
            Self::Leaf(_) => entries >= 2 || (entries == 1 && with_next > page_size),
        }
    }

    /// Spares a last page with little in it where the one before has room, and a last branch with a
    /// single child always.
    fn join_tail(&self, pieces: &mut Vec<Range<usize>>, page_size: usize) {
        let [.., before, last] = pieces.as_slice() else { return };
        let joined = before.start..last.end;
        let lonely = !self.is_leaf() && last.len() == 1;
        let fits = self.range_bytes(joined.clone()) <= page_size;
        if joined.len() <= ELEMENTS_MAX && (lonely || fits) {
            pieces.truncate(pieces.len() - 2);
            pieces.push(joined);
        }
    }

    /// How many pages a piece takes.
    pub(crate) fn piece_pages(&self, piece: Range<usize>, page_size: usize) -> usize {
        self.range_bytes(piece).div_ceil(page_size)
    }

    /// The pages of a piece that begin at a page id.
    pub(crate) fn encode(&self, piece: Range<usize>, id: PageId, page_size: usize) -> Vec<u8> {
        let pages = self.piece_pages(piece.clone(), page_size);
        let mut bytes = Vec::with_capacity(pages * page_size);
        self.encode_onto(&mut bytes, piece, id, pages);
        bytes.resize(pages * page_size, 0);
        bytes
    }

    /// The value of the inline bucket that holds this leaf.
    pub(crate) fn encode_inline(&self, sequence: u64) -> Bytes {
        let mut bytes = bucket::header(PageId(0), sequence).to_vec();
        bytes.reserve_exact(self.bytes());
        self.encode_onto(&mut bytes, 0..self.len(), PageId(0), 1);
        bytes.into()
    }

    /// Writes header, elements, keys and values at the end of a buffer.
    fn encode_onto(&self, bytes: &mut Vec<u8>, piece: Range<usize>, id: PageId, pages: usize) {
        let kind = if self.is_leaf() { Kind::Leaf } else { Kind::Branch };
        let count = u16::try_from(piece.len()).expect("a piece has at most 0xFFFE entries");
        let overflow = u32::try_from(pages - 1).expect("a run is bounded by its longest value");
        let start = bytes.len();
        bytes.resize(start + HEADER_BYTES, 0);
        Header { id, kind, count, overflow }.write(&mut bytes[start..]);
        let mut position = (piece.len() * ELEMENT_BYTES) as u32;
        for index in piece.clone() {
            bytes.extend_from_slice(&self.element(index, position));
            let data = (self.entry_bytes(index) - ELEMENT_BYTES) as u32;
            position = position + data - ELEMENT_BYTES as u32;
        }
        for index in piece {
            bytes.extend_from_slice(self.key(index));
            if let Self::Leaf(items) = self {
                bytes.extend_from_slice(&items[index].value);
            }
        }
    }

    /// The 16 bytes of an element whose key lies `position` bytes behind its start.
    fn element(&self, index: usize, position: u32) -> [u8; ELEMENT_BYTES] {
        let mut element = [0; ELEMENT_BYTES];
        let key = (self.key(index).len() as u32).to_le_bytes();
        match self {
            Self::Leaf(items) => {
                element[0..4].copy_from_slice(&u32::from(items[index].is_bucket).to_le_bytes());
                element[4..8].copy_from_slice(&position.to_le_bytes());
                element[8..12].copy_from_slice(&key);
                element[12..16].copy_from_slice(&(items[index].value.len() as u32).to_le_bytes());
            }
            Self::Branch(links) => {
                element[0..4].copy_from_slice(&position.to_le_bytes());
                element[4..8].copy_from_slice(&key);
                element[8..16].copy_from_slice(&links[index].child.0.to_le_bytes());
            }
        }
        element
    }

    /// Whether a bucket with this leaf alone is kept inside its value (spec 1.1).
    pub(crate) fn fits_inline(&self, page_size: usize) -> bool {
        self.is_leaf() && self.bytes() <= page_size / 4 && self.len() <= ELEMENTS_MAX
    }
}

impl Item {
    pub(crate) fn of_page(page: &Page, index: usize) -> Self {
        let is_bucket = page.is_bucket(index);
        Self { key: page.shared_key(index), value: page.shared_value(index), is_bucket }
    }
}

impl From<&Arc<Page>> for Node {
    fn from(page: &Arc<Page>) -> Self {
        Self::of_page(page)
    }
}

#[cfg(test)]
#[path = "node_test.rs"]
mod tests;
