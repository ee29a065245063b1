//! The log as its owner writes it.
//!
//! [`Wal::append`] only encodes; [`Wal::flush`] writes everything appended since the last one with
//! one call and makes it durable with at most one sync. So one flush can serve many appends.
//!
//! Knows nothing of threads: it blocks in the disk's calls and nowhere else.
//!
//! Invariants: `offset` is where the file's records end, the batch not counted; what is behind is
//! zero; an error of a write or a sync is final; `segments` is never empty, its last is the tail,
//! and all of them are locked.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::{Disk, Monotonic};
use proto::raftpb::{Entry, HardState};
use proto::walpb;
use types::Index;

use crate::batch::Batch;
use crate::error::{Context, Error, Result};
use crate::options::{Durability, Options};
use crate::positions::{Mark, Positions};
use crate::record::Position;
use crate::segment::{Fill, PrepareJob, Prepared, Segment};

/// Whether a flush has to make everything durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sync {
    /// It has to, if only the commit index changed too.
    Required,
    /// Only as far as raft needs it: a batch with entries, a new term or a new vote is made durable,
    /// one with nothing but a commit index is just written (spec/wal.md 3.5).
    Skippable,
}

/// What a flush did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flushed {
    /// Bytes written.
    pub bytes: u64,
    /// How long writing took; zero if nothing was written.
    pub write: Duration,
    /// How long each sync took: none, one, or with a new segment several.
    pub syncs: Vec<Duration>,
    /// The segment that was begun, if one was.
    pub new_segment: Option<PathBuf>,
}

/// A log open for writing.
pub struct Wal {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) metadata: Bytes,
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) offset: u64,
    pub(crate) batch: Batch,
    /// The batch, or what was written and not synced, must be durable before it counts.
    pub(crate) sync_due: bool,
    /// Something was written and not synced.
    pub(crate) unsynced: bool,
    /// The newest appended.
    pub(crate) hard_state: HardState,
    /// The newest appended entry's, or a later snapshot's.
    pub(crate) last_index: Index,
    pub(crate) positions: Positions,
    pub(crate) next: NextSegment,
    pub(crate) poisoned: bool,
}

/// The next segment.
pub(crate) enum NextSegment {
    /// Nobody makes it.
    None,
    /// A job makes it.
    UnderWay,
    /// It is there.
    Ready(Prepared),
}

impl Wal {
    /// The metadata at the head of each segment.
    #[must_use]
    pub fn metadata(&self) -> &Bytes {
        &self.metadata
    }

    /// The index of the newest appended entry, or of a newer snapshot record.
    #[must_use]
    pub const fn last_index(&self) -> Index {
        self.last_index
    }

    /// The newest appended hard state.
    #[must_use]
    pub const fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// Takes entries, and then a hard state, into the next flush. An entry replaces one of its index
    /// and all behind that. An empty hard state is the same as none.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    ///
    /// # Panics
    /// If the entries leave a gap between each other or behind the log: a log that cannot be read
    /// again must not be acknowledged.
    pub fn append(&mut self, hard_state: Option<HardState>, entries: &[Entry]) -> Result<()> {
        self.check()?;
        for entry in entries {
            assert!(
                entry.index != 0 && entry.index - 1 <= self.last_index.0,
                "entry {} leaves a gap behind {}",
                entry.index,
                self.last_index
            );
            let (position, crc_before) = (self.end(), self.batch.crc());
            self.positions.push(Mark { index: Index(entry.index), position, crc_before });
            self.batch.push_entry(entry);
            self.last_index = Index(entry.index);
        }
        self.sync_due |= !entries.is_empty();
        if let Some(state) = hard_state.filter(|state| !state.is_empty()) {
            let old = self.hard_state;
            self.sync_due |= state.vote != old.vote || state.term != old.term;
            self.batch.push_state(&state);
            self.hard_state = state;
        }
        Ok(())
    }

    /// Writes what was appended, syncs where needed, and begins a new segment when this one is full.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]: nothing appended since the last flush may be
    /// acknowledged, and the log takes no more. [`Error::Poisoned`] after that.
    pub fn flush(&mut self, sync: Sync) -> Result<Flushed> {
        self.poisoning(|wal| wal.write_and_sync(sync))
    }

    /// Notes a snapshot, and flushes with a sync. The snapshot's file must be there already, and a
    /// hard state whose commit reaches the snapshot must be appended before it or flushed after it
    /// (spec/wal.md 3.8).
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    ///
    /// # Panics
    /// If the configuration is missing: since 3.5 a log with such a record is refused.
    pub fn save_snapshot(&mut self, snapshot: &walpb::Snapshot) -> Result<Flushed> {
        self.check()?;
        assert!(
            snapshot.conf_state.is_some() || snapshot.index == 0,
            "the snapshot record at {} has no configuration",
            snapshot.index
        );
        self.batch.push_snapshot(snapshot);
        if Index(snapshot.index) > self.last_index {
            self.last_index = Index(snapshot.index);
            self.positions.clear();
        }
        self.poisoning(|wal| {
            let mut done = Flushed::default();
            wal.write(&mut done)?;
            wal.sync(&mut done)?;
            Ok(done)
        })
    }

    /// Lets go of segments that nobody needs who reads from `index` on; [`purge`](crate::purge) may
    /// remove them then. Entries in them cannot be read back any more.
    pub fn release_to(&mut self, index: Index) {
        let behind = self.segments.iter().position(|segment| segment.name.first >= index);
        let keep_from = behind.map_or(self.segments.len() - 1, |behind| behind.saturating_sub(1));
        self.segments.drain(..keep_from);
        self.positions.release(self.segments[0].name.sequence);
    }

    /// The job that makes the next segment, if that is due. Its outcome goes to
    /// [`accept`](Self::accept).
    pub fn prepare(&mut self) -> Option<PrepareJob> {
        if !matches!(self.next, NextSegment::None) {
            return None;
        }
        self.next = NextSegment::UnderWay;
        Some(self.prepare_job("0.tmp", self.options.fill))
    }

    /// Takes the outcome of [`prepare`](Self::prepare)'s job. After an error the log makes the
    /// segment itself when it needs it.
    ///
    /// # Errors
    /// The job's own.
    pub fn accept(&mut self, outcome: Result<Prepared>) -> Result<()> {
        self.next = NextSegment::None;
        self.next = NextSegment::Ready(outcome?);
        Ok(())
    }

    /// Flushes with a sync, removes the segment made ahead and releases the locks. A job still under
    /// way must be waited for and its outcome [discarded](Prepared::discard).
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn close(mut self) -> Result<Flushed> {
        let done = self.flush(Sync::Required)?;
        match std::mem::replace(&mut self.next, NextSegment::None) {
            NextSegment::Ready(prepared) => prepared.discard()?,
            NextSegment::None | NextSegment::UnderWay => {}
        }
        Ok(done)
    }

    /// Where the next record will be.
    pub(crate) fn end(&self) -> Position {
        let sequence = self.tail().name.sequence;
        Position { sequence, offset: self.offset + self.batch.len() }
    }

    pub(crate) fn tail(&self) -> &Segment {
        self.segments.back().expect("a log always has a tail")
    }

    /// Writes the batch.
    pub(crate) fn write(&mut self, done: &mut Flushed) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let started = self.now();
        let tail = self.segments.back().expect("a log always has a tail");
        tail.file
            .write_vectored_at(&self.batch.slices(), self.offset)
            .context("write", &tail.path)?;
        done.bytes += self.batch.len();
        done.write += self.now().since(started);
        self.offset += self.batch.len();
        self.unsynced = true;
        self.batch.clear();
        Ok(())
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&mut self, done: &mut Flushed) -> Result<()> {
        self.sync_due = false;
        if !std::mem::take(&mut self.unsynced) || !self.is_synced() {
            return Ok(());
        }
        let started = self.now();
        let tail = self.tail();
        tail.file.sync_data().context("sync", &tail.path)?;
        done.syncs.push(self.now().since(started));
        Ok(())
    }

    fn write_and_sync(&mut self, sync: Sync) -> Result<Flushed> {
        let mut done = Flushed::default();
        self.write(&mut done)?;
        if done.bytes > 0 && self.offset >= self.options.segment_bytes {
            self.cut(&mut done)?;
        } else if env::planted!("ack-before-sync") && sync == Sync::Skippable {
            return Ok(done);
        } else if sync == Sync::Required || self.sync_due {
            env::fail_point!("walBeforeSync");
            self.sync(&mut done)?;
            env::fail_point!("walAfterSync");
        }
        Ok(done)
    }

    /// Finishes the tail and begins the next segment. Whatever survives a crash in between, the log
    /// goes on: the old tail is whole before the new one has its name, and the new one has its head.
    fn cut(&mut self, done: &mut Flushed) -> Result<()> {
        let tail = self.tail();
        tail.file.set_len(self.offset).context("truncate", &tail.path)?;
        self.unsynced = true;
        self.sync(done)?;

        let mut name = self.tail().name;
        name.sequence = name.sequence.checked_add(1).ok_or_else(|| {
            Error::corrupted(&self.tail().path, 0, "a name that has a successor", "the last one")
        })?;
        name.first = Index(self.last_index.0.saturating_add(1));
        let path = self.dir.join(name.to_string());
        let prepared = self.take_next()?;
        // Until it is renamed, messages name the file as it is.
        let file = Arc::clone(&prepared.file);
        self.segments.push_back(Segment { name, path: prepared.path.clone(), file });
        self.offset = 0;
        self.push_head();
        self.write(done)?;
        self.sync(done)?;

        self.disk.rename(&prepared.path, &path).context("rename", &prepared.path)?;
        self.segments.back_mut().expect("it was just pushed").path.clone_from(&path);
        if self.is_synced() {
            let started = self.now();
            self.disk.sync_dir(&self.dir).context("sync", &self.dir)?;
            done.syncs.push(self.now().since(started));
        }
        done.new_segment = Some(path);
        Ok(())
    }

    /// The records that begin a segment which is not the log's first.
    pub(crate) fn push_head(&mut self) {
        self.batch.push_crc();
        self.batch.push_metadata(&self.metadata);
        if !self.hard_state.is_empty() {
            self.batch.push_state(&self.hard_state);
        }
    }

    /// The next segment's file, made here if nobody has. A job still under way keeps its own name
    /// and serves the segment after.
    fn take_next(&mut self) -> Result<Prepared> {
        match std::mem::replace(&mut self.next, NextSegment::None) {
            NextSegment::Ready(prepared) => Ok(prepared),
            other => {
                self.next = other;
                self.prepare_job("1.tmp", Fill::Reserve).run()
            }
        }
    }

    fn prepare_job(&self, name: &str, fill: Fill) -> PrepareJob {
        let (disk, len) = (Arc::clone(&self.disk), self.options.segment_bytes);
        PrepareJob { disk, path: self.dir.join(name), len, fill }
    }

    fn check(&self) -> Result<()> {
        if self.poisoned { Err(Error::Poisoned) } else { Ok(()) }
    }

    /// Runs what must not be tried again once it has failed.
    fn poisoning<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.check()?;
        let outcome = act(self);
        self.poisoned = outcome.is_err();
        outcome
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.options.durability == Durability::Synced
    }

    pub(crate) fn now(&self) -> Monotonic {
        self.options.clock.now()
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
