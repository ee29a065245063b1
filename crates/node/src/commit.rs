//! The commit thread's work: frozen buffers, compaction steps and defragmentation, one after
//! another, into the database file.
//!
//! Owns the file's writer. Knows nothing of raft: before the second half of a commit its driver
//! waits until the log is synced up to the commit's index.
//!
//! Invariant: a job's result is given only when it is durable; after an error nothing more is done.

use backend::{CommitJob, Committer, Done, Error};
use types::Index;

/// What the commit thread is asked to do.
pub enum Task {
    /// Commit a frozen buffer.
    Commit(CommitJob),
    /// Anything else that needs the writer, done in one go: a compaction step, the end of a
    /// defragmentation.
    Maintain(Maintenance),
}

/// A step of maintenance. It owns what it needs, works on the committer alone, and its result is
/// delivered by whoever made it.
pub type Maintenance = Box<dyn FnOnce(&mut Committer) -> Result<Done, Error> + Send>;

/// The file's writer with its first half of a commit done.
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
    ) -> Result<Option<Done>, Error> {
        match task {
            Task::Commit(job) => {
                let index = job.position().index;
                self.committer.prepare(job)?;
                if !wait_for_log(index) {
                    return Ok(None);
                }
                self.committer.finish().map(Some)
            }
            Task::Maintain(step) => step(&mut self.committer).map(Some),
        }
    }
}
