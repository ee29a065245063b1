//! The commit thread's work: frozen buffers, compaction steps and defragmentation, one after
//! another, into the database file.
//!
//! Owns the file's writer. Knows nothing of raft: before the second half of a commit its driver
//! waits until the log is synced up to the commit's index.
//!
//! Invariant: a job's result is given only when it is durable; after an error nothing more is done.

use backend::{CommitJob, Committer, Done, Error};
use mvcc::{Compaction, Step};
use types::Index;

/// What the commit thread is asked to do.
pub enum Task {
    /// Commit a frozen buffer.
    Commit(CommitJob),
    /// Anything else that needs the writer, done in one go: a compaction step, the end of a
    /// defragmentation.
    Maintain(Maintenance),
}

/// A step of maintenance: it owns what it needs and works on the committer alone.
pub type Maintenance = Box<dyn FnOnce(&mut Committer) -> Result<Finished, Error> + Send>;

/// What came of a task.
pub enum Finished {
    /// The file's state is another.
    Committed(Done),
    /// A step of a compaction was carried out.
    Compacted {
        /// The compaction.
        compaction: Box<Compaction>,
        /// What the step did.
        step: Box<Step>,
    },
    /// Nothing: it was given up, or failed without harm.
    Nothing,
}

/// The next step of a compaction as a task.
#[must_use]
pub fn compaction_step(mut compaction: Box<Compaction>, batch_records: usize) -> Task {
    Task::Maintain(Box::new(move |committer| {
        let step = Box::new(compaction.step(committer, batch_records)?);
        Ok(Finished::Compacted { compaction, step })
    }))
}

/// The file's writer.
pub struct Commits {
    committer: Committer,
}

impl Commits {
    /// The commit thread's core over an open file.
    #[must_use]
    pub const fn new(committer: Committer) -> Self {
        Self { committer }
    }

    /// Carries out a task. `wait_for_log` returns when the log is durable up to an index; `false`
    /// when that will not happen any more, and then the commit is left unfinished.
    ///
    /// # Errors
    /// Final.
    pub fn run(
        &mut self,
        task: Task,
        wait_for_log: impl FnOnce(Index) -> bool,
    ) -> Result<Finished, Error> {
        match task {
            Task::Commit(job) => {
                let index = job.position().index;
                self.committer.prepare(job)?;
                if !wait_for_log(index) {
                    return Ok(Finished::Nothing);
                }
                self.committer.finish().map(Finished::Committed)
            }
            Task::Maintain(step) => step(&mut self.committer),
        }
    }
}
