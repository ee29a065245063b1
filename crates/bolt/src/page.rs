//! A page of the tree: its bytes, checked once, then read without further doubt.
//!
//! The layout is spec/backend-bbolt.md 1.1: a 16-byte header, an array of 16-byte elements, then the
//! keys and values. Knows no file and no cache.
//!
//! Invariants of every [`Page`]: `elements end <= key start`, `key start + key + value <= run
//! length`, `0 < key length <= 32768`, `key(i) < key(i + 1)`.

use std::ops::Range;

use bytes::Bytes;

use crate::error::Fault;

/// Bytes of a page's header.
pub(crate) const HEADER_BYTES: usize = 16;
/// Bytes of an element, of a leaf as of a branch.
pub(crate) const ELEMENT_BYTES: usize = 16;
/// Bytes of the header that every bucket's value starts with: root page and sequence.
pub(crate) const BUCKET_HEADER_BYTES: usize = 16;
/// The longest key and bucket name (bbolt `MaxKeySize`).
pub const KEY_BYTES_MAX: usize = 32_768;
/// The longest value (bbolt `MaxValueSize`).
pub const VALUE_BYTES_MAX: usize = (1 << 31) - 2;
/// The most elements of one page: the count has 16 bits, and 0xFFFF has a meaning of its own.
pub(crate) const ELEMENTS_MAX: usize = 0xFFFE;

/// The number of a page: its offset divided by the page size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageId(pub u64);

impl std::fmt::Display for PageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a transaction. A new file has 0 and 1; each commit takes the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Txid(pub u64);

impl std::fmt::Display for Txid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Branch,
    Leaf,
    Meta,
    Freelist,
}

impl Kind {
    pub(crate) const fn bits(self) -> u16 {
        match self {
            Self::Branch => 0x01,
            Self::Leaf => 0x02,
            Self::Meta => 0x04,
            Self::Freelist => 0x10,
        }
    }

    pub(crate) const fn of_bits(bits: u16) -> Option<Self> {
        match bits {
            0x01 => Some(Self::Branch),
            0x02 => Some(Self::Leaf),
            0x04 => Some(Self::Meta),
            0x10 => Some(Self::Freelist),
            _ => None,
        }
    }
}

/// A page's first 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) id: PageId,
    pub(crate) kind: Kind,
    pub(crate) count: u16,
    /// Pages that follow this one and belong to it.
    pub(crate) overflow: u32,
}

impl Header {
    /// Reads the header; `bytes` has at least [`HEADER_BYTES`].
    pub(crate) fn parse(bytes: &[u8], id: PageId) -> Result<Self, Fault> {
        let found = PageId(u64_at(bytes, 0));
        if found != id {
            return Err(Fault::new(0, format!("page {id}"), format!("page {found}")));
        }
        let bits = u16_at(bytes, 8);
        let Some(kind) = Kind::of_bits(bits) else {
            return Err(Fault::new(8, "the flags of one kind of page", format!("{bits:#x}")));
        };
        Ok(Self { id, kind, count: u16_at(bytes, 10), overflow: u32_at(bytes, 12) })
    }

    /// Writes the header over the first bytes.
    pub(crate) fn write(self, bytes: &mut [u8]) {
        bytes[0..8].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.kind.bits().to_le_bytes());
        bytes[10..12].copy_from_slice(&self.count.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.overflow.to_le_bytes());
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// A branch or leaf page, whole with its overflow pages, or the page inside an inline bucket.
#[derive(Debug)]
pub(crate) struct Page {
    header: Header,
    /// The whole run, header first.
    bytes: Bytes,
}

impl Page {
    /// Checks the bytes of the page with this id. `bytes` is the whole run.
    pub(crate) fn parse(bytes: Bytes, id: PageId) -> Result<Self, Fault> {
        if bytes.len() < HEADER_BYTES {
            let found = format!("{} bytes", bytes.len());
            return Err(Fault::new(0, "a page header of 16 bytes", found));
        }
        let header = Header::parse(&bytes, id)?;
        let page = Self { header, bytes };
        match header.kind {
            Kind::Branch | Kind::Leaf => page.check()?,
            Kind::Meta | Kind::Freelist => {
                let found = format!("{:?}", header.kind);
                return Err(Fault::new(8, "a branch or a leaf", found));
            }
        }
        Ok(page)
    }

    /// Checks every element, so that the accessors need not.
    fn check(&self) -> Result<(), Fault> {
        let elements_end = HEADER_BYTES + self.count() * ELEMENT_BYTES;
        if elements_end > self.bytes.len() {
            let found = format!("{} in {} bytes", self.count(), self.bytes.len());
            return Err(Fault::new(10, "a count of elements that fit the page", found));
        }
        if self.header.kind == Kind::Branch && self.count() == 0 {
            return Err(Fault::new(10, "a branch with children", "none"));
        }
        let mut previous: &[u8] = &[];
        let mut free = elements_end as u64;
        for index in 0..self.count() {
            let element = HEADER_BYTES + index * ELEMENT_BYTES;
            free = self.check_element(element, free)?;
            let key = self.key(index);
            if key <= previous {
                let found = format!("element {index} is not above the one before");
                return Err(Fault::new(element, "keys in strict order", found));
            }
            previous = key;
        }
        Ok(())
    }

    /// Checks an element whose key must start at `free`; returns where its value ends. All writers
    /// put keys and values behind the elements, one behind the other without a gap: so a wrong
    /// count of elements or a wrong length shows itself, too.
    fn check_element(&self, element: usize, free: u64) -> Result<u64, Fault> {
        let (position, key_bytes, value_bytes) = self.sizes(element);
        let start = element as u64 + position;
        if start != free {
            return Err(Fault::new(element, format!("a key at byte {free} of the page"), start));
        }
        if start + key_bytes + value_bytes > self.bytes.len() as u64 {
            let found =
                format!("{key_bytes} + {value_bytes} at {start} of {} bytes", self.bytes.len());
            return Err(Fault::new(element, "a key and value inside the page", found));
        }
        if key_bytes == 0 || key_bytes > KEY_BYTES_MAX as u64 {
            return Err(Fault::new(element, "a key of 1 to 32768 bytes", key_bytes));
        }
        if self.header.kind == Kind::Leaf {
            let flags = u32_at(&self.bytes, element);
            if flags > 1 {
                return Err(Fault::new(element, "element flags 0 or 1", flags));
            }
        }
        Ok(start + key_bytes + value_bytes)
    }

    /// Position relative to the element, key length and value length.
    fn sizes(&self, element: usize) -> (u64, u64, u64) {
        let word = |at: usize| u64::from(u32_at(&self.bytes, element + at));
        match self.header.kind {
            Kind::Leaf => (word(4), word(8), word(12)),
            _ => (word(0), word(4), 0),
        }
    }

    pub(crate) const fn id(&self) -> PageId {
        self.header.id
    }

    pub(crate) const fn is_leaf(&self) -> bool {
        matches!(self.header.kind, Kind::Leaf)
    }

    pub(crate) const fn count(&self) -> usize {
        self.header.count as usize
    }

    /// Pages of the run, at least 1.
    pub(crate) const fn pages(&self) -> u64 {
        self.header.overflow as u64 + 1
    }

    /// Bytes of memory that hold the run.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that the elements take, header included.
    pub(crate) fn used(&self) -> usize {
        let mut used = HEADER_BYTES + self.count() * ELEMENT_BYTES;
        for index in 0..self.count() {
            let (_, key, value) = self.sizes(HEADER_BYTES + index * ELEMENT_BYTES);
            used += (key + value) as usize;
        }
        used
    }

    fn key_range(&self, index: usize) -> Range<usize> {
        let element = HEADER_BYTES + index * ELEMENT_BYTES;
        let (position, key, _) = self.sizes(element);
        let start = element + position as usize;
        start..start + key as usize
    }

    fn value_range(&self, index: usize) -> Range<usize> {
        let element = HEADER_BYTES + index * ELEMENT_BYTES;
        let (position, key, value) = self.sizes(element);
        let start = element + position as usize + key as usize;
        start..start + value as usize
    }

    pub(crate) fn key(&self, index: usize) -> &[u8] {
        &self.bytes[self.key_range(index)]
    }

    pub(crate) fn value(&self, index: usize) -> &[u8] {
        &self.bytes[self.value_range(index)]
    }

    /// The key as a slice of the page: keeps the whole page in memory.
    pub(crate) fn shared_key(&self, index: usize) -> Bytes {
        self.bytes.slice(self.key_range(index))
    }

    /// The value as a slice of the page: keeps the whole page in memory.
    pub(crate) fn shared_value(&self, index: usize) -> Bytes {
        self.bytes.slice(self.value_range(index))
    }

    /// Whether the element of this leaf is a bucket.
    pub(crate) fn is_bucket(&self, index: usize) -> bool {
        u32_at(&self.bytes, HEADER_BYTES + index * ELEMENT_BYTES) & 1 == 1
    }

    /// The child of this branch.
    pub(crate) fn child(&self, index: usize) -> PageId {
        PageId(u64_at(&self.bytes, HEADER_BYTES + index * ELEMENT_BYTES + 8))
    }

    pub(crate) fn first_key(&self) -> Option<&[u8]> {
        (self.count() > 0).then(|| self.key(0))
    }

    pub(crate) fn last_key(&self) -> Option<&[u8]> {
        self.count().checked_sub(1).map(|last| self.key(last))
    }

    /// Where the key is, or the index at which it would be.
    pub(crate) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// The child of this branch in whose range the key lies. Keys below the first separator belong
    /// to the first child.
    pub(crate) fn child_for(&self, key: &[u8]) -> usize {
        match self.search(key) {
            Ok(index) => index,
            Err(index) => index.saturating_sub(1),
        }
    }

    /// The byte offset of a value inside the page, for messages.
    pub(crate) fn value_offset(&self, index: usize) -> u64 {
        self.value_range(index).start as u64
    }

    /// The byte offset of an element inside the page, for messages.
    pub(crate) const fn element_offset(index: usize) -> u64 {
        (HEADER_BYTES + index * ELEMENT_BYTES) as u64
    }
}

#[cfg(test)]
#[path = "page_test.rs"]
mod tests;
