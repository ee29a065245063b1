//! A log on a real disk: what is synced when, segments, locks, release and purge, reading back.

#[path = "support/place.rs"]
mod place;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, File, OpenMode, RealDisk, Rng, SeededRng};
use place::{Place, SEGMENT_BYTES, entry, options, put, records};
use proto::raftpb::{ConfState, Entry, HardState};
use proto::walpb::Snapshot;
use types::{Index, Term};
use wal::{Contents, Durability, Error, Fill, Options, Sync, Wal};

fn state(term: u64, vote: u64, commit: u64) -> HardState {
    HardState { term, vote, commit }
}

fn snapshot(index: u64, term: u64) -> Snapshot {
    let conf_state = Some(ConfState { voters: vec![1], ..ConfState::default() });
    Snapshot { index, term, conf_state }
}

/// The real disk, on which no more room can be reserved.
struct FullDisk;

struct FullFile(Arc<dyn File>);

impl Disk for FullDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(FullFile(RealDisk.open(path, mode)?)))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir_all(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<env::DirEntry>> {
        RealDisk.list(dir)
    }
    fn metadata(&self, path: &Path) -> io::Result<env::Metadata> {
        RealDisk.metadata(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }
}

impl File for FullFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_vectored_at(&self, buffers: &[io::IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.0.write_vectored_at(buffers, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn allocate(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn try_lock(&self, lock: env::Lock) -> io::Result<bool> {
        self.0.try_lock(lock)
    }
}

/// A full disk is no reason not to start: what is there can be read, and a little may still fit.
#[test]
fn a_log_opens_on_a_full_disk() {
    let place = Place::new("full");
    let mut wal = place.create();
    put(&mut wal, entry(1, 1, 10));
    drop(wal);
    let (file, _) = records(&place);
    fs::OpenOptions::new().write(true).open(file).expect("open").set_len(600).expect("cut");
    let (mut wal, contents) =
        Wal::open(Arc::new(FullDisk), &place.wal(), &Snapshot::default(), options()).expect("open");
    assert_eq!(contents.entries, [entry(1, 1, 10)]);
    put(&mut wal, entry(2, 1, 10));
    drop(wal);
    assert_eq!(place.open().expect("open").1.entries.len(), 2);
}

#[test]
fn the_log_and_its_jobs_go_to_other_threads() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Wal>();
    is_send::<wal::PrepareJob>();
    is_send::<wal::Prepared>();
    is_send::<wal::ReadJob>();
}

#[test]
fn only_what_raft_needs_is_synced_unless_asked_for() {
    let place = Place::new("sync");
    let mut wal = place.create();
    let mut syncs = |state: Option<HardState>, entries: &[Entry], sync: Sync| {
        wal.append(state, entries).expect("append");
        wal.flush(sync).expect("flush").syncs.len()
    };
    assert_eq!(syncs(None, &[], Sync::Required), 0, "there is nothing to sync");
    assert_eq!(syncs(None, &[entry(1, 1, 9)], Sync::Skippable), 1, "an entry");
    assert_eq!(syncs(Some(state(1, 0, 0)), &[], Sync::Skippable), 1, "a term");
    assert_eq!(syncs(Some(state(1, 7, 0)), &[], Sync::Skippable), 1, "a vote");
    assert_eq!(syncs(Some(state(1, 7, 1)), &[], Sync::Skippable), 0, "a commit index");
    assert_eq!(syncs(None, &[], Sync::Required), 1, "what was written before");
    assert_eq!(syncs(Some(state(1, 7, 1)), &[], Sync::Required), 1, "a commit index, on demand");
    assert_eq!(syncs(Some(state(0, 0, 0)), &[], Sync::Required), 0, "an empty state is none");
}

#[test]
fn many_appends_are_one_write_and_one_sync() {
    let place = Place::new("group");
    let mut wal = place.create();
    for index in 1..=40 {
        wal.append(Some(state(1, 7, index - 1)), &[entry(index, 1, 20)]).expect("append");
    }
    let done = wal.flush(Sync::Skippable).expect("flush");
    assert_eq!(done.syncs.len(), 1);
    assert_eq!(done.new_segment, None);
    drop(wal);
    let (_wal, contents) = place.open().expect("open");
    assert_eq!(contents.entries.len(), 40);
    assert_eq!(contents.hard_state, state(1, 7, 39));
}

#[test]
fn without_syncs_everything_is_still_written() {
    let place = Place::new("unsafe");
    let options = Options { durability: Durability::UnsafeNoSync, ..options() };
    let mut wal = Wal::create(Arc::new(RealDisk), &place.wal(), b"meta", options).expect("create");
    for index in 1..=20 {
        wal.append(Some(state(1, 7, index)), &[entry(index, 1, 1000)]).expect("append");
        assert_eq!(wal.flush(Sync::Required).expect("flush").syncs, []);
    }
    // The process is gone without another word.
    drop(wal);
    assert_eq!(place.open().expect("open").1.entries.len(), 20);
}

#[test]
fn a_full_segment_is_cut_and_the_next_one_named_by_the_next_index() {
    let place = Place::new("cut");
    let mut wal = place.create();
    wal.append(Some(state(1, 7, 0)), &[entry(1, 1, 5000)]).expect("append");
    wal.flush(Sync::Skippable).expect("flush");
    wal.append(None, &[entry(2, 1, 5001)]).expect("append");
    let done = wal.flush(Sync::Skippable).expect("flush");
    let new = "0000000000000001-0000000000000003.wal";
    assert_eq!(done.new_segment, Some(place.wal().join(new)));
    assert_eq!(place.names(), ["0000000000000000-0000000000000000.wal", new]);
    let len = |name: &str| fs::metadata(place.wal().join(name)).expect("stat").len();
    let finished = len("0000000000000000-0000000000000000.wal");
    assert!((10_001..10_200).contains(&finished), "{finished}: no tail of zeros");
    assert_eq!(len(new), SEGMENT_BYTES);

    // A new segment begins with the state, so nobody has to read the one before to know it.
    put(&mut wal, entry(3, 1, 10));
    wal.save_snapshot(&snapshot(2, 1)).expect("save");
    drop(wal);
    let at = snapshot(2, 1);
    let (_wal, contents) =
        Wal::open(Arc::new(RealDisk), &place.wal(), &at, options()).expect("open");
    assert_eq!(contents.entries, [entry(3, 1, 10)]);
    assert_eq!(contents.hard_state, state(1, 7, 0));
    assert_eq!(contents.metadata, "meta");
    assert_eq!((contents.before.index, contents.before.term), (Index(2), Term(1)));
}

#[test]
fn segments_made_ahead_are_used_whenever_they_come() {
    let place = Place::new("ahead");
    for fill in [Fill::Reserve, Fill::Zeros] {
        let _ = fs::remove_dir_all(place.wal());
        let options = Options { fill, ..options() };
        let mut wal =
            Wal::create(Arc::new(RealDisk), &place.wal(), b"meta", options).expect("create");
        let job = wal.prepare().expect("the first job");
        assert!(wal.prepare().is_none(), "one at a time");
        wal.accept(job.run()).expect("prepare");
        assert!(wal.prepare().is_none(), "there is one already");
        assert_eq!(fs::metadata(place.wal().join("0.tmp")).expect("stat").len(), SEGMENT_BYTES);
        put(&mut wal, entry(1, 1, 9000));
        assert!(!place.names().contains(&"0.tmp".to_owned()), "it is a segment now");

        // The job is slower than the log.
        let late = wal.prepare().expect("another job");
        put(&mut wal, entry(2, 1, 9000));
        put(&mut wal, entry(3, 1, 9000));
        wal.accept(late.run()).expect("prepare");
        put(&mut wal, entry(4, 1, 9000));

        // And one that fails.
        let failing = wal.prepare().expect("a third job");
        fs::create_dir(place.wal().join("0.tmp")).expect("stand in its way");
        assert!(matches!(wal.accept(failing.run()), Err(Error::Io { .. })));
        put(&mut wal, entry(5, 1, 9000));
        fs::remove_dir(place.wal().join("0.tmp")).expect("step aside");

        let job = wal.prepare().expect("a fourth job");
        wal.accept(job.run()).expect("prepare");
        wal.close().expect("close");
        assert_eq!(place.names().len(), 6, "an orderly end leaves segments only");
        assert_eq!(place.open().expect("open").1.entries.len(), 5);
    }
}

#[test]
fn remains_of_an_earlier_process_are_no_part_of_a_new_segment() {
    let place = Place::new("remains");
    let mut wal = place.create();
    for name in ["0.tmp", "1.tmp"] {
        fs::write(place.wal().join(name), vec![0xff; 3 * SEGMENT_BYTES as usize]).expect("write");
    }
    let job = wal.prepare().expect("a job");
    wal.accept(job.run()).expect("prepare");
    put(&mut wal, entry(1, 1, 9000));
    put(&mut wal, entry(2, 1, 9000));
    put(&mut wal, entry(3, 1, 1));
    drop(wal);
    fs::write(place.wal().join("0.tmp"), "left behind").expect("write");
    assert_eq!(place.open().expect("open").1.entries.len(), 3);
    assert!(!place.names().contains(&"0.tmp".to_owned()));
}

#[test]
fn a_log_has_one_writer() {
    let place = Place::new("lock");
    let mut wal = place.create();
    put(&mut wal, entry(1, 1, 1));
    assert!(matches!(place.open(), Err(Error::Locked { .. })));
    let created = Wal::create(Arc::new(RealDisk), &place.wal(), b"meta", options());
    assert!(matches!(created, Err(Error::Exists { .. })));
    let read = wal::read_only(&RealDisk, &place.wal(), &Snapshot::default()).expect("read");
    assert_eq!(read.entries.len(), 1, "readers need no lock");
    drop(wal);
    assert!(place.open().is_ok());
}

#[test]
fn released_segments_and_no_others_are_purged() {
    let place = Place::new("purge");
    let mut wal = place.create();
    for index in 1..=8 {
        put(&mut wal, entry(index, 1, 5000));
    }
    // Segments begin at 0, 3, 5, 7 and 9.
    wal.save_snapshot(&snapshot(6, 1)).expect("save");
    let purge = || wal::purge(&RealDisk, &place.wal(), 2).expect("purge").len();
    assert_eq!(purge(), 0, "all are locked");
    wal.release_to(Index(6));
    assert_eq!(place.names().len(), 5);
    assert_eq!(
        purge(),
        2,
        "index 7 is needed, and the segment before it may have what leads to it"
    );
    assert!(matches!(
        wal.read(Index(3), Index(4), u64::MAX),
        Err(Error::Compacted { first: Index(5) })
    ));
    let read = wal.read(Index(5), Index(9), u64::MAX).expect("a job").run().expect("read");
    assert_eq!(read.len(), 4);
    drop(wal);
    let at = snapshot(6, 1);
    let (_wal, contents) =
        Wal::open(Arc::new(RealDisk), &place.wal(), &at, options()).expect("open");
    assert_eq!(contents.entries.len(), 2);
    let beginning = place.open();
    assert!(matches!(beginning, Err(Error::Locked { .. } | Error::NotFound { .. })));
}

#[test]
fn a_reader_keeps_its_segments() {
    let place = Place::new("reader");
    let mut wal = place.create();
    for index in 1..=8 {
        put(&mut wal, entry(index, 1, 5000));
    }
    let job = wal.read(Index(2), Index(4), u64::MAX).expect("a job");
    wal.release_to(Index(9));
    assert_eq!(wal::purge(&RealDisk, &place.wal(), 1).expect("purge"), [] as [PathBuf; 0]);
    assert_eq!(job.run().expect("read"), [entry(2, 1, 5000), entry(3, 1, 5000)]);
    assert_eq!(wal::purge(&RealDisk, &place.wal(), 1).expect("purge").len(), 3);
}

/// Random runs with steps back, over many segments: any range read back is what a plain list has.
#[test]
fn ranges_read_back_as_they_were_written_last() {
    for seed in 0..20 {
        let place = Place::new("ranges");
        let mut rng = SeededRng::new(seed);
        let mut wal = place.create();
        let mut model: Vec<Entry> = Vec::new();
        for _ in 0..60 {
            let back = if rng.below(5) == 0 { rng.below(model.len().min(9) as u64 + 1) } else { 0 };
            model.truncate(model.len() - back as usize);
            let first = model.len() as u64 + 1;
            let term = wal.hard_state().term + back;
            let run: Vec<_> = (first..first + u64::from(back > 0) + rng.below(5))
                .map(|index| entry(index, term.max(1), rng.below(1500) as usize))
                .collect();
            model.extend(run.iter().cloned());
            wal.append(Some(state(term, 1, 0)), &run).expect("append");
            wal.flush(Sync::Skippable).expect("flush");
            if rng.below(15) == 0 {
                drop(wal);
                wal = place.open().expect("open").0;
            }
        }
        for _ in 0..40 {
            let low = rng.below(model.len() as u64 + 1) + 1;
            let high = low + rng.below(30);
            let bytes_max = if rng.below(2) == 0 { u64::MAX } else { rng.below(5000) };
            let read = wal
                .read(Index(low), Index(high), bytes_max)
                .and_then(wal::ReadJob::run)
                .expect("read");
            let end = (high as usize - 1).min(model.len());
            let mut expected = model[low as usize - 1..end.max(low as usize - 1)].to_vec();
            let mut bytes = 0;
            let fits = expected.iter().take_while(|entry| {
                bytes += entry.data.len() as u64;
                bytes <= bytes_max
            });
            let fits = fits.count().max(1);
            expected.truncate(fits);
            assert!(read == expected, "seed {seed}: {low}..{high}, {bytes_max} bytes");
        }
    }
}

#[test]
fn a_log_larger_than_memory_comes_in_parts() {
    let place = Place::new("parts");
    let mut wal = place.create();
    for index in 1..=100 {
        put(&mut wal, entry(index, 1 + index / 30, 1000));
    }
    drop(wal);
    let options = Options { entries_bytes_max: 20_000, ..options() };
    let at = Snapshot::default();
    let opened = Wal::open(Arc::new(RealDisk), &place.wal(), &at, options).expect("open");
    let (wal, contents) = opened;
    assert!((10..20).contains(&contents.entries.len()), "{}", contents.entries.len());
    let before = contents.before;
    assert_eq!(before.term, Term(1 + before.index.0 / 30));
    let mut all: Vec<Entry> = Vec::new();
    while (all.len() as u64) < before.index.0 {
        let next = Index(all.len() as u64 + 1);
        let part = wal.read(next, before.index.next(), 7000).expect("a job").run().expect("read");
        assert!((1..=7).contains(&part.len()));
        all.extend(part);
    }
    all.extend(contents.entries.clone());
    assert!(all.iter().map(|entry| entry.index).eq(1..=100));
    let starts = |contents: &Contents| contents.terms.iter().map(|run| run.index.0).collect();
    let starts_of_terms: Vec<u64> = starts(&contents);
    assert_eq!(starts_of_terms, [0, 1, 30, 60, 90]);

    // What is cut off may be more than is in memory.
    let mut cut = contents.clone();
    cut.truncate(Index(95));
    let last = |contents: &Contents| contents.entries.last().map(|entry| entry.index);
    assert_eq!((last(&cut), cut.before), (Some(95), before));
    cut.truncate(Index(59));
    assert!(cut.entries.is_empty());
    assert_eq!((cut.before.index, cut.before.term), (Index(59), Term(2)));
    let starts_of_terms: Vec<u64> = starts(&cut);
    assert_eq!(starts_of_terms, [0, 1, 30]);
}

#[test]
fn a_snapshot_beyond_the_log_starts_it_anew() {
    let place = Place::new("jump");
    let mut wal = place.create();
    put(&mut wal, entry(1, 1, 10));
    wal.save_snapshot(&snapshot(50, 3)).expect("save");
    wal.append(Some(state(3, 0, 50)), &[entry(51, 3, 10)]).expect("append");
    wal.flush(Sync::Required).expect("flush");
    assert!(matches!(wal.read(Index(1), Index(2), 1), Err(Error::Compacted { first: Index(51) })));
    let read = wal.read(Index(51), Index(52), 1).expect("a job").run().expect("read");
    assert_eq!(read, [entry(51, 3, 10)]);
    drop(wal);
    let beginning = place.open();
    assert!(matches!(beginning, Err(Error::Gap { expected: Index(2), found: Index(51), .. })));
    let at = snapshot(50, 3);
    let (_wal, contents) =
        Wal::open(Arc::new(RealDisk), &place.wal(), &at, options()).expect("open");
    assert_eq!(contents.entries, [entry(51, 3, 10)]);
    let valid = wal::valid_snapshot_entries(&RealDisk, &place.wal()).expect("list");
    assert_eq!(valid, [Snapshot::default(), snapshot(50, 3)]);
}

#[test]
fn a_snapshot_that_was_never_committed_is_not_valid() {
    let place = Place::new("invalid");
    let mut wal = place.create();
    wal.append(Some(state(1, 1, 2)), &[entry(1, 1, 1), entry(2, 1, 1), entry(3, 1, 1)])
        .expect("append");
    wal.save_snapshot(&snapshot(2, 1)).expect("save");
    wal.save_snapshot(&snapshot(3, 1)).expect("save");
    let valid = wal::valid_snapshot_entries(&RealDisk, &place.wal()).expect("list");
    assert_eq!(valid, [Snapshot::default(), snapshot(2, 1)]);
}

#[test]
fn a_snapshot_that_the_log_does_not_know_is_refused() {
    let place = Place::new("unknown");
    let mut wal = place.create();
    put(&mut wal, entry(1, 1, 1));
    wal.save_snapshot(&snapshot(1, 1)).expect("save");
    let verify = |at| wal::verify(&RealDisk, &place.wal(), &at);
    assert!(verify(snapshot(1, 1)).is_ok());
    assert!(matches!(verify(snapshot(1, 2)), Err(Error::SnapshotMismatch)));
    assert!(matches!(verify(snapshot(2, 1)), Err(Error::SnapshotNotFound { index: Index(2), .. })));
}

#[test]
#[should_panic(expected = "leaves a gap")]
fn a_gap_is_never_written() {
    let place = Place::new("gap");
    let _ = place.create().append(None, &[entry(2, 1, 1)]);
}
