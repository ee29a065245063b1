//! The commit thread's work: frozen buffers, compaction steps and defragmentation, one after
//! another, into the database file.
//!
//! Owns the file's writer. Knows nothing of raft: before the second half of a commit its driver
//! waits until the log is synced up to the commit's index.
//!
//! Invariant: a job's result is given only when it is durable; after an error nothing more is done.

use apply::Applier;
use backend::{CommitJob, Committer, Done, Error, Generation};
use mvcc::{Compaction, CompactionOrder, Step};
use types::Index;

/// What the commit thread is asked to do.
pub enum Task {
    /// Commit a frozen buffer.
    Commit(CommitJob),
    /// Anything else that needs the writer, done in one go: a compaction step, the end of a
    /// defragmentation.
    Maintain(Maintenance),
    /// Put another file in the place of this one. What was asked for before is done first.
    Install(Install),
}

/// Opens the file that takes the place of the one of the generation before, and loads what is in it.
pub type Install = Box<dyn FnOnce(Generation) -> Result<(Loaded, Committer), apply::Error> + Send>;

/// The state as it was loaded from a file.
pub struct Loaded {
    /// The state.
    pub applier: Applier,
    /// A compaction that was found unfinished.
    pub compaction: Option<CompactionOrder>,
}

/// A step of maintenance: it owns what it needs and works on the committer alone.
pub type Maintenance = Box<dyn FnOnce(&mut Committer, Installs) -> Result<Finished, Error> + Send>;

/// How many times another file was put in place: what was begun before the last time is void.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Installs(pub u64);

impl Installs {
    /// One more.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

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
    /// Another file is in place.
    Installed(Box<Loaded>),
    /// Nothing: it was given up, or failed without harm.
    Nothing,
}

/// How far a task has come.
pub enum Begun {
    /// To its end.
    Finished(Finished),
    /// A commit is written but for its last page, which may follow when the log is durable up to this
    /// index.
    Waiting(Index),
}

/// The next step of a compaction as a task. It is given up when the file is not the one any more
/// whose records it deletes.
#[must_use]
pub fn compaction_step(
    mut compaction: Box<Compaction>,
    batch_records: usize,
    file: Installs,
) -> Task {
    Task::Maintain(Box::new(move |committer, installs| {
        if file != installs {
            return Ok(Finished::Nothing);
        }
        let step = Box::new(compaction.step(committer, batch_records)?);
        Ok(Finished::Compacted { compaction, step })
    }))
}

/// The file's writer.
pub struct Commits {
    /// Absent only when installing another file has failed, which is final.
    committer: Option<Committer>,
    installs: Installs,
    /// The log will not get as far as a prepared commit: nothing more is done.
    given_up: bool,
}

impl Commits {
    /// The commit thread's core over an open file.
    #[must_use]
    pub const fn new(committer: Committer) -> Self {
        Self { committer: Some(committer), installs: Installs(0), given_up: false }
    }

    /// Carries out a task, or the first half of a commit. Tasks that follow after one was given up
    /// are not carried out.
    ///
    /// # Errors
    /// Final.
    ///
    /// # Panics
    /// After an error.
    pub fn begin(&mut self, task: Task) -> Result<Begun, apply::Error> {
        let committer = self.committer.as_mut().expect("nothing is done after an error");
        if self.given_up {
            return Ok(Begun::Finished(Finished::Nothing));
        }
        match task {
            Task::Commit(job) => {
                let index = job.position().index;
                committer.prepare(job)?;
                Ok(Begun::Waiting(index))
            }
            Task::Maintain(step) => Ok(Begun::Finished(step(committer, self.installs)?)),
            Task::Install(install) => {
                let generation = committer.state().generation().next();
                self.committer = None;
                let (loaded, committer) = install(generation)?;
                self.committer = Some(committer);
                self.installs = self.installs.next();
                Ok(Begun::Finished(Finished::Installed(Box::new(loaded))))
            }
        }
    }

    /// Carries out the second half of a commit: the log is durable up to its index.
    ///
    /// # Errors
    /// Final.
    ///
    /// # Panics
    /// After an error, and when no commit waits.
    pub fn finish(&mut self) -> Result<Finished, apply::Error> {
        let committer = self.committer.as_mut().expect("nothing is done after an error");
        Ok(committer.finish().map(Finished::Committed)?)
    }

    /// The log will not get as far as the commit that waits: it is left unfinished.
    pub const fn give_up(&mut self) {
        self.given_up = true;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use backend::{Bucket, Options, Position};
    use simenv::SimDisk;

    use super::*;

    #[test]
    fn nothing_follows_a_commit_that_the_log_does_not_reach() {
        let disk = SimDisk::new();
        disk.put_dir(Path::new("/data"));
        let options = Options::new("/data/db");
        let (mut backend, committer) = backend::open(Arc::new(disk), options).expect("open");
        backend.put(Bucket::Alarm, &b"a"[..], &b""[..]);
        let mut commits = Commits::new(committer);
        let job = backend.freeze(Position { index: Index(9), ..Position::default() });
        let begun = commits.begin(Task::Commit(job)).expect("no error");
        assert!(matches!(begun, Begun::Waiting(Index(9))));
        commits.give_up();
        let is_run = Arc::new(AtomicBool::new(false));
        let notes = Arc::clone(&is_run);
        let maintenance = Task::Maintain(Box::new(move |_, _| {
            notes.store(true, Ordering::Relaxed);
            Ok(Finished::Nothing)
        }));
        let begun = commits.begin(maintenance);
        assert!(matches!(begun, Ok(Begun::Finished(Finished::Nothing))));
        assert!(!is_run.load(Ordering::Relaxed));
    }
}
