//! One transaction: its changes go into index and backend at once, and are taken back if it fails.
//!
//! Invariants: all changes have the main revision after the store's, numbered from 0; what is
//! dropped without [`commit`](Write::commit) leaves store and backend as they were.

use std::ops::ControlFlow;

use backend::{Backend, Mark};
use bytes::Bytes;
use types::{KeyRange, LeaseId, RecordKey, Revision};

use crate::index::{Direction, Index};
use crate::record::{self, Record};
use crate::{ReadView, Store};

/// A key that a transaction changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The key.
    pub key: Bytes,
    /// The lease that it has from now on; [`LeaseId::NONE`] if none, or if the key is gone.
    pub lease: LeaseId,
}

/// How much a request did, as Go's `etcd_mvcc_*_total` and `etcd_debugging_mvcc_total_put_size_in_bytes`
/// count it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Ranges, those of compares and for previous values included.
    pub ranges: u64,
    /// Puts.
    pub puts: u64,
    /// Delete ranges.
    pub deletes: u64,
    /// Bytes of keys and values put.
    pub put_bytes: u64,
    /// Transactions of more than one operation.
    pub txns: u64,
}

impl Counts {
    /// Ends what Go's store counts as one transaction.
    pub(crate) const fn ended(mut self) -> Self {
        if self.ranges + self.puts + self.deletes > 1 {
            self.txns += 1;
        }
        self
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            ranges: self.ranges + other.ranges,
            puts: self.puts + other.puts,
            deletes: self.deletes + other.deletes,
            put_bytes: self.put_bytes + other.put_bytes,
            txns: self.txns + other.txns,
        }
    }
}

/// The result of a request that was carried out.
#[derive(Clone, PartialEq, Debug)]
pub struct Applied<R> {
    /// The answer. Its header has the revision only.
    pub response: R,
    /// The changes, in order; a key changed twice is there twice.
    pub changes: Vec<Changed>,
    /// How much was done.
    pub counts: Counts,
}

/// A transaction that is being carried out.
pub(crate) struct Write<'a> {
    store: &'a mut Store,
    backend: &'a mut Backend,
    changes: Vec<Changed>,
    undo: Option<(Index, Mark)>,
}

/// Whether a transaction can be taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Undo {
    /// It can. Costs copies of the index's paths that it changes.
    Possible,
    /// It cannot: once it has changed something nothing fails but the file, which ends the process.
    Needless,
}

impl<'a> Write<'a> {
    pub(crate) fn begin(store: &'a mut Store, backend: &'a mut Backend, undo: Undo) -> Self {
        let undo = (undo == Undo::Possible).then(|| (store.index.clone(), backend.mark()));
        Self { store, backend, changes: Vec::new(), undo }
    }

    /// The revision that reads inside see: the transaction's own once it has changed something.
    pub(crate) fn revision(&self) -> i64 {
        self.store.revision + i64::from(!self.changes.is_empty())
    }

    /// What reads inside see: the transaction's own changes too.
    pub(crate) fn view(&self) -> ReadView {
        ReadView { revision: self.revision(), ..self.store.view(self.backend) }
    }

    fn next_revision(&self) -> Revision {
        Revision::new(self.store.revision + 1, self.changes.len() as i64)
    }

    /// Writes a key.
    pub(crate) fn put(&mut self, key: &Bytes, value: &[u8], lease: LeaseId) {
        let revision = self.next_revision();
        let entry = self.store.index.put(key, revision);
        let record = Record {
            key,
            create_revision: entry.create,
            mod_revision: revision.main,
            version: entry.version,
            value,
            lease,
        };
        let record_key = RecordKey { revision, tombstone: false };
        self.backend.put_record(record_key, record.encode());
        self.changes.push(Changed { key: key.clone(), lease });
    }

    /// Deletes the keys of a range; returns how many there were.
    pub(crate) fn delete_range(&mut self, keys: &KeyRange) -> i64 {
        let mut doomed: Vec<Bytes> = Vec::new();
        let at = self.revision();
        self.store.index.visit(keys, at, Direction::Ascending, &mut |key, _| {
            doomed.push(key.to_vec().into());
            ControlFlow::Continue(())
        });
        if doomed.is_empty() {
            return 0;
        }
        let deleted = doomed.len() as i64;
        self.store.index.delete(&doomed, self.next_revision());
        for key in doomed {
            let record_key = RecordKey { revision: self.next_revision(), tombstone: true };
            self.backend.put_record(record_key, record::tombstone(&key));
            self.changes.push(Changed { key, lease: LeaseId::NONE });
        }
        deleted
    }

    /// Ends the transaction; returns its changes and the store's revision from now on.
    pub(crate) fn commit(mut self) -> (Vec<Changed>, i64) {
        self.undo = None;
        self.store.revision = self.revision();
        (std::mem::take(&mut self.changes), self.store.revision)
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        if env::planted!("partial-txn-kept") {
            self.store.revision = self.revision();
            self.undo = None;
        }
        if let Some((index, mark)) = self.undo.take() {
            self.store.index = index;
            self.backend.rollback(mark);
        }
    }
}
