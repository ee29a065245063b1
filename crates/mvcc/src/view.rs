//! A state of the store for readers.
//!
//! Invariants: a view never changes; every revision from the compact revision to the view's own is
//! readable in full; nothing that a compaction removed is missing from a view taken before it.

use backend::View;
use bytes::Bytes;
use types::{RecordKey, Revision};

use crate::error::corrupted;
use crate::index::{Entry, Index, Key};
use crate::record::Record;
use crate::{Error, Result};

/// A state of the store. Cheap to clone, for any thread; reading may do I/O.
///
/// It holds back pages of the file, so keep it no longer than one read or one chunk of a long one,
/// and never across a wait for a client.
#[derive(Clone)]
pub struct ReadView {
    pub(crate) revision: i64,
    pub(crate) compact_revision: i64,
    pub(crate) index: Index,
    pub(crate) records: View,
}

/// A key that a range found, and the change that it shows.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) key: Key<'a>,
    pub(crate) entry: Entry,
}

impl ReadView {
    /// The main revision of the last transaction; 1 in a store that was never written.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }

    /// The main revision of the last compaction; -1 before the first.
    #[must_use]
    pub const fn compact_revision(&self) -> i64 {
        self.compact_revision
    }

    /// How many keys are there.
    #[must_use]
    pub fn live_keys(&self) -> i64 {
        self.index.live()
    }

    /// Bytes of memory that the key index takes. Visits all of it: for tests and diagnosis.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.index.heap_bytes()
    }

    /// The records behind the view, for who has to know their file.
    #[must_use]
    pub const fn records(&self) -> &View {
        &self.records
    }

    /// The revision that a read names: 0 and below stand for the newest.
    ///
    /// # Errors
    /// [`Error::FutureRevision`] and [`Error::Compacted`].
    pub(crate) const fn read_at(&self, revision: i64) -> Result<i64> {
        if revision > self.revision {
            return Err(Error::FutureRevision);
        }
        let at = if revision <= 0 { self.revision } else { revision };
        if at < self.compact_revision {
            return Err(Error::Compacted);
        }
        Ok(at)
    }

    /// One key at a revision (0: the newest), as an encoded `mvccpb.KeyValue`; `None` if it was not
    /// there.
    ///
    /// # Errors
    /// [`Error::FutureRevision`], [`Error::Compacted`], or when the file cannot be read.
    pub fn get(&self, key: &[u8], revision: i64) -> Result<Option<Bytes>> {
        let at = self.read_at(revision)?;
        let entry = self.index.get(key, at);
        entry.map(|entry| self.record(key, entry.revision)).transpose()
    }

    /// What an event's key was before it (`prev_kv` of a watch): the key at `mod_revision - 1`.
    /// `None` if it was not there or that revision is compacted.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn prev_kv(&self, key: &[u8], mod_revision: i64) -> Result<Option<Bytes>> {
        // Revision 0 is not "the newest" here but the time before the first write.
        if mod_revision <= 1 {
            return Ok(None);
        }
        match self.get(key, mod_revision - 1) {
            Err(Error::Compacted | Error::FutureRevision) => Ok(None),
            other => other,
        }
    }

    /// The record of a key's change.
    pub(crate) fn record(&self, key: &[u8], revision: Revision) -> Result<Bytes> {
        let bytes = self.records.record(revision)?;
        self.checked(revision, bytes, |found| found == key)
    }

    /// The records of what a range found, in its order. They are read in the order of revisions, by
    /// one forward cursor.
    pub(crate) fn fetch(&self, found: &[Found<'_>]) -> Result<Vec<Bytes>> {
        let mut order: Vec<usize> = (0..found.len()).collect();
        let revision = |&at: &usize| found[at].entry.revision;
        if !order.is_sorted_by_key(revision) {
            order.sort_unstable_by_key(revision);
        }
        let revisions: Vec<Revision> = order.iter().map(revision).collect();
        let mut kvs = vec![Bytes::new(); found.len()];
        for (at, bytes) in order.into_iter().zip(self.records.fetch(&revisions)) {
            let Found { key, entry } = found[at];
            kvs[at] = self.checked(entry.revision, bytes?, |found| key.is(found))?;
        }
        Ok(kvs)
    }

    /// A record that must be there and be of the right key.
    fn checked(
        &self,
        revision: Revision,
        bytes: Option<Bytes>,
        is_key: impl Fn(&[u8]) -> bool,
    ) -> Result<Bytes> {
        let key = RecordKey { revision, tombstone: false };
        let Some(bytes) = bytes else {
            return Err(self.corrupted(key, "a record that the index knows", b""));
        };
        if !is_key(self.parse(key, &bytes)?.key) {
            return Err(self.corrupted(key, "the key that the index has", &bytes));
        }
        Ok(bytes)
    }

    /// Reads a record.
    pub(crate) fn parse<'a>(&self, key: RecordKey, bytes: &'a [u8]) -> Result<Record<'a>> {
        Record::parse(bytes).ok_or_else(|| self.corrupted(key, "an encoded KeyValue", bytes))
    }

    fn corrupted(&self, key: RecordKey, expected: &'static str, found: &[u8]) -> Error {
        corrupted(self.records.committed(), key, expected, found).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_and_compactions_go_to_other_threads() {
        fn is_shared<T: Send + Sync + Clone>() {}
        fn is_sent<T: Send>() {}
        is_shared::<ReadView>();
        is_sent::<crate::Compaction>();
        is_sent::<crate::Store>();
    }
}
