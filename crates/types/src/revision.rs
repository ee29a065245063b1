//! Revisions and their stored form (spec/schema.md 2.1).

use std::fmt;

/// A point in the store's history: `main` counts transactions, `sub` the changes inside one.
///
/// `main` starts at 1 for an empty store; the first write is `2_0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision {
    /// The transaction.
    pub main: i64,
    /// The change inside the transaction, from 0, in the order of execution.
    pub sub: i64,
}

impl Revision {
    /// A revision from its two parts.
    #[must_use]
    pub const fn new(main: i64, sub: i64) -> Self {
        Self { main, sub }
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.main, self.sub)
    }
}

/// The key of a record in the `key` bucket: a revision and whether the record is a tombstone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordKey {
    /// The record's revision.
    pub revision: Revision,
    /// The record marks a deletion.
    pub tombstone: bool,
}

impl RecordKey {
    /// Length of a stored key of a put: `u64 BE main, '_', u64 BE sub`.
    pub const PUT_LEN: usize = 17;
    /// Length of a stored key of a tombstone: a put's with `'t'` behind.
    pub const TOMBSTONE_LEN: usize = 18;

    /// The 17 bytes of a revision, as stored (also the values of `scheduledCompactRev` and
    /// `finishedCompactRev`).
    #[must_use]
    pub fn revision_bytes(revision: Revision) -> [u8; Self::PUT_LEN] {
        let mut bytes = [b'_'; Self::PUT_LEN];
        bytes[..8].copy_from_slice(&revision.main.to_be_bytes());
        bytes[9..].copy_from_slice(&revision.sub.to_be_bytes());
        bytes
    }

    /// The stored bytes: an array whose first [`len`](Self::len) bytes count.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::TOMBSTONE_LEN] {
        let mut bytes = [b't'; Self::TOMBSTONE_LEN];
        bytes[..Self::PUT_LEN].copy_from_slice(&Self::revision_bytes(self.revision));
        bytes
    }

    /// How many of [`to_bytes`](Self::to_bytes) count: 17, or 18 for a tombstone.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(self) -> usize {
        if self.tombstone { Self::TOMBSTONE_LEN } else { Self::PUT_LEN }
    }

    /// Reads a stored key; `None` if it is not one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let tombstone = match bytes.len() {
            Self::PUT_LEN => false,
            Self::TOMBSTONE_LEN if bytes[Self::PUT_LEN] == b't' => true,
            _ => return None,
        };
        if bytes[8] != b'_' {
            return None;
        }
        let main = i64::from_be_bytes(bytes[..8].try_into().ok()?);
        let sub = i64::from_be_bytes(bytes[9..Self::PUT_LEN].try_into().ok()?);
        Some(Self { revision: Revision { main, sub }, tombstone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_keys_read_back() {
        for tombstone in [false, true] {
            let key = RecordKey { revision: Revision::new(0x0102, 3), tombstone };
            let bytes = key.to_bytes();
            assert_eq!(RecordKey::parse(&bytes[..key.len()]), Some(key));
        }
    }

    #[test]
    fn a_tombstone_sorts_behind_its_revision() {
        let put = RecordKey { revision: Revision::new(7, 1), tombstone: false };
        let tombstone = RecordKey { tombstone: true, ..put };
        assert!(put.to_bytes()[..17] < tombstone.to_bytes()[..18]);
        assert!(put < tombstone);
    }

    #[test]
    fn other_bytes_are_no_record_key() {
        let mut bytes = RecordKey { revision: Revision::new(7, 1), tombstone: true }.to_bytes();
        assert_eq!(RecordKey::parse(&bytes[..16]), None);
        bytes[17] = b'x';
        assert_eq!(RecordKey::parse(&bytes), None);
        bytes[8] = b'-';
        assert_eq!(RecordKey::parse(&bytes[..17]), None);
    }
}
