//! Reading a log from a snapshot on: what the records mean together (spec/wal.md 3.6).
//!
//! Knows nothing of writing. Invariants: all metadata records are equal; entries have no gap; an
//! entry record replaces earlier ones of its index and behind; the last hard state wins.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use env::{Disk, OpenMode};
use proto::raftpb::{Entry, EntryType, HardState};
use proto::walpb;
use types::{Index, Term};

use crate::entries::{Entries, EntryId, Kept};
use crate::error::{Context, Error, Result};
use crate::name::{self, SegmentName};
use crate::positions::{Mark, Positions};
use crate::record::{End, Kind, Record, Records, Source};

/// What a log holds behind a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contents {
    /// What [`Wal::create`](crate::Wal::create) was given.
    pub metadata: Bytes,
    /// The newest one; empty if there is none.
    pub hard_state: HardState,
    /// What is right before the first of `entries`: the snapshot, or, where the limit on memory has
    /// left out older entries, the last of those.
    pub before: EntryId,
    /// Consecutive entries up to the end of the log. Those above `hard_state.commit` may be replaced
    /// later, but have to be kept.
    pub entries: Vec<Entry>,
    /// Where each run of equal terms begins, from the snapshot on, the entries that were left out
    /// included.
    pub terms: Vec<EntryId>,
}

impl Contents {
    /// Forgets the entries behind an index that is not before the snapshot's.
    pub fn truncate(&mut self, last: Index) {
        self.entries.truncate(self.entries.partition_point(|entry| entry.index <= last.get()));
        let snapshot = 1;
        let runs = self.terms.partition_point(|run| run.index <= last);
        self.terms.truncate(runs.max(snapshot));
        if let Some(run) = self.terms.last().filter(|_| self.before.index > last) {
            self.before = EntryId { index: last, term: run.term };
        }
    }
}

/// What a scan has found so far.
pub(crate) struct Scan {
    at: EntryId,
    metadata: Option<Bytes>,
    hard_state: HardState,
    snapshot_found: bool,
    entries: Entries,
    pub(crate) positions: Positions,
    /// The index of the last entry record, or of a snapshot record behind it if that is higher.
    pub(crate) last_index: Index,
    /// Where the records end: segment and byte.
    end: (PathBuf, u64),
}

impl Scan {
    /// Before the first record.
    pub(crate) fn new(at: &walpb::Snapshot, entries_bytes_max: u64) -> Self {
        let at = EntryId { index: Index(at.index), term: Term(at.term) };
        Self {
            at,
            metadata: None,
            hard_state: HardState::default(),
            snapshot_found: false,
            entries: Entries::new(at, entries_bytes_max),
            positions: Positions::default(),
            last_index: Index(0),
            end: (PathBuf::new(), 0),
        }
    }

    /// Reads to the end.
    pub(crate) fn run(&mut self, records: &mut Records) -> Result<()> {
        let outcome = self.read(records);
        self.end = (records.path().to_path_buf(), records.offset());
        outcome
    }

    fn read(&mut self, records: &mut Records) -> Result<()> {
        while let Some(record) = records.next()? {
            self.step(records, record)?;
        }
        Ok(())
    }

    /// Refuses a log that ends before an entry that is known to have been in it, or that its own
    /// hard state says to be committed.
    pub(crate) fn check_reaches(&self, needed: Index) -> Result<()> {
        let needed = needed.max(Index(self.hard_state.commit));
        if self.last_index >= needed {
            return Ok(());
        }
        let (file, offset) = self.end.clone();
        Err(Error::Short { file, offset, last: self.last_index, needed })
    }

    /// The newest hard state.
    pub(crate) const fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// What was found. The log must hold the record of the snapshot that the scan started from.
    pub(crate) fn finish(self) -> Result<(Contents, Positions, Index)> {
        let (file, offset) = self.end;
        if !self.snapshot_found {
            return Err(Error::SnapshotNotFound { file, offset, index: self.at.index });
        }
        let metadata = self.metadata.ok_or_else(|| {
            Error::corrupted(&file, offset, "a metadata record", "a log without one")
        })?;
        let Kept { before, entries, terms } = self.entries.finish();
        let contents = Contents { metadata, hard_state: self.hard_state, before, entries, terms };
        Ok((contents, self.positions, self.last_index))
    }

    fn step(&mut self, records: &Records, record: Record) -> Result<()> {
        match record.kind {
            Kind::Crc => {}
            Kind::Metadata => self.on_metadata(records, record)?,
            Kind::Entry => self.on_entry(records, &record)?,
            Kind::State => self.on_state(records, record)?,
            Kind::Snapshot => {
                let decoded = walpb::Snapshot::decode(record.data);
                self.on_snapshot(
                    &decoded.map_err(|error| undecoded(records, "snapshot", &error))?,
                )?;
            }
        }
        Ok(())
    }

    fn on_metadata(&mut self, records: &Records, record: Record) -> Result<()> {
        match &self.metadata {
            Some(metadata) if *metadata != record.data => {
                Err(records
                    .corrupted_record("the metadata of the segments before", "other metadata"))
            }
            _ => {
                self.metadata = Some(record.data);
                Ok(())
            }
        }
    }

    fn on_state(&mut self, records: &Records, record: Record) -> Result<()> {
        let state =
            HardState::decode(record.data).map_err(|error| undecoded(records, "state", &error))?;
        // A record's type is not covered by its CRC. What was an entry reads as a state of its
        // type's number as term.
        if state.term < self.hard_state.term {
            let expected = format!("a state of term {} or later", self.hard_state.term);
            let found = format!("one of term {}", state.term);
            return Err(records.corrupted_record(&expected, &found));
        }
        self.hard_state = state;
        Ok(())
    }

    fn on_entry(&mut self, records: &Records, record: &Record) -> Result<()> {
        let entry = Entry::decode(record.data.clone())
            .map_err(|error| undecoded(records, "entry", &error))?;
        // The same the other way round: a state has no data, and its term is no type of an entry
        // without any.
        if entry.entry_type != EntryType::Normal && entry.data.is_empty() {
            let found = format!("an empty one of type {:?}", entry.entry_type);
            return Err(records.corrupted_record("an entry", &found));
        }
        let index = Index(entry.index);
        self.entries.push(entry).map_err(|expected| Error::Gap {
            file: records.path().to_path_buf(),
            offset: record.position.offset,
            expected,
            found: index,
        })?;
        self.last_index = index;
        if index > self.at.index {
            let (position, crc_before) = (record.position, record.crc_before);
            self.positions.push(Mark { index, position, crc_before });
        }
        Ok(())
    }

    fn on_snapshot(&mut self, snapshot: &walpb::Snapshot) -> Result<()> {
        if snapshot.index == self.at.index.0 {
            if snapshot.term != self.at.term.0 {
                return Err(Error::SnapshotMismatch);
            }
            self.snapshot_found = true;
        }
        self.last_index = self.last_index.max(Index(snapshot.index));
        Ok(())
    }
}

/// A record whose CRC is right, but whose data is not what its type says.
pub(crate) fn undecoded(records: &Records, what: &str, error: &proto::DecodeError) -> Error {
    records.corrupted_record(what, &error.to_string())
}

/// Opens segments to read them, without locks.
pub(crate) fn open_sources(
    disk: &dyn Disk,
    dir: &Path,
    names: &[SegmentName],
) -> Result<Vec<Source>> {
    names
        .iter()
        .map(|name| {
            let path: PathBuf = dir.join(name.to_string());
            let file = disk.open(&path, OpenMode::Read).context("open", &path)?;
            let len = file.len().context("read the size of", &path)?;
            Ok(Source { path, sequence: name.sequence, file, len })
        })
        .collect()
}

/// Reads a log without taking its locks or changing anything. A torn end is where it ends.
///
/// # Errors
/// As [`Wal::open`](crate::Wal::open), except [`Error::Torn`] and [`Error::Locked`].
pub fn read_only(disk: &dyn Disk, dir: &Path, at: &walpb::Snapshot) -> Result<Contents> {
    let scan = scan_read_only(disk, dir, at, u64::MAX)?;
    Ok(scan.finish()?.0)
}

/// Reads through a log and checks it: framing, CRC chain, metadata, entry order, and that the
/// snapshot's record is there. Returns the newest hard state. A torn end is where it ends.
///
/// # Errors
/// As [`read_only`].
pub fn verify(disk: &dyn Disk, dir: &Path, at: &walpb::Snapshot) -> Result<HardState> {
    let scan = scan_read_only(disk, dir, at, 0)?;
    let hard_state = scan.hard_state();
    scan.finish()?;
    Ok(hard_state)
}

/// Refuses a log that is not whole up to an entry that is known to have been in it.
pub(crate) fn check_reaches(
    disk: &dyn Disk,
    dir: &Path,
    at: &walpb::Snapshot,
    needed: Index,
) -> Result<()> {
    scan_read_only(disk, dir, at, 0)?.check_reaches(needed)
}

fn scan_read_only(
    disk: &dyn Disk,
    dir: &Path,
    at: &walpb::Snapshot,
    entries_bytes_max: u64,
) -> Result<Scan> {
    let names = name::select(disk, dir, Index(at.index))?;
    let mut records = Records::new(open_sources(disk, dir, &names)?, End::MayBeTorn);
    let mut scan = Scan::new(at, entries_bytes_max);
    match scan.run(&mut records) {
        Ok(()) | Err(Error::Torn { .. }) => Ok(scan),
        Err(error) => Err(error),
    }
}

/// The snapshot records of all segments that are not newer than the newest hard state's commit, in
/// file order. A snapshot beyond was announced, but what it stands on may never have been stored.
///
/// # Errors
/// [`Error::NotFound`] without segments; [`Error::Corrupted`], [`Error::Io`].
pub fn valid_snapshot_entries(disk: &dyn Disk, dir: &Path) -> Result<Vec<walpb::Snapshot>> {
    let mut records = records(disk, dir)?;
    let mut snapshots = Vec::new();
    let mut commit = 0;
    loop {
        let record = match records.next() {
            Ok(Some(record)) => record,
            Ok(None) | Err(Error::Torn { .. }) => break,
            Err(error) => return Err(error),
        };
        match record.kind {
            Kind::Snapshot => snapshots.push(
                walpb::Snapshot::decode(record.data)
                    .map_err(|error| undecoded(&records, "snapshot", &error))?,
            ),
            Kind::State => {
                commit = HardState::decode(record.data)
                    .map_err(|error| undecoded(&records, "state", &error))?
                    .commit;
            }
            Kind::Metadata | Kind::Entry | Kind::Crc => {}
        }
    }
    snapshots.retain(|snapshot| snapshot.index <= commit);
    Ok(snapshots)
}

/// All records of all segments, for tools.
///
/// # Errors
/// [`Error::NotFound`] without segments, [`Error::Corrupted`] if one is missing in between,
/// [`Error::Io`].
pub fn records(disk: &dyn Disk, dir: &Path) -> Result<Records> {
    let names = name::list(disk, dir)?;
    if names.is_empty() {
        return Err(Error::not_found(dir, Index(0)));
    }
    name::check_sequence(dir, &names)?;
    Ok(Records::new(open_sources(disk, dir, &names)?, End::MayBeTorn))
}
