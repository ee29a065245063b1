//! Records: the kinds of them, and reading them one behind the other across segments.
//!
//! [`Records`] checks framing and the CRC chain, and tells a torn end from damage as etcd does
//! (spec/wal.md 3.7). It does not know what the data of a record means.
//!
//! Invariants: `offset` is the end of the last good record of the current segment; a record is
//! handed out only if its stored CRC equals the running one; no allocation is larger than the file
//! that it is read from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::File;
use proto::walpb;

use crate::error::{Context, Error, Result};
use crate::frame;

/// How many bytes one read of the file fetches.
const READ_BYTES: usize = 256 * 1024;

/// A write that was cut short leaves sectors of this size unwritten.
const SECTOR_BYTES: u64 = 512;

const FRAME_LEN: u64 = frame::FRAME_BYTES as u64;

/// How many bytes of a record come before its data at most: three keys, and numbers of one, five
/// and ten bytes.
const HEAD_BYTES_MAX: usize = 19;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `etcdserverpb.Metadata`: whose log this is. At the head of each segment.
    Metadata = walpb::Record::METADATA as isize,
    /// `raftpb.Entry`.
    Entry = walpb::Record::ENTRY as isize,
    /// `raftpb.HardState`.
    State = walpb::Record::STATE as isize,
    /// The running CRC at the end of the segment before; no data.
    Crc = walpb::Record::CRC as isize,
    /// `walpb.Snapshot`.
    Snapshot = walpb::Record::SNAPSHOT as isize,
}

impl Kind {
    fn from_number(number: i64) -> Option<Self> {
        [Self::Metadata, Self::Entry, Self::State, Self::Crc, Self::Snapshot]
            .into_iter()
            .find(|kind| *kind as i64 == number)
    }
}

/// A place in the log. Ordered as records are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Position {
    /// The segment's sequence number.
    pub sequence: u64,
    /// The byte in the segment.
    pub offset: u64,
}

/// A good record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Where it starts.
    pub position: Position,
    /// The CRC stored in it.
    pub crc: u32,
    /// The running CRC before it.
    pub crc_before: u32,
    /// Its content, an allocation of its own.
    pub data: Bytes,
}

/// A segment to be read.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) sequence: u64,
    pub(crate) file: Arc<dyn File>,
    /// Where reading stops: the file's size, or less.
    pub(crate) len: u64,
}

/// Whether the last segment's end may be a write that never finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It may; that is [`Error::Torn`].
    MayBeTorn,
    /// All that is read was flushed; a torn record is damage.
    Whole,
}

/// Reads records across segments.
pub struct Records {
    sources: Vec<Source>,
    current: usize,
    offset: u64,
    /// Where the record handed out last starts.
    record_at: u64,
    crc: u32,
    end: End,
    buffer: Vec<u8>,
    /// The file offset of the buffer's first byte.
    buffer_at: u64,
}

impl Records {
    /// From the start of the first segment.
    pub(crate) fn new(sources: Vec<Source>, end: End) -> Self {
        Self::resume(sources, end, 0, 0)
    }

    /// From a record in the middle of the first segment; `crc` is the running one before it.
    pub(crate) fn resume(sources: Vec<Source>, end: End, offset: u64, crc: u32) -> Self {
        let (record_at, buffer, buffer_at) = (offset, Vec::new(), 0);
        Self { sources, current: 0, offset, record_at, crc, end, buffer, buffer_at }
    }

    /// The end of the last record handed out, in the segment that it is in. After the last record:
    /// where the log's next one belongs.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The running CRC.
    pub(crate) const fn crc(&self) -> u32 {
        self.crc
    }

    /// The segment of the record handed out last.
    pub(crate) fn path(&self) -> &Path {
        &self.source().path
    }

    /// The next record; `None` at the end of the log.
    ///
    /// # Errors
    /// [`Error::Torn`] if the last segment ends inside a record, [`Error::Corrupted`] for any other
    /// bytes that are not a record, [`Error::Io`]. The reader stands still after an error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Record>> {
        while self.current < self.sources.len() {
            if let Some((record_len, padding)) = self.length_field()? {
                return match self.record(record_len, padding) {
                    Err(Error::Torn { .. }) => Err(self.torn_or_damaged(record_len)?),
                    outcome => outcome.map(Some),
                };
            }
            if self.is_last() {
                return self.check_end().map(|()| None);
            }
            self.current += 1;
            self.offset = 0;
            self.buffer.clear();
        }
        Ok(None)
    }

    /// The length field at `offset`; `None` at the end of the segment.
    fn length_field(&mut self) -> Result<Option<(u64, u64)>> {
        let mut field = [0; frame::FRAME_BYTES];
        match self.read(self.offset, &mut field)? {
            0 => Ok(None),
            frame::FRAME_BYTES => {
                let decoded = frame::decode(field);
                // A length field is written whole or not at all, so this is no torn one.
                if decoded.is_some_and(|(len, _)| frame::encode(len as usize) != field) {
                    let found = format!("{:#018x}", u64::from_le_bytes(field));
                    return Err(self.corrupted("a length with its padding", &found));
                }
                Ok(decoded)
            }
            _ => Err(self.torn("a length field", "the end of the file")),
        }
    }

    /// The record behind the length field at `offset`.
    fn record(&mut self, record_len: u64, padding: u64) -> Result<Record> {
        let left = self.source().len - self.offset - frame::FRAME_BYTES as u64;
        if record_len.checked_add(padding).is_none_or(|len| len > left) {
            let expected = format!("a record of at most {left} bytes");
            return Err(self.torn(&expected, &format!("a length of {record_len}")));
        }
        // Cannot truncate: the length is at most that of the file just read from.
        let mut body = vec![0; (record_len + padding) as usize];
        let body_at = self.offset + frame::FRAME_BYTES as u64;
        if self.read(body_at, &mut body)? < body.len() {
            return Err(self.torn("a whole record", "the end of the file"));
        }
        let body = Bytes::from(body);
        let Ok(decoded) = walpb::Record::decode(body.slice(..record_len as usize)) else {
            return Err(self.bad_record(&body, "a record", "other bytes"));
        };
        let record = self.check(decoded, &body)?;
        self.crc = record.crc;
        self.record_at = self.offset;
        self.offset = body_at + record_len + padding;
        Ok(record)
    }

    /// Checks type and CRC of the record at `offset`.
    fn check(&self, decoded: walpb::Record, body: &[u8]) -> Result<Record> {
        let crc_before = self.crc;
        let is_crc = decoded.record_type == Kind::Crc as i64;
        // A reader that starts with this record has nothing to compare it with.
        let computed = match (is_crc, crc_before) {
            (true, 0) => decoded.crc,
            (true, crc) => crc,
            (false, crc) => crc32c::crc32c_append(crc, decoded.data.as_deref().unwrap_or_default()),
        };
        if computed != decoded.crc {
            let (expected, found) =
                (format!("crc {:08x}", decoded.crc), format!("crc {computed:08x}"));
            // The chain between segments was synced before the segment got its name.
            return Err(match is_crc {
                true => self.corrupted(&expected, &found),
                false => self.bad_record(body, &expected, &found),
            });
        }
        let kind = Kind::from_number(decoded.record_type).ok_or_else(|| {
            let found = format!("type {}", decoded.record_type);
            self.corrupted("a record of type 1 to 5", &found)
        })?;
        let position = Position { sequence: self.source().sequence, offset: self.offset };
        let data = decoded.data.unwrap_or_default();
        Ok(Record { kind, position, crc: decoded.crc, crc_before, data })
    }

    /// What is wrong with a record that looks torn. A write that was cut short has lost a part of
    /// the record: one that is there in full has a damaged length field, and what follows it is
    /// still there, too.
    fn torn_or_damaged(&mut self, record_len: u64) -> Result<Error> {
        Ok(match self.record_without_length()? {
            // The file may end in the zeros behind the record.
            Some(len) if len != record_len => {
                self.corrupted(&format!("a length of {len}"), &format!("a length of {record_len}"))
            }
            _ => self.torn("a whole record", "a part of one"),
        })
    }

    /// Makes sure that no record follows the end of the last segment whose length field is zero.
    ///
    /// That field may have been lost with a sector of its own; the bytes behind it were then never
    /// acknowledged, and not damaged.
    fn check_end(&mut self) -> Result<()> {
        if self.end == End::Whole || (self.offset + FRAME_LEN).is_multiple_of(SECTOR_BYTES) {
            return Ok(());
        }
        match self.record_without_length()? {
            Some(len) => Err(self.corrupted(&format!("a length of {len}"), "a length of 0")),
            None => Ok(()),
        }
    }

    /// The length of the record behind the length field at `offset`, from its own fields: if its
    /// type is known and its CRC right.
    fn record_without_length(&mut self) -> Result<Option<u64>> {
        let body_at = self.offset + FRAME_LEN;
        let mut head = [0; HEAD_BYTES_MAX];
        let there = self.read(body_at, &mut head)?;
        let Some(head) = Head::parse(&head[..there]) else { return Ok(None) };
        let left = self.source().len.saturating_sub(body_at + head.len);
        let Some(data_len) = head.data_len.filter(|len| *len <= left) else {
            // Only the first record of a segment has no data.
            let chained = self.crc == 0 || self.crc == head.crc;
            let is_crc = head.kind == Kind::Crc as u64 && head.data_len.is_none();
            return Ok((is_crc && chained).then_some(head.len));
        };
        // Cannot truncate: the length is at most that of the file.
        let mut data = vec![0; data_len as usize];
        let whole = self.read(body_at + head.len, &mut data)? == data.len();
        let right = crc32c::crc32c_append(self.crc, &data) == head.crc;
        Ok((whole && right && head.kind != Kind::Crc as u64).then_some(head.len + data_len))
    }

    /// Fills `out` from the current segment; returns how many bytes there were.
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<usize> {
        let source = &self.sources[self.current];
        let there = source.len.saturating_sub(at).min(out.len() as u64) as usize;
        let out = &mut out[..there];
        let buffered = self.buffer_at..self.buffer_at + self.buffer.len() as u64;
        if !(buffered.contains(&at) && at + there as u64 <= buffered.end) {
            if out.len() >= READ_BYTES {
                return source.file.read_at(out, at).context("read", &source.path);
            }
            let wanted = (source.len - at.min(source.len)).min(READ_BYTES as u64) as usize;
            self.buffer.resize(wanted, 0);
            self.buffer_at = at;
            let read = source.file.read_at(&mut self.buffer, at).context("read", &source.path)?;
            self.buffer.truncate(read);
        }
        let start = (at - self.buffer_at) as usize;
        let bytes = self.buffer.get(start..).unwrap_or_default();
        let count = bytes.len().min(out.len());
        out[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn source(&self) -> &Source {
        &self.sources[self.current]
    }

    fn is_last(&self) -> bool {
        self.current + 1 == self.sources.len()
    }

    /// The record at `offset` does not decode, or its CRC does not match.
    fn bad_record(&self, body: &[u8], expected: &str, found: &str) -> Error {
        if has_empty_sector(body, self.offset + frame::FRAME_BYTES as u64) {
            return self.torn(expected, found);
        }
        self.corrupted(expected, found)
    }

    fn torn(&self, expected: &str, found: &str) -> Error {
        if self.end == End::MayBeTorn && self.is_last() {
            return Error::Torn { file: self.source().path.clone(), offset: self.offset };
        }
        self.corrupted(expected, found)
    }

    /// Damage in the record handed out last.
    pub(crate) fn corrupted_record(&self, expected: &str, found: &str) -> Error {
        Error::corrupted(&self.source().path, self.record_at, expected, found)
    }

    /// Damage in the record at `offset`.
    fn corrupted(&self, expected: &str, found: &str) -> Error {
        Error::corrupted(&self.source().path, self.offset, expected, found)
    }
}

/// A record's fields but for its data, as every writer lays them out ([`crate::batch`]).
struct Head {
    kind: u64,
    crc: u32,
    /// `None` without data.
    data_len: Option<u64>,
    /// Bytes before the data.
    len: u64,
}

impl Head {
    /// `None` if the bytes do not begin as a record of a known type does.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let kind = number_behind(&mut rest, 0x08)?;
        Kind::from_number(i64::try_from(kind).ok()?)?;
        let crc = u32::try_from(number_behind(&mut rest, 0x10)?).ok()?;
        let without_data = rest.len();
        let data_len = number_behind(&mut rest, 0x1a);
        let left = if data_len.is_some() { rest.len() } else { without_data };
        Some(Self { kind, crc, data_len, len: (bytes.len() - left) as u64 })
    }
}

/// The varint behind a field's key at the start of the bytes, which then begin behind it.
fn number_behind(bytes: &mut &[u8], key: u8) -> Option<u64> {
    let mut rest = bytes.strip_prefix(&[key])?;
    let mut number = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            *bytes = rest;
            return Some(number);
        }
    }
    None
}

/// Whether some part of the bytes that fills a sector, as far as the bytes reach into it, is all
/// zero: such a sector was probably never written.
fn has_empty_sector(bytes: &[u8], offset: u64) -> bool {
    let first = (SECTOR_BYTES - offset % SECTOR_BYTES) as usize;
    let (head, rest) = bytes.split_at(first.min(bytes.len()));
    std::iter::once(head)
        .chain(rest.chunks(SECTOR_BYTES as usize))
        .any(|part| !part.is_empty() && part.iter().all(|byte| *byte == 0))
}
