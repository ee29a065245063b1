//! Frames: a length field, the record, and zeros up to the next multiple of eight.
//!
//! ```text
//! 0        8                8 + length       8 + length + padding
//! | length | record ...     | 0..7 zeros     |
//! ```
//! The length field is little-endian. Its low 56 bits are the record's length; with padding, the
//! high byte is `0x80 | padding`, else zero. Since frames start at multiples of eight, a length
//! field is never torn. A zero length field, or the file's end in its place, ends the segment.
//!
//! Knows nothing of what a record is.

/// Length of a length field.
pub(crate) const FRAME_BYTES: usize = 8;

const LENGTH_MASK: u64 = (1 << 56) - 1;

/// How many zeros follow a record of this length.
pub(crate) const fn padding(record_len: usize) -> usize {
    (8 - record_len % 8) % 8
}

/// The length field of a record.
pub(crate) const fn encode(record_len: usize) -> [u8; FRAME_BYTES] {
    let padding = padding(record_len) as u64;
    let marked = if padding == 0 { 0 } else { (0x80 | padding) << 56 };
    (record_len as u64 | marked).to_le_bytes()
}

/// A length field taken apart: the record's length and its padding. `None` ends the segment.
pub(crate) fn decode(field: [u8; FRAME_BYTES]) -> Option<(u64, u64)> {
    let field = u64::from_le_bytes(field);
    let padding = if field >> 63 == 1 { (field >> 56) & 7 } else { 0 };
    (field != 0).then_some((field & LENGTH_MASK, padding))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_fields_of_the_real_etcd() {
        assert_eq!(encode(4), 0x8400_0000_0000_0004u64.to_le_bytes());
        assert_eq!(encode(30), 0x8200_0000_0000_001eu64.to_le_bytes());
        assert_eq!(encode(16), 0x10u64.to_le_bytes());
    }

    #[test]
    fn length_fields_read_back_and_align() {
        for len in 1..1000 {
            assert_eq!(decode(encode(len)), Some((len as u64, padding(len) as u64)));
            assert_eq!((len + padding(len)) % 8, 0);
        }
        assert_eq!(decode([0; 8]), None);
    }
}
