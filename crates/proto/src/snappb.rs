//! The frame of a `.snap` file (spec/snap.md 4.1).
//!
//! Knows its bytes; computes and checks no CRC.

use bytes::Bytes;

use crate::DecodeError;
use crate::wire::{Fields, Sink, Value, codec};

/// A snapshot with its checksum. CRC 0 or no data means an empty snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// CRC-32C of `data`, not chained to anything.
    pub crc: u32,
    /// An encoded [`raftpb::Snapshot`](crate::raftpb::Snapshot).
    pub data: Bytes,
}

codec!(Snapshot);

impl Fields for Snapshot {
    fn write(&self, out: &mut impl Sink) {
        out.varint(1, u64::from(self.crc));
        out.nonempty_bytes(2, &self.data);
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.crc = value.varint()? as u32,
            2 => self.data = value.bytes()?,
            _ => {}
        }
        Ok(())
    }
}
