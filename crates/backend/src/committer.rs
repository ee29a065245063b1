//! The side of the commit thread: the only writer of the file.
//!
//! Takes jobs one after another and gives each one's result back for
//! [`Backend::committed`](crate::Backend::committed). Talks only to the disk.
//!
//! Knows nothing of the log: between [`prepare`](Committer::prepare) and
//! [`finish`](Committer::finish) its caller waits until the log has synced entries and commit index
//! up to the job's position, so that the file is never ahead of the log.
//!
//! Invariants: rows and position of a job reach the file in one transaction, or not at all; the
//! position in the file never goes back; after an error nothing more is written.

use std::sync::Arc;

use types::{Index, Term};

use crate::backend::TicketId;
use crate::committed::Committed;
use crate::pages::Writer;
use crate::records::Prefix;
use crate::rows::Rows;
use crate::schema::{self, Bucket};
use crate::{Position, Result};

/// A buffer that takes no more writes. Shared by the job that commits it and the views that read it
/// until then.
pub(crate) struct Frozen {
    pub(crate) number: u64,
    pub(crate) records: Prefix,
    pub(crate) rows: Rows,
    /// What the records take in the file.
    pub(crate) bytes: usize,
}

/// What [`Backend::freeze`](crate::Backend::freeze) made: a buffer, the position as of which it was
/// frozen, and the tickets that wait for it.
pub struct CommitJob {
    frozen: Arc<Frozen>,
    position: Position,
    tickets: Vec<TicketId>,
}

impl CommitJob {
    pub(crate) const fn new(
        frozen: Arc<Frozen>,
        position: Position,
        tickets: Vec<TicketId>,
    ) -> Self {
        Self { frozen, position, tickets }
    }

    /// The position that will stand in the file: how far the log must be synced before
    /// [`Committer::finish`].
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// Whether there is nothing to write but perhaps the position.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frozen.records.len() == 0 && self.frozen.rows.is_empty()
    }
}

/// What a job of the commit thread gives back to [`Backend::committed`](crate::Backend::committed).
pub struct Done {
    pub(crate) state: Committed,
    /// The number of the buffer that was committed; none for maintenance.
    pub(crate) frozen: Option<u64>,
    pub(crate) tickets: Vec<TicketId>,
}

impl Done {
    /// The state after the job.
    #[must_use]
    pub const fn state(&self) -> &Committed {
        &self.state
    }
}

/// Owns the file's writer, on the commit thread.
pub struct Committer {
    writer: Writer,
    /// The state after the last job.
    state: Committed,
    prepared: Option<Prepared>,
}

/// A job whose pages are written and synced, and which nothing points to yet.
struct Prepared {
    number: u64,
    position: Position,
    tickets: Vec<TicketId>,
    /// Nothing had to be written: the state is as before.
    unchanged: bool,
}

impl Committer {
    pub(crate) const fn new(writer: Writer, state: Committed) -> Self {
        Self { writer, state, prepared: None }
    }

    /// The first half of a commit: writes and syncs the job's pages. A crash now leaves the file as
    /// it was before.
    ///
    /// # Errors
    /// When the file cannot be read or written. Final: nothing more is written after.
    ///
    /// # Panics
    /// When a prepared job was not finished.
    pub fn prepare(&mut self, job: CommitJob) -> Result<()> {
        assert!(self.prepared.is_none(), "a prepared commit was not finished");
        let CommitJob { frozen, position, tickets } = job;
        let unchanged = frozen.records.len() == 0
            && frozen.rows.is_empty()
            && position == *self.state.position();
        if !unchanged {
            self.write(&frozen, &position)?;
        }
        self.prepared = Some(Prepared { number: frozen.number, position, tickets, unchanged });
        Ok(())
    }

    fn write(&mut self, frozen: &Frozen, position: &Position) -> Result<()> {
        env::fail_point!("beforeStartDBTxn");
        env::fail_point!("afterStartDBTxn");
        for (key, value) in frozen.records.iter() {
            let bytes = key.to_bytes();
            self.writer.put(Bucket::Key.as_bytes(), &bytes[..key.len()], value)?;
        }
        for (bucket, key, value) in frozen.rows.iter() {
            match value {
                Some(value) => self.writer.put(bucket.as_bytes(), key, value)?,
                None => self.writer.delete(bucket.as_bytes(), key)?,
            }
        }
        env::fail_point!("commitBeforePreCommitHook");
        self.write_position(position)?;
        env::fail_point!("commitAfterPreCommitHook");
        env::fail_point!("beforeCommit");
        self.writer.prepare()
    }

    /// Writes the rows of the position. Index and term 0 and an empty configuration are never
    /// written; a configuration only when it differs from the one that the file has, as Go does.
    fn write_position(&mut self, position: &Position) -> Result<()> {
        let before = self.state.position();
        let meta = Bucket::Meta.as_bytes();
        if position.index == Index(0) {
            return Ok(());
        }
        let index = schema::consistent_index::encode(position.index);
        self.writer.put(meta, schema::consistent_index::KEY, &index)?;
        if position.term > Term(0) {
            self.writer.put(meta, schema::term::KEY, &schema::term::encode(position.term))?;
        }
        if position.conf_state != before.conf_state && !position.conf_state.voters.is_empty() {
            let text = schema::conf_state::encode(&position.conf_state);
            self.writer.put(meta, schema::conf_state::KEY, &text)?;
        }
        Ok(())
    }

    /// The second half: makes the prepared job the file's state, durably. To be called when the log
    /// has synced entries and commit index up to the job's position.
    ///
    /// # Errors
    /// When the file cannot be written. Final.
    ///
    /// # Panics
    /// When no job is prepared.
    pub fn finish(&mut self) -> Result<Done> {
        let job = self.prepared.take().expect("finish follows prepare");
        if !job.unchanged {
            let view = self.writer.finish()?;
            env::fail_point!("afterCommit");
            self.state = self.state.followed_by(view, job.position);
        }
        Ok(Done { state: self.state.clone(), frozen: Some(job.number), tickets: job.tickets })
    }

    /// The state after the last job.
    #[must_use]
    pub const fn state(&self) -> &Committed {
        &self.state
    }
}

/// For the jobs of maintenance beside this module.
impl Committer {
    /// The writer, between commits.
    pub(crate) fn writer(&mut self) -> &mut Writer {
        assert!(self.prepared.is_none(), "a prepared commit was not finished");
        &mut self.writer
    }

    /// Commits deletions of records; the position stays.
    pub(crate) fn commit_deletions(&mut self) -> Result<Done> {
        self.writer.prepare()?;
        let view = self.writer.finish()?;
        self.state = self.state.compacted_to(view);
        Ok(self.maintained())
    }

    /// Goes on in another file.
    pub(crate) fn swap(&mut self, writer: Writer, state: Committed) {
        *self.writer() = writer;
        self.state = state;
    }

    /// The result of maintenance: the present state.
    pub(crate) fn maintained(&self) -> Done {
        Done { state: self.state.clone(), frozen: None, tickets: Vec::new() }
    }
}
