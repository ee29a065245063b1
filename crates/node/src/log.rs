//! The log thread's work: what raft wants stored goes into the WAL, many requests with one sync.
//!
//! Owns the WAL and the snapshot files. Knows nothing of what entries mean, and nothing of threads:
//! its driver hands in all tasks that wait and delivers what comes back.
//!
//! Invariants: a completion is given only after a sync that covers it; tasks take effect in their
//! order; after an error nothing is completed any more.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use env::Disk;
use proto::raftpb::{Entry, HardState, Message, Snapshot, SnapshotMetadata};
use proto::walpb;
use snap::{Purge, Saved, Snapshots};
use types::Index;
use wal::{PrepareJob, Prepared, ReadJob, Sync, Wal};

/// What the log thread is asked to do.
pub enum Task {
    /// Store entries and hard state; then the messages may be delivered.
    Append(Append),
    /// Note the commit index of this state with whatever is stored next: nothing waits for it.
    Commit(HardState),
    /// Make entries and commit index durable up to here, for the commit thread.
    Sync(Index),
    /// Store a snapshot's document and its record.
    Snapshot(Box<Snapshot>),
    /// Let go of entries before this one.
    Release(Index),
    /// Take the outcome of a [`PrepareJob`].
    Prepared(Box<wal::Result<Prepared>>),
    /// Remove files beyond the number that is kept.
    Purge,
    /// Read entries back.
    Read {
        /// The first.
        low: Index,
        /// The one after the last.
        high: Index,
        /// At most so many bytes, or one entry.
        bytes_max: u64,
    },
}

/// A request of raft.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Append {
    /// The new hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// A snapshot of another member that takes the place of the whole log.
    pub snapshot: Option<Box<Snapshot>>,
    /// New entries; one replaces what stood at its index and behind.
    pub entries: Vec<Entry>,
    /// Messages that wait for this to be durable.
    pub responses: Vec<Message>,
}

/// What came of a task.
pub enum Done {
    /// An append is durable.
    Appended(Append),
    /// The log is durable up to here.
    Synced(Index),
    /// A snapshot's document and record are durable.
    SnapshotSaved(Box<Snapshot>),
    /// A job that reads entries back.
    Read(ReadJob),
    /// These files were removed.
    Purged(Vec<PathBuf>),
}

/// How many files a purge leaves; `None` for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// Segments of the log (`--max-wals`).
    pub wals: Option<usize>,
    /// Snapshot files (`--max-snapshots`).
    pub snapshots: Option<usize>,
}

/// Why the process has to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Wal(#[from] wal::Error),
    /// A snapshot file.
    #[error(transparent)]
    Snap(#[from] snap::Error),
}

/// The files that the log thread owns.
pub struct Log {
    disk: Arc<dyn Disk>,
    wal: Wal,
    snapshots: Snapshots,
    keep: Keep,
}

/// What a round of work gave.
#[derive(Default)]
pub struct Round {
    /// One for each task but `Commit`, `Prepared` and `Release`, in no particular order between
    /// kinds.
    pub done: Vec<Done>,
    /// How long each sync took.
    pub syncs: Vec<Duration>,
    /// Bytes written to the log.
    pub bytes: u64,
    /// How long writing them took.
    pub write: Duration,
    /// Snapshots that were saved.
    pub saved: Vec<Saved>,
    /// A segment was begun, so that the next may be made ahead.
    pub new_segment: bool,
}

impl Round {
    fn add(&mut self, flushed: wal::Flushed) {
        self.bytes += flushed.bytes;
        self.write += flushed.write;
        self.syncs.extend(flushed.syncs);
        self.new_segment |= flushed.new_segment.is_some();
    }
}

impl Log {
    /// The log thread's core over open files.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, wal: Wal, snapshots: Snapshots, keep: Keep) -> Self {
        Self { disk, wal, snapshots, keep }
    }

    /// Carries out all tasks that wait, with at most one sync for all appends between two
    /// snapshots.
    ///
    /// # Errors
    /// Final: nothing that was not completed may be acknowledged.
    pub fn run(&mut self, tasks: &mut Vec<Task>) -> Result<Round, Error> {
        let mut round = Round::default();
        let mut pending = Vec::new();
        let mut sync = Sync::Skippable;
        let mut restored = None;
        for task in tasks.drain(..) {
            match task {
                Task::Append(append) => {
                    env::fail_point!("raftBeforeSave");
                    if let Some(snapshot) = &append.snapshot {
                        self.flush(sync, &mut pending, &mut round)?;
                        env::fail_point!("raftBeforeSaveSnap");
                        self.save_snapshot(snapshot, &mut round)?;
                        env::fail_point!("raftAfterSaveSnap");
                        // The log before it may be let go only when a commit index that covers it
                        // is durable.
                        restored = Some(Index(snapshot.metadata.index));
                        sync = Sync::Required;
                        let known = append.hard_state.unwrap_or(self.wal.hard_state());
                        self.wal.append(Some(covering(known, snapshot)), &[])?;
                    }
                    self.wal.append(append.hard_state, &append.entries)?;
                    pending.push(Done::Appended(append));
                }
                Task::Commit(hard_state) => self.wal.append(Some(hard_state), &[])?,
                Task::Sync(index) => {
                    let commit = self.wal.hard_state().commit;
                    assert!(commit >= index.0, "a commit at {index} before the log's {commit}");
                    sync = Sync::Required;
                    pending.push(Done::Synced(index));
                }
                Task::Snapshot(snapshot) => {
                    self.flush(sync, &mut pending, &mut round)?;
                    self.save_snapshot(&snapshot, &mut round)?;
                    // All of it was applied. Databases of snapshots that other members sent are let
                    // go of by who installs them: the one before may wait for that still.
                    self.snapshots.release_databases(Index(snapshot.metadata.index))?;
                    round.done.push(Done::SnapshotSaved(snapshot));
                }
                Task::Release(index) => self.wal.release_to(index),
                // Without a segment made ahead the log makes one itself, when it needs it.
                Task::Prepared(outcome) => {
                    if let Err(error) = self.wal.accept(*outcome) {
                        tracing::warn!(%error, "failed to prepare the next segment of the log");
                    }
                }
                Task::Purge => round.done.push(Done::Purged(self.purge()?)),
                Task::Read { low, high, bytes_max } => {
                    self.flush(sync, &mut pending, &mut round)?;
                    round.done.push(Done::Read(self.wal.read(low, high, bytes_max)?));
                }
            }
        }
        self.flush(sync, &mut pending, &mut round)?;
        if let Some(index) = restored {
            self.wal.release_to(index);
            env::fail_point!("raftAfterWALRelease");
        }
        Ok(round)
    }

    fn flush(
        &mut self,
        sync: Sync,
        pending: &mut Vec<Done>,
        round: &mut Round,
    ) -> Result<(), Error> {
        if pending.is_empty() {
            return Ok(());
        }
        let flushed = self.wal.flush(sync)?;
        env::fail_point!("raftAfterSave");
        round.add(flushed);
        round.done.append(pending);
        Ok(())
    }

    /// The document first, its record second: a record without a document would be a promise that
    /// is not kept (spec/snap.md 4.1).
    fn save_snapshot(&mut self, snapshot: &Snapshot, round: &mut Round) -> Result<(), Error> {
        let metadata = &snapshot.metadata;
        if env::planted!("snapshot-record-first") {
            self.wal.save_snapshot(&record_of(metadata))?;
        }
        if env::planted!("snapshot-database-removed") {
            self.snapshots.release_databases(Index(metadata.index))?;
        }
        let saved = self.snapshots.save(snapshot)?;
        env::fail_point!("raftBeforeWALSaveSnaphot");
        let flushed = self.wal.save_snapshot(&record_of(metadata))?;
        round.add(flushed);
        tracing::info!("snapshot-index" = metadata.index, path = %saved.path.display(),
            "saved snapshot to disk");
        round.saved.push(saved);
        Ok(())
    }

    fn purge(&self) -> Result<Vec<PathBuf>, Error> {
        let mut removed = Vec::new();
        if let Some(keep) = self.keep.wals {
            removed.extend(wal::purge(&*self.disk, self.wal.dir(), keep)?);
        }
        if let Some(keep) = self.keep.snapshots {
            removed.extend(self.snapshots.purge(Purge::Snapshots, keep)?);
            removed.extend(self.snapshots.purge(Purge::Databases, keep)?);
        }
        Ok(removed)
    }

    /// The job that makes the log's next segment ahead of its need, if that is due. Its outcome
    /// comes back as [`Task::Prepared`].
    pub fn prepare(&mut self) -> Option<PrepareJob> {
        self.wal.prepare()
    }

    /// Makes all durable and lets go of the files.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn close(self) -> Result<(), Error> {
        self.wal.close()?;
        Ok(())
    }
}

/// What the log says of a snapshot.
fn record_of(metadata: &SnapshotMetadata) -> walpb::Snapshot {
    let SnapshotMetadata { conf_state, index, term } = metadata.clone();
    walpb::Snapshot { index, term, conf_state: Some(conf_state) }
}

/// A commit index that covers a snapshot: a start goes by the snapshots' records that one covers.
/// It is written before the entries behind the snapshot. If those came first, and the write were cut
/// short, the log would go on with entries that fit none of the snapshots that a start finds.
fn covering(known: HardState, snapshot: &Snapshot) -> HardState {
    HardState { commit: snapshot.metadata.index, ..known }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use env::{RealClock, RealDisk};
    use proto::raftpb::ConfState;

    use super::*;

    fn entry(index: u64) -> Entry {
        Entry { index, term: 2, data: vec![7; 700].into(), ..Entry::default() }
    }

    fn snapshot_at(index: u64) -> Box<Snapshot> {
        let conf_state = ConfState { voters: vec![1], ..ConfState::default() };
        let metadata = SnapshotMetadata { conf_state, index, term: 2 };
        Box::new(Snapshot { data: vec![b'{', b'}'].into(), metadata })
    }

    fn received(index: u64) -> Task {
        let hard_state = Some(HardState { term: 2, vote: 1, commit: index });
        let snapshot = Some(snapshot_at(index));
        Task::Append(Append { hard_state, snapshot, ..Append::default() })
    }

    fn new_log(dir: &Path) -> (Log, Snapshots) {
        let (disk, clock) = (Arc::new(RealDisk), Arc::new(RealClock::new()));
        std::fs::create_dir_all(dir).unwrap();
        let snapshots = Snapshots::new(disk.clone(), clock.clone(), dir);
        let wal = Wal::create(disk.clone(), &dir.join("wal"), b"", wal::Options::new(clock));
        let keep = Keep { wals: None, snapshots: None };
        (Log::new(disk, wal.unwrap(), snapshots.clone(), keep), snapshots)
    }

    #[test]
    fn a_second_snapshot_leaves_the_database_of_the_first_to_who_installs_it() {
        let dir = std::env::temp_dir().join(format!("oxetcd-node-two-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let (mut log, snapshots) = new_log(&dir);
        for index in [10, 12] {
            std::fs::write(dir.join(format!("{index:016x}.snap.db")), "its database").unwrap();
            log.run(&mut vec![received(index)]).unwrap();
        }
        for index in [10, 12] {
            assert!(snapshots.database(Index(index)).is_ok(), "the database of {index} is gone");
        }
        // What it has applied by itself is behind them.
        log.run(&mut vec![Task::Snapshot(snapshot_at(13))]).unwrap();
        for index in [10, 12] {
            assert!(snapshots.database(Index(index)).is_err(), "the database of {index} is left");
        }
        log.close().unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_snapshot_whose_document_cannot_be_written_is_not_promised_by_the_log() {
        let (disk, clock) = (Arc::new(simenv::SimDisk::new()), Arc::new(RealClock::new()));
        let dir = Path::new("/member");
        disk.put_dir(dir);
        let snapshots = Snapshots::new(disk.clone(), clock.clone(), dir);
        let wal = Wal::create(disk.clone(), &dir.join("wal"), b"", wal::Options::new(clock));
        let keep = Keep { wals: None, snapshots: None };
        let mut log = Log::new(disk.clone(), wal.unwrap(), snapshots, keep);
        let append = Append {
            hard_state: Some(HardState { term: 2, vote: 1, commit: 2 }),
            entries: vec![entry(1), entry(2)],
            ..Append::default()
        };
        log.run(&mut vec![Task::Append(append)]).unwrap();
        disk.set_fault(|_, path| {
            let is_log = path.to_string_lossy().contains("wal");
            (!is_log).then_some(simenv::Fault::Error(std::io::ErrorKind::StorageFull))
        });
        assert!(matches!(log.run(&mut vec![Task::Snapshot(snapshot_at(2))]), Err(Error::Snap(_))));
        disk.clear_fault();
        let promised = wal::valid_snapshot_entries(&*disk, &dir.join("wal")).unwrap();
        assert_eq!(promised.iter().map(|record| record.index).collect::<Vec<_>>(), [0]);
    }

    /// A log of two entries that takes a snapshot at 10 and the entries behind it; its segment.
    fn taken_over(dir: &Path) -> PathBuf {
        let (mut log, _) = new_log(dir);
        let before = Append {
            hard_state: Some(HardState { term: 2, vote: 1, commit: 1 }),
            entries: vec![entry(1), entry(2)],
            ..Append::default()
        };
        log.run(&mut vec![Task::Append(before)]).unwrap();
        let append = Append {
            hard_state: Some(HardState { term: 2, vote: 1, commit: 12 }),
            snapshot: Some(snapshot_at(10)),
            entries: vec![entry(11), entry(12)],
            ..Append::default()
        };
        log.run(&mut vec![Task::Append(append)]).unwrap();
        log.close().unwrap();
        dir.join("wal/0000000000000000-0000000000000000.wal")
    }

    /// Wherever the write is cut short, the log goes on from the snapshot or from before it.
    #[test]
    fn a_snapshot_whose_entries_are_cut_off_can_be_started_from() {
        let dir = std::env::temp_dir().join(format!("oxetcd-node-log-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let segment = taken_over(&dir);
        let mut records = wal::records(&RealDisk, &dir.join("wal")).unwrap();
        let mut ends = Vec::new();
        while let Some(record) = records.next().unwrap() {
            ends.push(record.position.offset);
        }
        let mut found = Vec::new();
        for end in ends.into_iter().rev() {
            std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(end).unwrap();
            let disk = Arc::new(RealDisk);
            let Ok(valid) = wal::valid_snapshot_entries(&*disk, &dir.join("wal")) else { continue };
            let Some(at) = valid.last() else { continue };
            let options = wal::Options::new(Arc::new(RealClock::new()));
            let opened = Wal::recover(disk, &dir.join("wal"), at, options);
            let (_, contents, _) = opened.unwrap_or_else(|error| panic!("cut at {end}: {error}"));
            found.push((at.index, contents.entries.len()));
        }
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found[..5], [(10, 2), (10, 1), (10, 0), (0, 2), (0, 2)]);
    }
}
