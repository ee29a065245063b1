//! The guard before the generated decoders: how deep messages lie in each other is found out
//! without recursion, so that no bytes from elsewhere can overflow a thread's stack.
//!
//! Two things in bytes make the generated code call itself: a sub-message, for each level, and a
//! group, which no message here has but the decoder passes over with a call for each level, at one
//! byte each. Both count as a level. The descriptors' table tells which fields are sub-messages;
//! what looks like a message inside of a byte field is none.
//!
//! Does not check anything else: what passes may still be refused by the decoder.
//!
//! Invariant: what [`decode`] gives is at most [`NESTING_MAX`] levels deep, so decoding, comparing,
//! printing, encoding and dropping it fit into a stack of 2 MiB, in builds without optimisation
//! too, with half of it to spare.

use bytes::Bytes;
use prost::{Message, Name};

use crate::DecodeError;

include!(concat!(env!("OUT_DIR"), "/field_table.rs"));

/// How deep messages and groups may lie in each other, the outermost message included.
///
/// Go's limit comes from its count of operations: with `--max-txn-ops` at its default of 128 each
/// nesting leaves one operation less to the next, so that 127 transactions may lie in a
/// transaction, and one more only if it is empty. That is 257 levels, 258 in an entry of the log.
/// Go allows more when that flag is raised; the limit here stays.
pub const NESTING_MAX: u32 = 600;

/// Reads a message from bytes that nobody has checked. Byte fields of the result share the memory
/// of `bytes`.
///
/// # Errors
/// [`DecodeError::TooDeep`] if it is nested deeper than [`NESTING_MAX`]: deeper than the outermost
/// transaction of any request that passes the check for too many operations. Another if the bytes
/// are no such message.
pub fn decode<M: Message + Name + Default>(bytes: impl Into<Bytes>) -> Result<M, DecodeError> {
    let bytes = bytes.into();
    check(&bytes, Row::<M>::INDEX)?;
    Ok(M::decode(bytes)?)
}

/// As [`decode`], for a caller's message: as in Go, a field of another type than the message's is
/// one that nobody knows.
///
/// # Errors
/// As [`decode`].
pub fn decode_request<M: Message + Name + Default>(
    bytes: impl Into<Bytes>,
) -> Result<M, DecodeError> {
    let bytes = bytes.into();
    check(&bytes, Row::<M>::INDEX)?;
    M::decode(bytes.clone()).or_else(|error| match disguise(&bytes, Row::<M>::INDEX) {
        Some(disguised) => Ok(M::decode(disguised)?),
        None => Err(error.into()),
    })
}

struct Row<M>(std::marker::PhantomData<M>);

impl<M: Name> Row<M> {
    /// Found by the compiler; a message outside the table does not compile.
    const INDEX: usize = row(M::PACKAGE, M::NAME);
}

/// The row of a message in the table.
const fn row(package: &str, name: &str) -> usize {
    let mut index = 0;
    while index < MESSAGES.len() {
        if is_full_name(MESSAGES[index].0, package, name) {
            return index;
        }
        index += 1;
    }
    panic!("the message is in no .proto file");
}

/// Whether `full` is `package.name`.
const fn is_full_name(full: &str, package: &str, name: &str) -> bool {
    let (full, package, name) = (full.as_bytes(), package.as_bytes(), name.as_bytes());
    if full.len() != package.len() + 1 + name.len() {
        return false;
    }
    let mut at = 0;
    while at < full.len() {
        let expected = if at < package.len() {
            package[at]
        } else if at == package.len() {
            b'.'
        } else {
            name[at - package.len() - 1]
        };
        if full[at] != expected {
            return false;
        }
        at += 1;
    }
    true
}

/// A message or group that is being read.
struct Level {
    /// The message's row; `None` for a group, whose fields are all unknown.
    row: Option<usize>,
    /// Where a message ends. A group ends with its own mark, but not behind the message around it.
    end: usize,
}

/// Walks through the bytes as a message of this row, refusing what is too deep or ends early.
fn check(bytes: &[u8], row: usize) -> Result<(), DecodeError> {
    let mut scan = Scan { bytes, at: 0 };
    let mut levels = vec![Level { row: Some(row), end: bytes.len() }];
    while let Some(level) = levels.last() {
        let (row, end) = (level.row, level.end);
        if scan.at == end {
            if row.is_none() {
                return Err(scan.malformed("a group does not end"));
            }
            levels.pop();
            continue;
        }
        match scan.field(end)? {
            Field::Plain => {}
            Field::Bytes { number, end } => match row.and_then(|row| held(row, number)) {
                None => scan.at = end,
                held => levels.push(Level { row: held, end }),
            },
            Field::GroupBegin => levels.push(Level { row: None, end }),
            Field::GroupEnd if row.is_none() => _ = levels.pop(),
            Field::GroupEnd => return Err(scan.malformed("a group ends that never began")),
        }
        if levels.len() > NESTING_MAX as usize {
            return Err(DecodeError::TooDeep { limit: NESTING_MAX });
        }
    }
    Ok(())
}

/// A copy of a message of this row, which has been checked, in which fields of another type than
/// the message's have numbers that the message has not. `None` if it has no such fields, or one for
/// which there is no such number.
fn disguise(bytes: &[u8], row: usize) -> Option<Bytes> {
    let mut copy = bytes.to_vec();
    let mut is_changed = false;
    let mut scan = Scan { bytes, at: 0 };
    let mut levels = vec![Level { row: Some(row), end: bytes.len() }];
    while let Some(level) = levels.last() {
        let (row, end) = (level.row, level.end);
        if scan.at == end {
            levels.pop();
            continue;
        }
        let at = scan.at;
        let key = scan.varint(end).ok()?;
        let key_place = at..scan.at;
        scan.at = at;
        let is_strange = row.is_some_and(|row| is_of_another_type(row, key));
        if is_strange {
            write_key(&mut copy[key_place], row?, key & 7)?;
            is_changed = true;
        }
        match scan.field(end).ok()? {
            Field::Plain => {}
            Field::Bytes { number, end } => match row.and_then(|row| held(row, number)) {
                Some(held) if !is_strange => levels.push(Level { row: Some(held), end }),
                _ => scan.at = end,
            },
            // The number at a group's end would have to change with the one at its beginning.
            Field::GroupBegin if is_strange => return None,
            Field::GroupBegin => levels.push(Level { row: None, end }),
            Field::GroupEnd => _ = levels.pop(),
        }
    }
    is_changed.then(|| copy.into())
}

fn is_of_another_type(row: usize, key: u64) -> bool {
    let known = KINDS[row].iter().find(|(number, _)| u64::from(*number) == key >> 3);
    known.is_some_and(|(_, kinds)| kinds & 1 << (key & 7) == 0)
}

/// Writes a key, as long as the one that was there, with a number that the message has not.
fn write_key(place: &mut [u8], row: usize, kind: u64) -> Option<()> {
    // A message has fewer fields than these numbers.
    let longest = if place.len() == 1 { 15 } else { 255 };
    let is_free = |number: &u64| KINDS[row].iter().all(|(known, _)| u64::from(*known) != *number);
    let mut rest = (1..=longest).rev().find(is_free)? << 3 | kind;
    let last = place.len() - 1;
    for (position, byte) in place.iter_mut().enumerate() {
        *byte = (rest & 0x7f) as u8 | if position < last { 0x80 } else { 0 };
        rest >>= 7;
    }
    Some(())
}

/// The row of the message that a field holds; `None` if it holds no message or is unknown.
fn held(row: usize, number: u32) -> Option<usize> {
    MESSAGES[row].1.iter().find(|(field, _)| *field == number).map(|(_, row)| *row)
}

enum Field {
    /// A number; it has been passed.
    Plain,
    /// A length-delimited field whose content comes next.
    Bytes {
        number: u32,
        end: usize,
    },
    GroupBegin,
    GroupEnd,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn field(&mut self, end: usize) -> Result<Field, DecodeError> {
        let key = self.varint(end)?;
        let number = u32::try_from(key >> 3).unwrap_or(u32::MAX);
        match key & 7 {
            0 => _ = self.varint(end)?,
            1 => self.pass(8, end)?,
            2 => {
                let length = self.varint(end)?;
                let at = self.at;
                self.pass(length, end)?;
                let content_end = std::mem::replace(&mut self.at, at);
                return Ok(Field::Bytes { number, end: content_end });
            }
            3 => return Ok(Field::GroupBegin),
            4 => return Ok(Field::GroupEnd),
            5 => self.pass(4, end)?,
            _ => return Err(self.malformed("unknown wire type")),
        }
        Ok(Field::Plain)
    }

    fn varint(&mut self, end: usize) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let Some(byte) = self.bytes[..end].get(self.at) else {
                return Err(self.malformed("the message ends inside a field"));
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed("a number is longer than 10 bytes"))
    }

    fn pass(&mut self, count: u64, end: usize) -> Result<(), DecodeError> {
        if count > (end - self.at) as u64 {
            return Err(self.malformed("the message ends inside a field"));
        }
        self.at += count as usize;
        Ok(())
    }

    fn malformed(&self, reason: &'static str) -> DecodeError {
        DecodeError::Malformed { offset: self.at, reason }
    }
}

#[cfg(test)]
#[path = "nesting_test.rs"]
mod tests;
