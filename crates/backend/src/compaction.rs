//! The physical part of compaction: deleting records in batches, on the commit thread.
//!
//! Knows nothing of the key index: whether a record survives is asked of the caller. Its steps
//! write no position: the file keeps the last applied one.
//!
//! Invariants: only records at or below the compact revision go; each step is one transaction; the
//! finished mark comes in the transaction of the last deletions.

use types::{RecordKey, Revision};

use crate::Result;
use crate::committer::{Committer, Done, stored_key};
use crate::schema::{self, Bucket};

/// One batch of a compaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompactionStep {
    /// Where to go on: the first step starts at the default, each further one at
    /// [`Compacted::next`].
    pub from: Revision,
    /// The main revision compacted at: later records are not touched.
    pub compact_revision: i64,
    /// How many records are visited at most (`--compaction-batch-limit`); at least 1.
    pub batch_records: usize,
}

/// What becomes of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It stays.
    Keep,
    /// It goes.
    Delete,
}

/// The result of a [`CompactionStep`].
pub struct Compacted {
    /// For [`Backend::committed`](crate::Backend::committed).
    pub done: Done,
    /// Where the next step goes on; `None` after the last one.
    pub next: Option<Revision>,
    /// How many records were visited.
    pub visited: usize,
    /// How many of them were deleted.
    pub deleted: usize,
}

impl Committer {
    /// Carries out one step: shows records from `step.from` on to `visit` and deletes those that it
    /// says. `visit` sees each record at or below the compact revision once over all steps, in
    /// order, so that it can hash them too.
    ///
    /// The scheduled mark must be in the file before the first step, and with it every record at or
    /// below the compact revision: the first step follows a ticket of
    /// [`Backend::freeze_now`](crate::Backend::freeze_now) taken after the mark was put.
    ///
    /// # Errors
    /// When the file cannot be read or written, or `visit` fails. Final.
    ///
    /// # Panics
    /// Between the halves of a commit.
    pub fn compact(
        &mut self,
        step: &CompactionStep,
        mut visit: impl FnMut(RecordKey, &[u8]) -> Result<Fate>,
    ) -> Result<Compacted> {
        env::fail_point!("compactAfterAcquiredBatchTxLock");
        let end = Revision::new(step.compact_revision.saturating_add(1), 0);
        let (mut visited, mut next) = (0, None);
        let mut doomed = Vec::new();
        for record in self.state().records_from(step.from)? {
            let (key, value) = record?;
            if key.revision >= end {
                break;
            }
            if visited == step.batch_records.max(1) {
                next = Some(key.revision);
                break;
            }
            visited += 1;
            if visit(key, &value)? == Fate::Delete {
                doomed.push(key);
            }
        }
        let deleted = doomed.len();
        let done = self.delete_records(&doomed, next.is_none().then_some(step.compact_revision))?;
        Ok(Compacted { done, next, visited, deleted })
    }

    /// Deletes records and, behind the last of a compaction, writes the mark that it has ended.
    fn delete_records(&mut self, doomed: &[RecordKey], finished: Option<i64>) -> Result<Done> {
        if doomed.is_empty() && finished.is_none() {
            return Ok(self.maintained());
        }
        for key in doomed {
            self.writer().delete(Bucket::Key.as_bytes(), stored_key(*key))?;
        }
        if let Some(main) = finished {
            env::fail_point!("compactBeforeSetFinishedCompact");
            let mark = schema::compact_revision::encode(main);
            self.put_meta(schema::compact_revision::FINISHED, &mark)?;
            env::fail_point!("compactAfterSetFinishedCompact");
        }
        env::fail_point!("compactBeforeCommitBatch");
        let done = self.commit_deletions()?;
        env::fail_point!("compactAfterCommitBatch");
        Ok(done)
    }
}
