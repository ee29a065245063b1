//! Records on their way to the file: encoded, chained by CRC, gathered until they are written with
//! one call.
//!
//! ```text
//! record = 08 type 10 varint(crc) [1a varint(len) data]
//! ```
//! The CRC is CRC-32C, running: each record's value covers the data of all records before it and
//! its own (spec/wal.md 3.3). Type and CRC are written even when zero, as every etcd writes them.
//!
//! Knows nothing of files. Invariant: `len` is the sum of the pieces' lengths, a multiple of eight.

use std::io::IoSlice;
use std::ops::Range;

use bytes::Bytes;
use proto::raftpb::{Entry, HardState};
use proto::walpb;

use crate::frame;
use crate::record::Kind;

/// Entry data from this size on goes to the file from where it is; below, copying is cheaper than
/// one more buffer in the system call.
const SHARED_BYTES_MIN: usize = 8 * 1024;

/// What the copy buffer may keep allocated between batches.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Records to be written behind one another.
#[derive(Debug)]
pub(crate) struct Batch {
    crc: u32,
    len: u64,
    copied: Vec<u8>,
    /// Where in `copied` the bytes begin that no piece names yet.
    unnamed: usize,
    pieces: Vec<Piece>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum Piece {
    Copied(Range<usize>),
    Shared(Bytes),
}

impl Batch {
    /// An empty batch behind a record with this running CRC.
    pub(crate) fn new(crc: u32) -> Self {
        let (copied, pieces, scratch) = (Vec::new(), Vec::new(), Vec::new());
        Self { crc, len: 0, copied, unnamed: 0, pieces, scratch }
    }

    /// The running CRC behind the last record.
    pub(crate) const fn crc(&self) -> u32 {
        self.crc
    }

    /// Bytes gathered.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing to write.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first record of a segment: the running CRC of the one before.
    pub(crate) fn push_crc(&mut self) {
        let record_len = self.begin(Kind::Crc, None);
        self.finish(record_len);
    }

    /// The caller's metadata.
    pub(crate) fn push_metadata(&mut self, metadata: &[u8]) {
        self.push(Kind::Metadata, metadata);
    }

    /// A hard state.
    pub(crate) fn push_state(&mut self, state: &HardState) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        state.encode(&mut scratch);
        self.push(Kind::State, &scratch);
        self.scratch = scratch;
    }

    /// A snapshot's position.
    pub(crate) fn push_snapshot(&mut self, snapshot: &walpb::Snapshot) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        snapshot.encode(&mut scratch);
        self.push(Kind::Snapshot, &scratch);
        self.scratch = scratch;
    }

    /// An entry. Its data is the last field of its encoding, so a large one need not be copied.
    pub(crate) fn push_entry(&mut self, entry: &Entry) {
        if entry.data.len() < SHARED_BYTES_MIN {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            entry.encode(&mut scratch);
            self.push(Kind::Entry, &scratch);
            self.scratch = scratch;
            return;
        }
        let mut head = std::mem::take(&mut self.scratch);
        head.clear();
        Entry { data: Bytes::new(), ..entry.clone() }.encode(&mut head);
        head.push(0x22);
        put_varint(&mut head, entry.data.len() as u64);
        self.crc = crc32c::crc32c_append(self.crc, &head);
        self.crc = crc32c::crc32c_append(self.crc, &entry.data);
        let record_len = self.begin(Kind::Entry, Some(head.len() + entry.data.len()));
        self.copied.extend_from_slice(&head);
        self.name_copied();
        self.pieces.push(Piece::Shared(entry.data.clone()));
        self.scratch = head;
        self.finish(record_len);
    }

    /// The buffers, in file order.
    pub(crate) fn slices(&mut self) -> Vec<IoSlice<'_>> {
        self.name_copied();
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Copied(range) => IoSlice::new(&self.copied[range.clone()]),
                Piece::Shared(bytes) => IoSlice::new(bytes),
            })
            .collect()
    }

    /// Forgets what was written; the CRC goes on.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.unnamed = 0;
        self.pieces.clear();
        self.copied.clear();
        self.copied.shrink_to(KEPT_BYTES_MAX);
        self.scratch.shrink_to(KEPT_BYTES_MAX);
    }

    fn push(&mut self, kind: Kind, data: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, data);
        let record_len = self.begin(kind, Some(data.len()));
        self.copied.extend_from_slice(data);
        self.finish(record_len);
    }

    /// Writes all of a record that stands before its data; returns the record's length.
    fn begin(&mut self, kind: Kind, data_len: Option<usize>) -> usize {
        let frame_at = self.copied.len();
        self.copied.extend_from_slice(&[0; frame::FRAME_BYTES]);
        self.copied.extend_from_slice(&[0x08, kind as u8, 0x10]);
        put_varint(&mut self.copied, u64::from(self.crc));
        if let Some(data_len) = data_len {
            self.copied.push(0x1a);
            put_varint(&mut self.copied, data_len as u64);
        }
        let head_len = self.copied.len() - frame_at - frame::FRAME_BYTES;
        let record_len = head_len + data_len.unwrap_or(0);
        let field = frame::encode(record_len);
        self.copied[frame_at..frame_at + frame::FRAME_BYTES].copy_from_slice(&field);
        record_len
    }

    fn finish(&mut self, record_len: usize) {
        let padding = frame::padding(record_len);
        self.copied.extend_from_slice(&[0; 8][..padding]);
        self.len += (frame::FRAME_BYTES + record_len + padding) as u64;
    }

    fn name_copied(&mut self) {
        if self.unnamed < self.copied.len() {
            self.pieces.push(Piece::Copied(self.unnamed..self.copied.len()));
            self.unnamed = self.copied.len();
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(batch: &mut Batch) -> Vec<u8> {
        batch.slices().iter().flat_map(|slice| slice.to_vec()).collect()
    }

    /// The first bytes of a log of the real etcd 3.5.1: golden/vectors.txt, "WAL head".
    #[test]
    fn a_head_as_etcd_writes_it() {
        let metadata = [
            0x08, 0xa8, 0xfe, 0xa7, 0xf1, 0xf4, 0xbb, 0xdd, 0x97, 0x51, 0x10, 0xc8, 0xe1, 0xa7,
            0xee, 0x8f, 0xa8, 0xa2, 0xa5, 0x5a,
        ];
        let mut batch = Batch::new(0);
        batch.push_crc();
        batch.push_metadata(&metadata);
        batch.push_snapshot(&walpb::Snapshot { index: 0, term: 0, conf_state: None });
        let hex: String = bytes(&mut batch).iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = [
            "0400000000000084",
            "0804100000000000",
            "1e00000000000082",
            "080110c1b6ba840e1a14",
            "08a8fea7f1f4bbdd975110c8e1a7ee8fa8a2a55a",
            "0000",
            "0e00000000000082",
            "080510e9b1dc96031a0408001000",
            "0000",
        ];
        assert_eq!(hex, expected.concat());
    }

    #[test]
    fn shared_data_gives_the_bytes_of_copied_data() {
        let entry = |len: usize| Entry {
            term: 3,
            index: 9,
            data: Bytes::from(vec![7; len]),
            ..Entry::default()
        };
        for len in [SHARED_BYTES_MIN - 1, SHARED_BYTES_MIN, SHARED_BYTES_MIN + 5] {
            let entry = entry(len);
            let mut whole = Vec::new();
            entry.encode(&mut whole);
            let mut expected = Batch::new(1);
            expected.push(Kind::Entry, &whole);
            let mut batch = Batch::new(1);
            batch.push_entry(&entry);
            assert_eq!(batch.crc(), expected.crc());
            assert_eq!(batch.len(), expected.len());
            assert_eq!(bytes(&mut batch), bytes(&mut expected), "{len}");
            assert_eq!(bytes(&mut batch).len() as u64, batch.len());
        }
    }
}
