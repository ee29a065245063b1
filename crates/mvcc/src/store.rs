//! The store itself: where the next transaction stands, and the index that it writes into.
//!
//! Invariants: `compact_revision <= revision`; the index has exactly the records in the backend's
//! bucket `key`, but for those that a compaction in progress is still to delete from either.

use backend::schema::compact_revision::{SCHEDULED, encode};
use backend::{Backend, Bucket};

use crate::compaction::{Origin, Slice};
use crate::index::Index;
use crate::{Compaction, CompactionOrder, Error, ReadView, Result};

/// The compact revision of a store that was never compacted, as Go counts it.
pub(crate) const NEVER_COMPACTED: i64 = -1;
/// The revision of a store that was never written.
pub(crate) const NEVER_WRITTEN: i64 = 1;

/// The writer's side of the store, owned by the apply thread. Each call that writes is given the
/// backend that the store was restored from.
pub struct Store {
    pub(crate) revision: i64,
    pub(crate) compact_revision: i64,
    pub(crate) index: Index,
}

impl Store {
    /// The main revision of the last transaction; 1 if there was none.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }

    /// The main revision of the last compaction; -1 if there was none.
    #[must_use]
    pub const fn compact_revision(&self) -> i64 {
        self.compact_revision
    }

    /// The present state, for readers: O(1).
    #[must_use]
    pub fn view(&self, backend: &Backend) -> ReadView {
        ReadView {
            revision: self.revision,
            compact_revision: self.compact_revision,
            index: self.index.clone(),
            records: backend.view(),
        }
    }

    /// Orders a compaction: from now on views read nothing below `revision`. What that removes goes
    /// later. The caller compacts the index by [`compact_index`](Self::compact_index), a slice at a
    /// time; begins the rest by [`begin_compaction`](Self::begin_compaction); takes a ticket with
    /// [`Backend::freeze_now`]; and when that is resolved lets the commit thread carry out the
    /// [`Compaction`].
    ///
    /// # Errors
    /// [`Error::Compacted`] if `revision` is not above the compact revision,
    /// [`Error::FutureRevision`] if it is above the store's.
    pub fn compact(&mut self, backend: &mut Backend, revision: i64) -> Result<CompactionOrder> {
        if revision <= self.compact_revision {
            return Err(Error::Compacted);
        }
        if revision > self.revision {
            return Err(Error::FutureRevision);
        }
        let mark = encode(revision).to_vec();
        backend.put(Bucket::Meta, SCHEDULED, mark);
        env::fail_point!("compactBeforeCommitScheduledCompact");
        Ok(self.order_compaction(revision, Origin::Order))
    }

    pub(crate) fn order_compaction(&mut self, revision: i64, origin: Origin) -> CompactionOrder {
        let previous = std::mem::replace(&mut self.compact_revision, revision);
        CompactionOrder { revision, previous, origin }
    }

    /// Removes from the index some of what the compaction removes: as much as `leaves_max` of its
    /// leaves have, which hold up to 64 keys each. To be called for the oldest order until it says
    /// [`Slice::Last`]. Changes nothing that can be seen.
    pub fn compact_index(&mut self, order: &CompactionOrder, leaves_max: usize) -> Slice {
        self.index.compact(order.revision, leaves_max);
        if self.index.is_compacted(order.revision) { Slice::Last } else { Slice::More }
    }

    /// The job for the records, once the index is compacted.
    ///
    /// # Panics
    /// When the index is not compacted up to the order.
    #[must_use]
    pub fn begin_compaction(&self, order: CompactionOrder) -> Compaction {
        assert!(self.index.is_compacted(order.revision), "{order:?} begins before its index");
        Compaction::new(order, self.index.clone())
    }
}
