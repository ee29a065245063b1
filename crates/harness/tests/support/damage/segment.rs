//! Where the records of a segment of the log are, read without the code under test.

use std::path::Path;

/// The kinds of records, by their number.
pub const METADATA: u8 = 1;
pub const ENTRY: u8 = 2;
pub const STATE: u8 = 3;
pub const CRC: u8 = 4;
pub const SNAPSHOT: u8 = 5;

/// What a failing write leaves out.
pub const SECTOR: usize = 512;

/// A record with its length field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Where the length field is; the record is 8 bytes behind it.
    pub at: usize,
    /// Bytes of the record.
    pub len: usize,
    /// Zeros behind it.
    pub padding: usize,
    /// Its kind.
    pub kind: u8,
}

impl Frame {
    /// Where the next one begins.
    pub fn end(&self) -> usize {
        self.at + 8 + self.len + self.padding
    }

    /// Where its data begins: as many bytes before the record's end as the data is long.
    fn data<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let record = &bytes[self.at + 8..self.at + 8 + self.len];
        let mut rest = &record[2..];
        skip_number(&mut rest);
        if rest.is_empty() {
            return rest;
        }
        skip_number(&mut rest);
        rest
    }
}

/// Skips a field's key and the number behind it.
fn skip_number(bytes: &mut &[u8]) {
    let number = bytes[1..].iter().position(|byte| byte & 0x80 == 0).expect("a number ends");
    *bytes = &bytes[number + 2..];
}

/// The records of a segment.
pub fn frames(path: &Path) -> Vec<Frame> {
    frames_of(&std::fs::read(path).unwrap())
}

fn frames_of(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(field) = bytes.get(at..at + 8) {
        let field = u64::from_le_bytes(field.try_into().unwrap());
        if field == 0 {
            break;
        }
        let padding = if field >> 63 == 1 { (field >> 56) as usize & 7 } else { 0 };
        let len = (field & ((1 << 56) - 1)) as usize;
        frames.push(Frame { at, len, padding, kind: bytes[at + 9] });
        at += 8 + len + padding;
    }
    frames
}

/// Gives a log of one segment another member and cluster, with all CRCs put right.
pub fn set_identity(path: &Path, member: u64, cluster: u64) {
    let bytes = std::fs::read(path).unwrap();
    let (mut written, mut crc) = (Vec::new(), 0);
    for frame in frames_of(&bytes) {
        let metadata = [&[0x08][..], &number(member), &[0x10], &number(cluster)].concat();
        let data = if frame.kind == METADATA { &metadata } else { frame.data(&bytes) };
        crc = crc32c::crc32c_append(crc, data);
        let mut record = [&[0x08, frame.kind, 0x10][..], &number(u64::from(crc))].concat();
        if frame.kind != CRC {
            record.push(0x1a);
            record.extend(number(data.len() as u64));
            record.extend_from_slice(data);
        }
        let padding = (8 - record.len() % 8) % 8;
        let mark = if padding == 0 { 0 } else { (0x80 | padding as u64) << 56 };
        written.extend((record.len() as u64 | mark).to_le_bytes());
        written.extend(record);
        written.resize(written.len() + padding, 0);
    }
    written.resize(bytes.len(), 0);
    std::fs::write(path, written).unwrap();
}

fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
