//! Records of the write-ahead log (spec/wal.md 3.2).
//!
//! Knows the bytes of a record, not its frame, nor the CRC chain, nor what a type means.

use bytes::{BufMut, Bytes};

use crate::DecodeError;
use crate::raftpb::ConfState;
use crate::wire::{self, Fields, Sink, Value, codec};

/// One record. Type and CRC are always written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// What `data` is: one of the constants here, or a value of a version to come.
    pub record_type: i64,
    /// CRC-32C over the data of all records up to and including this one.
    pub crc: u32,
    /// The content. `None`, and only that, is left out of the encoding.
    pub data: Option<Bytes>,
}

impl Record {
    /// Type of a record whose data is an `etcdserverpb.Metadata`.
    pub const METADATA: i64 = 1;
    /// Type of a record whose data is a [`raftpb::Entry`](crate::raftpb::Entry).
    pub const ENTRY: i64 = 2;
    /// Type of a record whose data is a [`raftpb::HardState`](crate::raftpb::HardState).
    pub const STATE: i64 = 3;
    /// Type of a record without data, which carries the CRC from one file to the next.
    pub const CRC: i64 = 4;
    /// Type of a record whose data is a [`Snapshot`].
    pub const SNAPSHOT: i64 = 5;
}

codec!(Record, Snapshot);

impl Fields for Record {
    fn write(&self, out: &mut impl Sink) {
        let data = self.data.as_deref();
        BorrowedRecord { record_type: self.record_type, crc: self.crc, data }.write(out);
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.record_type = value.varint()? as i64,
            2 => self.crc = value.varint()? as u32,
            3 => self.data = Some(value.bytes()?),
            _ => {}
        }
        Ok(())
    }
}

/// A [`Record`] that is to be written and whose data is elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BorrowedRecord<'a> {
    /// As in [`Record`].
    pub record_type: i64,
    /// As in [`Record`].
    pub crc: u32,
    /// As in [`Record`].
    pub data: Option<&'a [u8]>,
}

impl BorrowedRecord<'_> {
    /// How many bytes [`encode`](Self::encode) writes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        wire::length_of(|out| self.write(out))
    }

    /// Writes the record, byte for byte as Go does.
    ///
    /// # Panics
    /// If the buffer neither has room nor grows. `Vec` and `BytesMut` grow.
    pub fn encode(&self, out: &mut impl BufMut) {
        self.write(&mut wire::Encoder::new(out));
    }

    fn write(&self, out: &mut impl Sink) {
        out.varint(1, self.record_type as u64);
        out.varint(2, u64::from(self.crc));
        if let Some(data) = self.data {
            out.bytes(3, data);
        }
    }
}

/// Says that a snapshot was taken at a position.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// The last index that the snapshot covers.
    pub index: u64,
    /// The term of that index.
    pub term: u64,
    /// The configuration as of `index`. Since 3.5; absent at index 0.
    pub conf_state: Option<ConfState>,
}

impl Fields for Snapshot {
    fn write(&self, out: &mut impl Sink) {
        out.varint(1, self.index);
        out.varint(2, self.term);
        if let Some(conf_state) = &self.conf_state {
            out.message(3, conf_state);
        }
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.index = value.varint()?,
            2 => self.term = value.varint()?,
            3 => value.merge_into(self.conf_state.get_or_insert_default())?,
            _ => {}
        }
        Ok(())
    }
}
