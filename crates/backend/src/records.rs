//! The write buffer of the `key` bucket: records in the order of their revisions, appended only.
//!
//! Records lie in chunks of write-once slots that the buffer and its readers share. Appending fills
//! the next slot; a reader holds the list of chunks and a length, so that publishing a state is a
//! new length, and what a reader has never changes under it. The list is copied only when a chunk
//! is added. Cutting the end off again copies the one chunk that the cut goes through, since
//! readers may still hold it.
//!
//! Knows nothing of the file.
//!
//! Invariants: keys strictly ascend; slots `0..len` of a prefix are filled and stay as they are;
//! `chunks.len() == len.div_ceil(CHUNK_RECORDS)`.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use types::{RecordKey, Revision};

/// Records per chunk.
const CHUNK_RECORDS: usize = 256;

/// What a row costs in the file beside its key and value: a leaf element
/// (spec/backend-bbolt.md 1.1).
pub(crate) const ROW_OVERHEAD_BYTES: usize = 16;

/// A record: its key and its encoded `mvccpb.KeyValue`.
type Record = (RecordKey, Bytes);

/// A fixed number of slots, filled from the front.
struct Chunk {
    slots: Box<[OnceLock<Record>]>,
}

impl Chunk {
    fn new() -> Self {
        Self { slots: std::iter::repeat_with(OnceLock::new).take(CHUNK_RECORDS).collect() }
    }

    /// A chunk with the first `len` records of another.
    fn copy_of(other: &Self, len: usize) -> Self {
        let chunk = Self::new();
        for (slot, record) in chunk.slots.iter().zip(&other.slots[..len]) {
            if let Some(record) = record.get() {
                slot.get_or_init(|| record.clone());
            }
        }
        chunk
    }
}

/// A stable state of the buffer: its first `len` records. Cheap to clone, for any thread.
#[derive(Clone, Default)]
pub(crate) struct Prefix {
    chunks: Arc<Vec<Arc<Chunk>>>,
    len: usize,
}

impl Prefix {
    /// How many records.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The record at a position below [`len`](Self::len).
    pub(crate) fn at(&self, position: usize) -> Option<&Record> {
        if position >= self.len {
            return None;
        }
        self.chunks.get(position / CHUNK_RECORDS)?.slots.get(position % CHUNK_RECORDS)?.get()
    }

    /// The first record's key.
    pub(crate) fn first(&self) -> Option<RecordKey> {
        self.at(0).map(|(key, _)| *key)
    }

    /// The last record's key.
    pub(crate) fn last(&self) -> Option<RecordKey> {
        self.at(self.len.checked_sub(1)?).map(|(key, _)| *key)
    }

    /// The position of the first record at or after a revision; [`len`](Self::len) if none is.
    pub(crate) fn position(&self, from: Revision) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle) {
                Some((key, _)) if key.revision < from => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// The record of a key.
    pub(crate) fn get(&self, key: RecordKey) -> Option<&Bytes> {
        let mut position = self.position(key.revision);
        while let Some((found, value)) = self.at(position) {
            if *found == key {
                return Some(value);
            }
            if *found > key {
                return None;
            }
            position += 1;
        }
        None
    }

    /// The records in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        (0..self.len).filter_map(|position| self.at(position))
    }
}

/// The buffer itself, with one owner.
#[derive(Default)]
pub(crate) struct Records {
    prefix: Prefix,
    bytes: usize,
}

/// A length to cut back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Length {
    records: usize,
    bytes: usize,
}

impl Length {
    /// How many records.
    pub(crate) const fn records(self) -> usize {
        self.records
    }
}

impl Records {
    /// Adds a record behind the others.
    ///
    /// # Panics
    /// When the key is not above the last one: revisions never go back.
    pub(crate) fn push(&mut self, key: RecordKey, value: Bytes) {
        assert!(self.prefix.last() < Some(key), "record {key:?} does not follow {:?}", self.last());
        let bytes = row_bytes(key.len(), value.len());
        let slot = self.prefix.len % CHUNK_RECORDS;
        if slot == 0 {
            let mut chunks = Vec::with_capacity(self.prefix.chunks.len() + 1);
            chunks.extend_from_slice(&self.prefix.chunks);
            chunks.push(Arc::new(Chunk::new()));
            self.prefix.chunks = Arc::new(chunks);
        }
        let chunk = self.prefix.chunks.last().expect("a chunk was added when the last was full");
        let empty = chunk.slots[slot].set((key, value)).is_ok();
        assert!(empty, "slot {slot} behind the buffer's end was already filled");
        self.prefix.len += 1;
        self.bytes += bytes;
    }

    /// A stable state: what is in the buffer now.
    pub(crate) fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The last record's key.
    pub(crate) fn last(&self) -> Option<RecordKey> {
        self.prefix.last()
    }

    /// What the records take in the file, without pages' own overhead.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The present length, for [`truncate`](Self::truncate).
    pub(crate) const fn length(&self) -> Length {
        Length { records: self.prefix.len, bytes: self.bytes }
    }

    /// Cuts off what came after `length`. Readers keep what they have.
    ///
    /// # Panics
    /// When the buffer is shorter: the length was not taken from it.
    pub(crate) fn truncate(&mut self, length: Length) {
        assert!(length.records <= self.prefix.len, "cut to {length:?} of {}", self.prefix.len);
        if length.records == self.prefix.len {
            return;
        }
        let whole = length.records / CHUNK_RECORDS;
        let rest = length.records % CHUNK_RECORDS;
        let mut chunks = self.prefix.chunks[..whole].to_vec();
        if rest > 0 {
            chunks.push(Arc::new(Chunk::copy_of(&self.prefix.chunks[whole], rest)));
        }
        self.prefix = Prefix { chunks: Arc::new(chunks), len: length.records };
        self.bytes = length.bytes;
    }
}

/// What a row takes in the file.
pub(crate) const fn row_bytes(key_len: usize, value_len: usize) -> usize {
    key_len + value_len + ROW_OVERHEAD_BYTES
}

#[cfg(test)]
#[path = "records_test.rs"]
mod tests;
