//! A store from the records in its file, at start or when a snapshot was installed
//! (spec/schema.md 2.6).

use std::collections::BTreeMap;

use backend::schema::compact_revision::{FINISHED, SCHEDULED, decode};
use backend::{Bucket, Committed};
use bytes::Bytes;
use types::{LeaseId, RecordKey};

use crate::compaction::Origin;
use crate::error::corrupted;
use crate::index::{Entry, Loader};
use crate::record::Record;
use crate::store::{NEVER_COMPACTED, NEVER_WRITTEN};
use crate::{CompactionOrder, Store};

/// What [`Store::restore`] found.
pub struct Restored {
    /// The store.
    pub store: Store,
    /// The keys that are there and have a lease, in order, to be attached.
    pub leases: Vec<(Bytes, LeaseId)>,
    /// A compaction that was ordered and did not come to its end. The store and its views stand
    /// after it already; what is left is to carry it out.
    pub compaction: Option<CompactionOrder>,
}

impl Store {
    /// Reads the file's records, past the page cache. Nothing must have been written since the file
    /// was opened: what waits to be committed is not seen.
    ///
    /// # Errors
    /// When the file cannot be read, or holds what is no record.
    pub fn restore(state: &Committed) -> backend::Result<Restored> {
        let finished = mark(state, FINISHED)?;
        let scheduled = mark(state, SCHEDULED)?;
        let mut scan = Scan::default();
        state.scan_records(|key, value| scan.record(state, key, value))?;

        let compact_revision = finished.unwrap_or(NEVER_COMPACTED);
        // Everything up to a compaction may be gone, the newest records included.
        let marked = compact_revision.max(scheduled.unwrap_or(NEVER_COMPACTED));
        let is_ignored = env::planted!("restored-revision-too-low");
        let revision = if is_ignored { scan.revision } else { scan.revision.max(marked) };
        let mut store = Self { revision, compact_revision, index: scan.loader.finish() };
        let unfinished = scheduled.filter(|scheduled| *scheduled > compact_revision);
        let compaction =
            unfinished.map(|revision| store.order_compaction(revision, Origin::Restart));
        let leases = scan.leases.into_iter().collect();
        Ok(Restored { store, leases, compaction })
    }
}

/// One of the two marks of compactions.
fn mark(state: &Committed, key: &'static [u8]) -> backend::Result<Option<i64>> {
    let Some(value) = state.get(Bucket::Meta, key)? else { return Ok(None) };
    decode(key, &value).map(Some).map_err(|row| state.corrupted(row))
}

/// What a pass over the records collects.
struct Scan {
    revision: i64,
    loader: Loader,
    leases: BTreeMap<Bytes, LeaseId>,
}

impl Default for Scan {
    fn default() -> Self {
        Self { revision: NEVER_WRITTEN, loader: Loader::default(), leases: BTreeMap::new() }
    }
}

impl Scan {
    fn record(&mut self, state: &Committed, key: RecordKey, value: &[u8]) -> backend::Result<()> {
        let bad = |expected| corrupted(state, key, expected, value);
        let record = Record::parse(value).ok_or_else(|| bad("an encoded KeyValue"))?;
        let RecordKey { revision, tombstone } = key;
        if revision.main < 0 || revision.sub < 0 {
            return Err(bad("a revision that is not negative"));
        }
        if self.loader.last().is_some_and(|last| last >= revision) {
            return Err(bad("a revision above the one before"));
        }
        self.revision = self.revision.max(revision.main);
        if tombstone {
            self.leases.remove(record.key);
            self.loader.tombstone(record.key, revision);
            return Ok(());
        }
        if !(0..=revision.main).contains(&record.create_revision) || record.version < 0 {
            return Err(bad("a creation at or before the revision"));
        }
        if record.lease.is_some() {
            self.leases.insert(Bytes::copy_from_slice(record.key), record.lease);
        } else {
            self.leases.remove(record.key);
        }
        let entry = Entry {
            create: record.create_revision,
            version: record.version,
            ..Entry::created(revision)
        };
        self.loader.put(record.key, entry);
        Ok(())
    }
}
