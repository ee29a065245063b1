//! One revision of a key as the index knows it, and its packed form.
//!
//! Invariants: `create <= revision.main`; a tombstone has `create == revision.main` and version 0.

use types::Revision;

use crate::record::put_varint;

/// What happened to a key at a revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// It was written.
    Put,
    /// It was deleted.
    Tombstone,
}

/// One revision of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) revision: Revision,
    /// The main revision at which the key was created.
    pub(crate) create: i64,
    /// How many times it was written since, this time included.
    pub(crate) version: i64,
    pub(crate) kind: Kind,
}

impl Entry {
    /// The first write of a key, or the first after a deletion.
    pub(crate) const fn created(revision: Revision) -> Self {
        Self { revision, create: revision.main, version: 1, kind: Kind::Put }
    }

    /// A deletion.
    pub(crate) const fn tombstone(revision: Revision) -> Self {
        Self { revision, create: revision.main, version: 0, kind: Kind::Tombstone }
    }

    /// The write that follows this entry.
    pub(crate) const fn rewritten(&self, revision: Revision) -> Self {
        match self.kind {
            Kind::Tombstone => Self::created(revision),
            Kind::Put => {
                Self { revision, create: self.create, version: self.version + 1, kind: Kind::Put }
            }
        }
    }

    /// Whether the key is there after this entry.
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.kind, Kind::Put)
    }

    /// The main revision of the key's last creation or deletion.
    pub(crate) const fn event(&self) -> i64 {
        match self.kind {
            Kind::Put => self.create,
            Kind::Tombstone => self.revision.main,
        }
    }

    /// The lowest revision at which a compaction removes this entry, given the main revision of the
    /// one that superseded it: it needs to be the newest no more, or a deletion that is past.
    pub(crate) fn lost_at(&self, superseded_by: Option<i64>) -> i64 {
        let by = superseded_by.unwrap_or(i64::MAX);
        match self.kind {
            Kind::Put => by,
            Kind::Tombstone if env::planted!("compaction-takes-tombstone") => {
                by.min(self.revision.main)
            }
            Kind::Tombstone => by.min(self.revision.main + 1),
        }
    }

    /// Packs everything but the main revision, with one bit for the caller.
    pub(super) fn pack(&self, out: &mut Vec<u8>, bit: bool) {
        let tombstone = self.kind == Kind::Tombstone;
        put_varint(
            out,
            (self.revision.sub as u64) << 2 | u64::from(bit) << 1 | u64::from(tombstone),
        );
        put_varint(out, (self.revision.main - self.create) as u64);
        put_varint(out, self.version as u64);
    }

    /// Unpacks what [`pack`](Self::pack) wrote, off the front.
    #[inline(always)]
    pub(super) fn unpack(main: i64, rest: &mut &[u8]) -> (Self, bool) {
        let head = unpack_varint(rest);
        let create = main - unpack_varint(rest) as i64;
        let version = unpack_varint(rest) as i64;
        let kind = if head & 1 == 1 { Kind::Tombstone } else { Kind::Put };
        let revision = Revision::new(main, (head >> 2) as i64);
        (Self { revision, create, version, kind }, head & 2 == 2)
    }
}

/// Reads a number that the index itself has packed.
#[inline(always)]
pub(super) fn unpack_varint(rest: &mut &[u8]) -> u64 {
    // Nearly all numbers here have one byte, and main revisions have few.
    let bytes = *rest;
    if let [byte, behind @ ..] = bytes
        && *byte < 0x80
    {
        *rest = behind;
        return u64::from(*byte);
    }
    let mut value = 0;
    let mut shift = 0;
    for (at, byte) in bytes.iter().enumerate() {
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            *rest = &bytes[at + 1..];
            return value;
        }
        shift += 7;
    }
    panic!("the index packs whole numbers");
}
