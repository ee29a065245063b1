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

use bolt::Writer;
use bytes::Bytes;
use env::Disk;
use types::{Index, RecordKey, Term};

use crate::backend::TicketId;
use crate::committed::Committed;
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
    disk: Arc<dyn Disk>,
    options: bolt::Options,
    writer: Writer,
    /// The state after the last job.
    state: Committed,
    prepared: Option<Prepared>,
    /// It is not known which file stands at the path: nothing more is written.
    stopped: bool,
}

/// A job whose pages are written and synced, and which nothing points to yet.
struct Prepared {
    number: u64,
    position: Position,
    tickets: Vec<TicketId>,
    /// `None`: nothing had to be written, the state is as before.
    pages: Option<bolt::Prepared>,
}

impl Committer {
    pub(crate) const fn new(
        disk: Arc<dyn Disk>,
        options: bolt::Options,
        writer: Writer,
        state: Committed,
    ) -> Self {
        Self { disk, options, writer, state, prepared: None, stopped: false }
    }

    pub(crate) const fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(crate) const fn bolt_options(&self) -> &bolt::Options {
        &self.options
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
        self.check_running()?;
        let CommitJob { frozen, position, tickets } = job;
        let unchanged = frozen.records.len() == 0
            && frozen.rows.is_empty()
            && position == *self.state.position();
        let pages = if unchanged { None } else { Some(self.write(&frozen, &position)?) };
        self.prepared = Some(Prepared { number: frozen.number, position, tickets, pages });
        Ok(())
    }

    fn write(&mut self, frozen: &Frozen, position: &Position) -> Result<bolt::Prepared> {
        env::fail_point!("beforeStartDBTxn");
        self.learn();
        env::fail_point!("afterStartDBTxn");
        for (key, value) in frozen.records.iter() {
            self.writer.put(Bucket::Key.as_bytes(), stored_key(*key), value.clone())?;
        }
        for (bucket, key, value) in frozen.rows.iter() {
            match value {
                Some(value) => self.writer.put(bucket.as_bytes(), key.clone(), value.clone())?,
                None => self.writer.delete(bucket.as_bytes(), key.clone())?,
            }
        }
        env::fail_point!("commitBeforePreCommitHook");
        self.write_position(position)?;
        env::fail_point!("commitAfterPreCommitHook");
        env::fail_point!("beforeCommit");
        Ok(self.writer.prepare()?)
    }

    /// Writes the rows of the position. Index and term 0 and an empty configuration are never
    /// written; a configuration only when it differs from the one that the file has, as Go does.
    fn write_position(&mut self, position: &Position) -> Result<()> {
        if position.index == Index(0) {
            return Ok(());
        }
        let is_ahead = env::planted!("index-ahead-of-entry");
        let index = if is_ahead { position.index.next() } else { position.index };
        self.put_meta(schema::consistent_index::KEY, &schema::consistent_index::encode(index))?;
        if position.term > Term(0) {
            self.put_meta(schema::term::KEY, &schema::term::encode(position.term))?;
        }
        let conf_state = &position.conf_state;
        if *conf_state != self.state.position().conf_state && !conf_state.voters.is_empty() {
            let mut stored = conf_state.clone();
            if env::planted!("conf-state-without-learners") {
                stored.learners.clear();
            }
            self.put_meta(schema::conf_state::KEY, &schema::conf_state::encode(&stored))?;
        }
        Ok(())
    }

    pub(crate) fn put_meta(&mut self, key: &'static [u8], value: &[u8]) -> Result<()> {
        let value = Bytes::copy_from_slice(value);
        Ok(self.writer.put(Bucket::Meta.as_bytes(), Bytes::from_static(key), value)?)
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
        if let Some(pages) = job.pages {
            let view = pages.finish(&mut self.writer)?;
            env::fail_point!("afterCommit");
            self.state = self.state.followed_by(view, job.position);
        }
        Ok(Done { state: self.state.clone(), frozen: Some(job.number), tickets: job.tickets })
    }

    /// Finds the pages of a file just opened that nothing uses. The first commit would do it, and
    /// until then [`Sizes::in_use`](crate::Sizes::in_use) takes all pages for used. After
    /// [`Committed::scan_records`] it reads only the small buckets.
    ///
    /// # Errors
    /// When the file cannot be read.
    ///
    /// # Panics
    /// Between the halves of a commit.
    pub fn find_free_pages(&mut self) -> Result<Done> {
        self.learn();
        self.writer().find_free_pages()?;
        Ok(self.maintained())
    }

    /// Hands what a scan has learned to the writer.
    fn learn(&mut self) {
        if let Some(footprint) = self.state.take_footprint() {
            self.writer.learn(footprint);
        }
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
        self.check_running()?;
        self.learn();
        let view = self.writer.commit()?;
        self.state = self.state.compacted_to(view);
        Ok(self.maintained())
    }

    /// Writes nothing any more.
    pub(crate) const fn stop(&mut self) {
        self.stopped = true;
    }

    fn check_running(&self) -> Result<()> {
        if self.stopped { Err(bolt::Error::Poisoned.into()) } else { Ok(()) }
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

/// A record's key as stored.
pub(crate) fn stored_key(key: RecordKey) -> Bytes {
    Bytes::copy_from_slice(&key.to_bytes()[..key.len()])
}
