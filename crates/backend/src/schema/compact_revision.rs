//! `meta/scheduledCompactRev` and `meta/finishedCompactRev`: how far compaction was ordered and
//! how far it has been carried out (spec/schema.md 2.2).
//!
//! Invariant in every file: finished <= scheduled. The scheduled mark is durable before the first
//! record goes; the finished one comes with the last.

use types::{RecordKey, Revision};

use super::{Bucket, Malformed};

/// The key of the mark that a compaction was ordered.
pub const SCHEDULED: &[u8] = b"scheduledCompactRev";
/// The key of the mark that a compaction has ended.
pub const FINISHED: &[u8] = b"finishedCompactRev";

/// The stored bytes of either mark: a record key of sub-revision 0.
#[must_use]
pub fn encode(main: i64) -> [u8; RecordKey::PUT_LEN] {
    RecordKey::revision_bytes(Revision::new(main, 0))
}

/// Reads either mark; returns the main revision.
///
/// # Errors
/// When it is no revision.
pub fn decode(key: &[u8], value: &[u8]) -> Result<i64, Malformed> {
    match RecordKey::parse(value) {
        Some(RecordKey { revision, tombstone: false }) if revision.main >= 0 => Ok(revision.main),
        _ => Err(Malformed::new(Bucket::Meta, key, "17 bytes of a revision", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_read_back_and_others_are_refused() {
        assert_eq!(encode(30)[..], *b"\0\0\0\0\0\0\0\x1e_\0\0\0\0\0\0\0\0");
        assert_eq!(decode(FINISHED, &encode(i64::MAX)), Ok(i64::MAX));
        let tombstone = [&encode(30)[..], b"t"].concat();
        for value in [&b""[..], b"30", &encode(-1), &tombstone] {
            assert!(decode(SCHEDULED, value).is_err(), "{value:?}");
        }
    }
}
