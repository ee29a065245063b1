//! Hashes over the history, by which members compare what they have (spec/schema.md 2.7).
//!
//! Invariant: members with the same compact revision have the same hash at the same revision,
//! whether or not their compactions have got to the records already.

use types::{RecordKey, Revision};

use crate::index::{Entry, Index};
use crate::record::Record;
use crate::{Error, ReadView, Result};

/// How many hashes of compactions are kept.
pub const HASHES_MAX: usize = 10;

/// A hash of the history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KvHash {
    /// CRC-32C.
    pub hash: u32,
    /// The compact revision that it was taken with; -1 if there was none. Only hashes with equal
    /// ones compare.
    pub compact_revision: i64,
    /// The last main revision in it.
    pub revision: i64,
}

/// The hashes that compactions left behind: of the latest [`HASHES_MAX`] revisions, ascending.
#[derive(Clone, Default, Debug)]
pub struct Hashes {
    hashes: Vec<KvHash>,
}

impl Hashes {
    /// Adds one; the lowest goes when there are too many.
    pub fn insert(&mut self, hash: KvHash) {
        let at = self.hashes.partition_point(|other| other.revision <= hash.revision);
        self.hashes.insert(at, hash);
        if self.hashes.len() > HASHES_MAX {
            self.hashes.remove(0);
        }
    }

    /// The one of a revision. HashKV answers with it where there is one.
    #[must_use]
    pub fn get(&self, revision: i64) -> Option<KvHash> {
        self.hashes.iter().copied().find(|hash| hash.revision == revision)
    }

    /// All, ascending by revision.
    #[must_use]
    pub fn all(&self) -> &[KvHash] {
        &self.hashes
    }
}

impl ReadView {
    /// The hash up to a revision (0: the newest; below: of nothing, as Go answers). Reads all records up to it: a job, not for a
    /// thread that others wait for.
    ///
    /// # Errors
    /// [`Error::Compacted`], [`Error::FutureRevision`], or when the file cannot be read.
    pub fn hash(&self, revision: i64) -> Result<KvHash> {
        let at = match revision {
            0 => self.revision,
            at if at > 0 && at < self.compact_revision => return Err(Error::Compacted),
            at if at > self.revision => return Err(Error::FutureRevision),
            at => at,
        };
        let mut hasher = Hasher::new(self.compact_revision, at, self.index.has_live(at));
        let end = Revision::new(at.saturating_add(1), 0);
        for record in self.records.records(Revision::default(), end) {
            let (key, bytes) = record?;
            let kept = || {
                let key_bytes = self.parse(key, &bytes)?.key;
                let entry = self.index.get(key_bytes, at);
                Ok::<_, Error>(entry.is_some_and(|entry| entry.revision == key.revision))
            };
            hasher.write(key, &bytes, kept)?;
        }
        Ok(hasher.finish())
    }
}

/// Takes records in the order of revisions into a hash.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    hash: u32,
    compact_revision: i64,
    revision: i64,
    /// Something survives the compaction. If nothing does, what it would remove is hashed too, as Go
    /// does.
    any_kept: bool,
}

impl Hasher {
    pub(crate) fn new(compact_revision: i64, revision: i64, any_kept: bool) -> Self {
        let hash = crc32c::crc32c(backend::Bucket::Key.as_bytes());
        Self { hash, compact_revision, revision, any_kept }
    }

    /// Takes a record, or passes over one that a compaction removes or may have removed: `kept` says
    /// whether it is what its key shows, and is asked only where that matters.
    pub(crate) fn write<E>(
        &mut self,
        key: RecordKey,
        value: &[u8],
        kept: impl FnOnce() -> Result<bool, E>,
    ) -> Result<(), E> {
        let main = key.revision.main;
        if main > self.revision {
            return Ok(());
        }
        if main <= self.compact_revision && self.any_kept && !kept()? {
            return Ok(());
        }
        // Releases before 3.5.16 removed a deletion at the compact revision.
        if main == self.compact_revision && key.tombstone {
            return Ok(());
        }
        let bytes = key.to_bytes();
        self.hash = crc32c::crc32c_append(self.hash, &bytes[..key.len()]);
        self.hash = crc32c::crc32c_append(self.hash, value);
        Ok(())
    }

    pub(crate) const fn finish(&self) -> KvHash {
        let Self { hash, compact_revision, revision, .. } = *self;
        KvHash { hash, compact_revision, revision }
    }
}

/// Whether a record survives a compaction at `revision`; `index` is compacted up to that.
pub(crate) fn survives(index: &Index, revision: i64, key: RecordKey, record: &Record<'_>) -> bool {
    let newest: Option<Entry> = index.newest(record.key, revision);
    newest.is_some_and(|entry| entry.revision == key.revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_hash_goes() {
        let mut hashes = Hashes::default();
        for revision in (1..=12).rev() {
            hashes.insert(KvHash { hash: 0, compact_revision: -1, revision });
        }
        let revisions: Vec<i64> = hashes.all().iter().map(|hash| hash.revision).collect();
        assert_eq!(revisions, (3..=12).collect::<Vec<i64>>());
        assert_eq!(hashes.get(2), None);
        assert_eq!(hashes.get(7).map(|hash| hash.revision), Some(7));
    }
}
