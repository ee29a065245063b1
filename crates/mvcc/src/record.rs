//! The stored form of a key's change: an encoded `mvccpb.KeyValue`, written to the byte as Go
//! writes it and read in place (spec/schema.md 2.1).
//!
//! Knows nothing of where records are kept.
//!
//! Invariant: [`Record::parse`] reads back what [`Record::encode`] and [`tombstone`] wrote; fields
//! ascend and defaults are left out, since hashes are taken over the bytes.

use bytes::{BufMut, Bytes};
use types::LeaseId;

const KEY: u64 = 1;
const CREATE_REVISION: u64 = 2;
const MOD_REVISION: u64 = 3;
const VERSION: u64 = 4;
const VALUE: u64 = 5;
const LEASE: u64 = 6;

const WIRE_VARINT: u64 = 0;
const WIRE_FIXED64: u64 = 1;
const WIRE_BYTES: u64 = 2;
const WIRE_FIXED32: u64 = 5;

/// A record, its bytes borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Record<'a> {
    pub(crate) key: &'a [u8],
    /// The main revision at which the key was created.
    pub(crate) create_revision: i64,
    /// The main revision of this change; 0 in a stored tombstone.
    pub(crate) mod_revision: i64,
    /// How many changes since the creation, this one included.
    pub(crate) version: i64,
    pub(crate) value: &'a [u8],
    pub(crate) lease: LeaseId,
}

impl<'a> Record<'a> {
    /// The record's bytes, in an allocation of their own of exactly their size.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.encoded_len());
        put_bytes(&mut out, KEY, self.key);
        put_number(&mut out, CREATE_REVISION, self.create_revision);
        put_number(&mut out, MOD_REVISION, self.mod_revision);
        put_number(&mut out, VERSION, self.version);
        put_bytes(&mut out, VALUE, self.value);
        put_number(&mut out, LEASE, self.lease.get());
        debug_assert_eq!(out.len(), self.encoded_len(), "a record is not as long as computed");
        out.into()
    }

    fn encoded_len(&self) -> usize {
        bytes_len(self.key)
            + number_len(self.create_revision)
            + number_len(self.mod_revision)
            + number_len(self.version)
            + bytes_len(self.value)
            + number_len(self.lease.get())
    }

    /// Reads a record in place; `None` if the bytes are none. Fields may come in any order, the last
    /// of each counts, and unknown ones are passed over, as any protobuf reader does.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut record = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let tag = take_varint(&mut rest)?;
            match (tag >> 3, tag & 7) {
                (0, _) => return None,
                (field, WIRE_VARINT) => {
                    let number = take_varint(&mut rest)? as i64;
                    match field {
                        CREATE_REVISION => record.create_revision = number,
                        MOD_REVISION => record.mod_revision = number,
                        VERSION => record.version = number,
                        LEASE => record.lease = LeaseId(number),
                        KEY | VALUE => return None,
                        _ => {}
                    }
                }
                (field, WIRE_BYTES) => {
                    let len = usize::try_from(take_varint(&mut rest)?).ok()?;
                    let content = rest.split_off(..len)?;
                    match field {
                        KEY => record.key = content,
                        VALUE => record.value = content,
                        CREATE_REVISION | MOD_REVISION | VERSION | LEASE => return None,
                        _ => {}
                    }
                }
                (_, WIRE_FIXED64) => _ = rest.split_off(..8)?,
                (_, WIRE_FIXED32) => _ = rest.split_off(..4)?,
                _ => return None,
            }
        }
        Some(record)
    }
}

/// The stored bytes of a deletion: the key alone.
pub(crate) fn tombstone(key: &[u8]) -> Bytes {
    Record { key, ..Record::default() }.encode()
}

/// The `mvccpb.KeyValue` of a delete event: the stored tombstone with its revision.
pub(crate) fn deletion(tombstone: &[u8], mod_revision: i64) -> Bytes {
    let mut out = Vec::with_capacity(tombstone.len() + number_len(mod_revision));
    out.extend_from_slice(tombstone);
    put_number(&mut out, MOD_REVISION, mod_revision);
    out.into()
}

fn put_number(out: &mut Vec<u8>, field: u64, number: i64) {
    if number != 0 {
        put_varint(out, field << 3 | WIRE_VARINT);
        put_varint(out, number as u64);
    }
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_varint(out, field << 3 | WIRE_BYTES);
        put_varint(out, bytes.len() as u64);
        out.put_slice(bytes);
    }
}

const fn number_len(number: i64) -> usize {
    if number == 0 { 0 } else { 1 + varint_len(number as u64) }
}

const fn bytes_len(bytes: &[u8]) -> usize {
    if bytes.is_empty() { 0 } else { 1 + varint_len(bytes.len() as u64) + bytes.len() }
}

/// How many bytes [`put_varint`] writes.
pub(crate) const fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Writes a number in groups of 7 bits, lowest first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads such a number off the front; `None` if there is none.
pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use env::{Rng, SeededRng};
    use proto::mvccpb::KeyValue;

    use super::*;

    #[test]
    fn records_are_what_any_protobuf_reader_makes_of_them() {
        let mut rng = SeededRng::new(1);
        let numbers = [0, 1, 127, 128, 1 << 40, i64::MAX, -1];
        for round in 0..2000 {
            let mut number = || numbers[rng.below(numbers.len() as u64) as usize];
            let kv = KeyValue {
                key: vec![b'k'; round % 200].into(),
                create_revision: number(),
                mod_revision: number(),
                version: number(),
                value: vec![b'v'; round % 301].into(),
                lease: number(),
            };
            let record = Record {
                key: &kv.key,
                create_revision: kv.create_revision,
                mod_revision: kv.mod_revision,
                version: kv.version,
                value: &kv.value,
                lease: LeaseId(kv.lease),
            };
            let bytes = record.encode();
            assert_eq!(bytes, prost::Message::encode_to_vec(&kv));
            assert_eq!(Record::parse(&bytes), Some(record));
        }
    }

    #[test]
    fn a_delete_event_carries_key_and_revision() {
        let bytes = deletion(&tombstone(b"key"), 300);
        let kv = <KeyValue as prost::Message>::decode(bytes).unwrap();
        assert_eq!(kv, KeyValue { key: "key".into(), mod_revision: 300, ..KeyValue::default() });
    }

    #[test]
    fn damaged_bytes_are_no_record_or_another_but_never_a_panic() {
        let whole = Record { key: b"key", version: 300, value: b"value", ..Record::default() };
        let bytes = whole.encode();
        let mut rng = SeededRng::new(2);
        for _ in 0..20_000 {
            let mut damaged = bytes.to_vec();
            damaged[rng.below(bytes.len() as u64) as usize] = rng.next_u64() as u8;
            damaged.truncate(rng.below(bytes.len() as u64 + 1) as usize);
            let _ = Record::parse(&damaged);
        }
        assert_eq!(Record::parse(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), None);
        assert_eq!(Record::parse(b""), Some(Record::default()));
    }
}
