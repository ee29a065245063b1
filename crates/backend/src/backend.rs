//! The side of the apply thread: the write buffers, what is being committed, and what is committed.
//!
//! Knows nothing of raft or of what rows mean. Does no I/O after [`open`](crate::open) but for
//! [`get`](Backend::get) and [`rows`](Backend::rows), which are for the start.
//!
//! Invariants: at most one buffer is frozen; the records of file, frozen and active buffer ascend
//! in that order and are disjoint; `committed.index <= frozen.index <= index of what is active`;
//! a view, once taken, never changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use types::RecordKey;

use crate::committed::Committed;
use crate::committer::{CommitJob, Done, Frozen};
use crate::records::{Length, Prefix, Records};
use crate::rows::Rows;
use crate::schema::{self, Bucket};
use crate::{Options, Position, Result, Sizes, View};

/// The store's buckets, as the one who writes them has them. Owned by the apply thread.
pub struct Backend {
    active: Active,
    frozen: Option<Arc<Frozen>>,
    committed: Committed,
    /// The newest record ever put or found: the next must be above it.
    last_record: Option<RecordKey>,
    waiting: Vec<TicketId>,
    next_ticket: u64,
    bounds: Bounds,
    sizes: Sizes,
}

/// When a buffer is due, and when it is at its bound.
#[derive(Clone, Copy)]
struct Bounds {
    operations_due: usize,
    operations_max: usize,
    bytes_max: usize,
}

/// The buffer that takes writes.
#[derive(Default)]
struct Active {
    /// How many were frozen before it: tells marks of different buffers apart.
    number: u64,
    records: Records,
    rows: Rows,
    operations: usize,
}

impl Active {
    const fn bytes(&self) -> usize {
        self.records.bytes() + self.rows.bytes()
    }
}

/// A point in the active buffer's records to which they can be cut back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    number: u64,
    length: Length,
    operations: usize,
    last_record: Option<RecordKey>,
}

/// Names a [`Ticket`] before it is resolved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TicketId(u64);

/// A resolved wish for a committed state: everything written before [`Backend::freeze_now`] is in
/// it, and exactly what was applied up to its position; its members are the rows of
/// [`Bucket::Members`].
#[derive(Clone)]
pub struct Ticket {
    /// Which wish.
    pub id: TicketId,
    /// The state.
    pub state: Committed,
}

impl Backend {
    pub(crate) fn new(options: &Options, committed: Committed) -> Result<Self> {
        let last_record = committed.last_record()?;
        let sizes = options.sizes.clone();
        sizes.set_buffered(0);
        sizes.set_committed(committed.size(), committed.size_in_use());
        let bounds = Bounds {
            operations_due: options.batch_operations,
            operations_max: options.batch_operations.saturating_mul(2).max(1),
            bytes_max: options.buffer_bytes_max,
        };
        Ok(Self {
            active: Active::default(),
            frozen: None,
            committed,
            last_record,
            waiting: Vec::new(),
            next_ticket: 0,
            bounds,
            sizes,
        })
    }

    /// Appends a record to the bucket `key`. `value` is an encoded `mvccpb.KeyValue` and is kept as
    /// it is: hand over an allocation of its own, not a slice of a larger one.
    ///
    /// # Panics
    /// When the key is not above every record's before it.
    pub fn put_record(&mut self, key: RecordKey, value: Bytes) {
        assert!(self.last_record < Some(key), "record {key:?} after {:?}", self.last_record);
        self.active.records.push(key, value);
        self.last_record = Some(key);
        self.wrote();
    }

    /// Writes a row of any bucket but `key`; a second write of a row replaces the first.
    ///
    /// # Panics
    /// For [`Bucket::Key`], and for an empty row key, which the file cannot hold.
    pub fn put(&mut self, bucket: Bucket, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.set_row(bucket, key.into(), Some(value.into()));
    }

    /// Deletes a row of any bucket but `key`, whether it is there or not.
    ///
    /// # Panics
    /// As [`put`](Self::put).
    pub fn delete(&mut self, bucket: Bucket, key: impl Into<Bytes>) {
        self.set_row(bucket, key.into(), None);
    }

    fn set_row(&mut self, bucket: Bucket, key: Bytes, value: Option<Bytes>) {
        assert!(bucket != Bucket::Key, "records go through put_record");
        assert!(!key.is_empty(), "a row of bucket {bucket} without a key");
        self.active.rows.set(bucket, key, value);
        self.wrote();
    }

    fn wrote(&mut self) {
        self.active.operations += 1;
        self.sizes.set_buffered(self.buffered_bytes());
    }

    /// The present end of the records, before a transaction that may fail.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            number: self.active.number,
            length: self.active.records.length(),
            operations: self.active.operations,
            last_record: self.last_record,
        }
    }

    /// Takes back the records put after the mark. Rows stay: a transaction writes its rows when it
    /// can no longer fail.
    ///
    /// # Panics
    /// When the mark is of a buffer that was frozen since.
    pub fn rollback(&mut self, mark: Mark) {
        assert!(mark.number == self.active.number, "the buffer of {mark:?} was frozen");
        let cut = self.active.records.prefix().len() - mark.length.records();
        self.active.records.truncate(mark.length);
        self.active.operations -= cut;
        self.last_record = mark.last_record;
        self.sizes.set_buffered(self.buffered_bytes());
    }

    /// The present state, for readers: O(1). Publish one per batch of entries, and one whenever
    /// [`committed`](Self::committed) was called, so that an idle node pins no old pages.
    #[must_use]
    pub fn view(&self) -> View {
        env::fail_point!("beforeWritebackBuf");
        let frozen = self.frozen.as_ref().map_or_else(Prefix::default, |job| job.records.clone());
        let view = View::new(self.committed.clone(), frozen, self.active.records.prefix().clone());
        env::fail_point!("afterWritebackBuf");
        view
    }

    /// Reads a row through buffers and file; may do I/O.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, bucket: Bucket, key: &[u8]) -> Result<Option<Bytes>> {
        for rows in self.buffered_rows() {
            if let Some(row) = rows.get(bucket, key) {
                return Ok(row.cloned());
            }
        }
        self.committed.get(bucket, key)
    }

    /// All rows of a bucket in the order of their keys, through buffers and file; may do I/O. Not
    /// for [`Bucket::Key`]: see [`Committed::scan_records`] and [`View::records`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rows(&self, bucket: Bucket) -> Result<Vec<(Bytes, Bytes)>> {
        let mut rows: BTreeMap<Bytes, Bytes> = self.committed.rows(bucket)?.into_iter().collect();
        let older_first = self.frozen.iter().map(|job| &job.rows).chain([&self.active.rows]);
        for (key, value) in older_first.flat_map(|buffer| buffer.of(bucket)) {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }

    /// The row buffers, newer first.
    fn buffered_rows(&self) -> impl Iterator<Item = &Rows> {
        [&self.active.rows].into_iter().chain(self.frozen.iter().map(|job| &job.rows))
    }

    /// How many writes wait to be frozen.
    #[must_use]
    pub const fn pending_operations(&self) -> usize {
        self.active.operations
    }

    /// A commit should not wait for its timer: as many operations as a batch may have, or half the
    /// bytes a buffer may hold, or somebody waits for a ticket.
    #[must_use]
    pub fn is_commit_due(&self) -> bool {
        self.active.operations >= self.bounds.operations_due
            || self.active.bytes() >= self.bounds.bytes_max / 2
            || !self.waiting.is_empty()
    }

    /// The active buffer is at its bound: nothing more is applied before [`freeze`](Self::freeze).
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.active.operations >= self.bounds.operations_max
            || self.active.bytes() >= self.bounds.bytes_max
    }

    /// No buffer is frozen, so [`freeze`](Self::freeze) may be called.
    #[must_use]
    pub const fn can_freeze(&self) -> bool {
        self.frozen.is_none()
    }

    /// Wishes for a committed state that has all writes up to now. The next
    /// [`freeze`](Self::freeze) carries the wish, and the [`committed`](Self::committed) that
    /// belongs to it resolves it. While a buffer is frozen the state will be one after it, later
    /// than now.
    pub fn freeze_now(&mut self) -> TicketId {
        let id = TicketId(self.next_ticket);
        self.next_ticket += 1;
        self.waiting.push(id);
        id
    }

    /// Freezes what was written, as of `position`: the last entry applied. Between entries only.
    /// The job goes to the commit thread; its result comes back through
    /// [`committed`](Self::committed).
    ///
    /// A job without writes whose position is already in the file writes nothing.
    ///
    /// # Panics
    /// When a buffer is frozen already, and when the position is before the one in the file.
    #[must_use]
    pub fn freeze(&mut self, position: Position) -> CommitJob {
        assert!(self.can_freeze(), "a buffer is frozen already");
        let before = self.committed.position();
        assert!(position.index >= before.index, "{position:?} is before {before:?} in the file");
        let next = Active { number: self.active.number + 1, ..Active::default() };
        let active = std::mem::replace(&mut self.active, next);
        let frozen = Arc::new(Frozen {
            number: active.number,
            records: active.records.prefix().clone(),
            rows: active.rows,
            bytes: active.records.bytes(),
        });
        self.frozen = Some(Arc::clone(&frozen));
        CommitJob::new(frozen, position, std::mem::take(&mut self.waiting))
    }

    /// Takes the result of a job of the commit thread, in the order in which the jobs ended, and
    /// gives back the tickets that it resolves. Views taken from now on have the new state.
    ///
    /// # Panics
    /// When the result is of a commit that was not frozen here.
    pub fn committed(&mut self, done: Done) -> Vec<Ticket> {
        let Done { state, frozen, tickets } = done;
        if let Some(number) = frozen {
            let mine = self.frozen.take().map(|job| job.number);
            assert!(mine == Some(number), "buffer {number} was committed, frozen is {mine:?}");
        }
        let before = (self.committed.generation(), self.committed.position().index);
        let after = (state.generation(), state.position().index);
        assert!(before.0 <= after.0 && before.1 <= after.1, "{after:?} follows {before:?}");
        self.sizes.set_committed(state.size(), state.size_in_use());
        self.committed = state;
        self.sizes.set_buffered(self.buffered_bytes());
        tickets.into_iter().map(|id| Ticket { id, state: self.committed.clone() }).collect()
    }

    /// The newest committed state that this side knows.
    #[must_use]
    pub const fn last_committed(&self) -> &Committed {
        &self.committed
    }

    /// A handle to the sizes, for any thread.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.sizes.clone()
    }

    /// Bytes of the file up to its high-water mark, and bytes waiting to be committed.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.sizes.size()
    }

    /// The version of the file's schema (spec/schema.md 2.2); reads a row.
    ///
    /// # Errors
    /// When the file cannot be read. Inside: that the version cannot be detected.
    pub fn schema_version(
        &self,
    ) -> Result<Result<proto::version::Version, schema::migration::Error>> {
        let stored = self.get(Bucket::Meta, schema::storage_version::KEY)?;
        Ok(schema::migration::detect(stored.as_deref(), self.committed.position().term))
    }

    /// Carries out steps of a migration: writes or deletes the storage version.
    pub fn migrate(&mut self, steps: &[schema::migration::Step]) {
        for step in steps {
            match step.storage_version() {
                Some(value) => self.put(Bucket::Meta, schema::storage_version::KEY, value),
                None => self.delete(Bucket::Meta, schema::storage_version::KEY),
            }
        }
    }

    fn buffered_bytes(&self) -> usize {
        let frozen = self.frozen.as_ref().map_or(0, |job| job.bytes + job.rows.bytes());
        frozen + self.active.bytes()
    }
}
