//! Crashes at every write and every sync: what was acknowledged is there afterwards, in order.
//!
//! `WAL_CRASH_SEEDS` sets the number of workloads (default 6).

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use env::{Disk, RealClock, Rng, SeededRng};
use proto::raftpb::{ConfState, Entry, HardState};
use proto::walpb::Snapshot;
use simenv::{Crash, SimDisk};
use wal::{Contents, Error, Options, Sync, Wal};

const DIR: &str = "/data/wal";
const METADATA: &[u8] = b"node and cluster";

fn seeds() -> u64 {
    std::env::var("WAL_CRASH_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

fn options() -> Options {
    Options { segment_bytes: 4096, ..Options::new(Arc::new(RealClock::new())) }
}

/// A disk with a durable directory for the log's own to be made in.
fn data_disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.put_dir(Path::new("/data"));
    disk
}

/// The log as it should be read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Model {
    entries: Vec<Entry>,
    hard_state: HardState,
}

impl Model {
    fn push(&mut self, entry: &Entry) {
        self.entries.truncate(entry.index as usize - 1);
        self.entries.push(entry.clone());
    }

    fn is(&self, contents: &Contents) -> bool {
        self.entries == contents.entries && self.hard_state == contents.hard_state
    }
}

/// A log on a disk, and its model after each record.
struct Workload {
    disk: SimDisk,
    wal: Option<Wal>,
    /// The model after each record appended, from none on.
    steps: Vec<Model>,
}

impl Workload {
    fn start() -> Self {
        let disk = data_disk();
        let wal = Wal::create(Arc::new(disk.clone()), Path::new(DIR), METADATA, options())
            .expect("create");
        disk.mark(0);
        Self { disk, wal: Some(wal), steps: vec![Model::default()] }
    }

    fn newest(&self) -> Model {
        self.steps.last().expect("never empty").clone()
    }

    fn wal(&mut self) -> &mut Wal {
        self.wal.as_mut().expect("it is only away while it is opened again")
    }

    /// The process ends, but not the machine. What was flushed is there, and since it is read now,
    /// it may no longer go away.
    fn restart(&mut self) {
        self.wal = None;
        let newest = self.steps.len() - 1;
        self.wal = Some(reopen(&self.disk, &self.steps, newest, "after a restart").0);
        self.disk.mark(newest as u64);
    }

    /// Appends random records and flushes; afterwards notes what is acknowledged.
    fn step(&mut self, rng: &mut SeededRng) {
        let mut model = self.newest();
        for _ in 0..=rng.below(3) {
            let (entries, state) = random_records(rng, &model);
            for entry in &entries {
                model.push(entry);
                self.steps.push(model.clone());
            }
            if let Some(state) = state {
                model.hard_state = state;
                self.steps.push(model.clone());
            }
            self.wal().append(state, &entries).expect("append");
        }
        if rng.below(4) == 0
            && let Some(job) = self.wal().prepare()
        {
            self.wal().accept(job.run()).expect("prepare a segment");
        }
        let last = model.entries.len() as u64;
        let done = match rng.below(6) {
            0 => self.wal().flush(Sync::Required),
            1 if last > 0 => {
                let conf_state = Some(ConfState { voters: vec![1], ..ConfState::default() });
                let index = rng.below(last) + 1;
                let term = model.entries[index as usize - 1].term;
                self.wal().save_snapshot(&Snapshot { index, term, conf_state })
            }
            _ => self.wal().flush(Sync::Skippable),
        };
        if !done.expect("flush").syncs.is_empty() {
            self.disk.mark(self.steps.len() as u64 - 1);
        }
        if rng.below(12) == 0 {
            self.restart();
        }
    }
}

/// Entries that may step back behind the commit index, and a hard state.
fn random_records(rng: &mut SeededRng, model: &Model) -> (Vec<Entry>, Option<HardState>) {
    let old = model.hard_state;
    let last = model.entries.len() as u64;
    let new_term = rng.below(5) == 0;
    let term = old.term.max(1) + u64::from(new_term);
    let back = if new_term { rng.below(last - old.commit + 1) } else { 0 };
    let mut entries = Vec::new();
    for offset in 0..rng.below(4) {
        let len = if rng.below(10) == 0 { 10_000 } else { rng.below(900) };
        let mut data = vec![0; len as usize];
        rng.fill(&mut data);
        // Zeros inside an entry must not be taken for a sector that was never written.
        if rng.below(4) == 0 {
            data.fill(0);
        }
        let index = last - back + 1 + offset;
        entries.push(Entry { term, index, data: Bytes::from(data), ..Entry::default() });
    }
    let end = if entries.is_empty() { last } else { last - back + entries.len() as u64 };
    let commit = old.commit + rng.below(end - old.commit + 1);
    let vote = if new_term { rng.below(3) } else { old.vote };
    let state = HardState { term, vote, commit };
    (entries, (rng.below(3) > 0 && state != old).then_some(state))
}

/// Opens the log after a crash: exactly the records up to some point must be there, and that point
/// is not before the last acknowledged one.
fn reopen(disk: &SimDisk, steps: &[Model], acknowledged: usize, what: &str) -> (Wal, usize) {
    let at = Snapshot::default();
    let opened = Wal::recover(Arc::new(disk.clone()), Path::new(DIR), &at, options());
    let (wal, contents, _) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(contents.metadata, METADATA, "{what}");
    let found = (acknowledged..steps.len()).find(|at| steps[*at].is(&contents));
    let found = found.unwrap_or_else(|| {
        panic!(
            "{what}: read {} entries and {:?}; acknowledged were {} and {:?}",
            contents.entries.len(),
            contents.hard_state,
            steps[acknowledged].entries.len(),
            steps[acknowledged].hard_state
        )
    });
    (wal, found)
}

/// Nothing unsynced, everything, and some by chance.
fn images(crash: &Crash, sampled: usize, rng: &mut SeededRng) -> Vec<SimDisk> {
    let mut images = vec![crash.nothing(), crash.everything()];
    images.extend((0..sampled).map(|_| crash.sampled(rng)));
    images
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_any_point() {
    let mut crashes = 0;
    for seed in 0..seeds() {
        let mut rng = SeededRng::new(seed);
        let mut work = Workload::start();
        for _ in 0..25 {
            work.step(&mut rng);
        }
        for (count, crash) in work.disk.crashes().enumerate() {
            for (number, disk) in images(&crash, 3, &mut rng).into_iter().enumerate() {
                let what = format!("seed {seed}, crash behind operation {count}, image {number}");
                crashes += 1;
                if crash.mark().is_none() && !wal::exists(&disk, Path::new(DIR)).expect("look") {
                    continue;
                }
                let acknowledged = crash.mark().unwrap_or(0) as usize;
                let (wal, found) = reopen(&disk, &work.steps, acknowledged, &what);
                if number > 1 && rng.below(8) == 0 {
                    go_on(wal, &disk, &work.steps[found], &mut rng, &what);
                }
            }
        }
    }
    println!("{crashes} crashes");
}

/// Works on with a recovered log, and lets it crash again.
fn go_on(wal: Wal, disk: &SimDisk, from: &Model, rng: &mut SeededRng, what: &str) {
    disk.mark(0);
    let mut work = Workload { disk: disk.clone(), wal: Some(wal), steps: vec![from.clone()] };
    for _ in 0..3 {
        work.step(rng);
    }
    for _ in 0..4 {
        let count = rng.below(work.disk.operations() as u64 + 1) as usize;
        let crash = work.disk.crash(count);
        let again = crash.sampled(rng);
        // Before the note, opening had not finished: nothing more can be said than that the log is
        // still there.
        if let Some(mark) = crash.mark() {
            let what = format!("{what}, then behind {count}");
            reopen(&again, &work.steps, mark as usize, &what);
        }
    }
}

/// Each operation fails once, with each kind of error; whatever the answer was, it holds.
#[test]
fn a_failing_disk_loses_nothing_acknowledged_and_is_not_asked_again() {
    for (seed, kind) in [(1, std::io::ErrorKind::StorageFull), (2, std::io::ErrorKind::Other)] {
        let length = {
            let mut rng = SeededRng::new(seed);
            let mut work = Workload::start();
            let before = work.disk.operations();
            (0..12).for_each(|_| work.step(&mut rng));
            work.disk.operations() - before
        };
        for at in 0..length {
            fail_at(seed, at, kind);
        }
    }
}

fn fail_at(seed: u64, at: usize, kind: std::io::ErrorKind) {
    let what = format!("seed {seed}, {kind:?} at operation {at}");
    let mut rng = SeededRng::new(seed);
    let mut work = Workload::start();
    work.disk.fail_after(at as u64, kind);
    let mut acknowledged = work.newest();
    while work.disk.fails() {
        let before = work.steps.len();
        let outcome = try_step(&mut work, &mut rng);
        match outcome {
            Ok(true) => acknowledged = work.newest(),
            Ok(false) => {}
            Err(error) => {
                let typed = matches!(
                    (kind, &error),
                    (std::io::ErrorKind::StorageFull, Error::DiskFull { .. })
                        | (std::io::ErrorKind::Other, Error::Io { .. })
                );
                assert!(typed, "{what}: {error}");
                work.steps.truncate(work.steps.len().max(before));
                let ops = work.disk.operations();
                let again = work.wal().flush(Sync::Required);
                assert!(matches!(again, Err(Error::Poisoned)), "{what}");
                assert!(matches!(work.wal().append(None, &[]), Err(Error::Poisoned)), "{what}");
                assert_eq!(work.disk.operations(), ops, "{what}: the disk was touched again");
            }
        }
    }
    let Workload { disk, wal, steps } = work;
    drop(wal);
    let at = steps.iter().rposition(|step| *step == acknowledged).expect("it is one of them");
    let (mut wal, found) = reopen(&disk, &steps, at, &what);
    // What was read counts as stored from then on, like what is acknowledged behind it.
    let mut model = steps[found].clone();
    let (term, index) = (model.hard_state.term, model.entries.len() as u64 + 1);
    let entry = Entry { term, index, ..Entry::default() };
    model.push(&entry);
    wal.append(None, &[entry]).expect("append");
    wal.flush(Sync::Skippable).expect("flush");
    drop(wal);
    let after = disk.crash(disk.operations()).nothing();
    reopen(&after, &[model], 0, &format!("{what}, then a power cut"));
}

/// After a failed sync the system shows records that it will never write: nobody may go on behind
/// them.
#[test]
fn a_log_does_not_go_on_behind_what_a_failed_sync_lost() {
    let mut kept = [0, 0];
    for seed in 0..20 {
        let disk = data_disk();
        disk.set_seed(seed);
        let open = || Wal::create(Arc::new(disk.clone()), Path::new(DIR), METADATA, options());
        let mut wal = open().expect("create");
        let entry = |index, len: usize| Entry {
            term: 1,
            index,
            data: Bytes::from(vec![index as u8; len]),
            ..Entry::default()
        };
        wal.append(None, &[entry(1, 10)]).expect("append");
        wal.flush(Sync::Required).expect("flush");
        disk.fail_after(1, std::io::ErrorKind::Other);
        wal.append(None, &[entry(2, 700)]).expect("append");
        assert!(matches!(wal.flush(Sync::Required), Err(Error::Io { .. })));
        drop(wal);

        let at = Snapshot::default();
        let opened = Wal::recover(Arc::new(disk.clone()), Path::new(DIR), &at, options());
        let (mut wal, contents, _) = opened.expect("open");
        let found = contents.entries.len() as u64;
        wal.append(None, &[entry(found + 1, 20)]).expect("append");
        wal.flush(Sync::Required).expect("flush");
        let after = disk.crash(disk.operations()).nothing();
        let read = wal::read_only(&after, Path::new(DIR), &at).expect("read");
        assert_eq!(read.entries.len() as u64, found + 1, "seed {seed}");
        kept[found as usize - 1] += 1;
    }
    assert!(kept[0] > 0 && kept[1] > 0, "{kept:?}");
}

/// As [`Workload::step`] for one append; whether it was made durable.
fn try_step(work: &mut Workload, rng: &mut SeededRng) -> Result<bool, Error> {
    let mut model = work.newest();
    let (entries, state) = random_records(rng, &model);
    for entry in &entries {
        model.push(entry);
        work.steps.push(model.clone());
    }
    if let Some(state) = state {
        model.hard_state = state;
        work.steps.push(model);
    }
    work.wal().append(state, &entries)?;
    Ok(!work.wal().flush(Sync::Required)?.syncs.is_empty())
}

/// Creation fails at each operation: there is no log then, or one that opens.
#[test]
fn a_failing_disk_leaves_no_half_log() {
    for kind in [std::io::ErrorKind::StorageFull, std::io::ErrorKind::Other] {
        for at in 0.. {
            let disk = data_disk();
            disk.fail_after(at, kind);
            let created = Wal::create(Arc::new(disk.clone()), Path::new(DIR), METADATA, options());
            if created.is_ok() {
                assert!(disk.fails(), "creation went on over an error at {at}");
                break;
            }
            assert!(!disk.exists(Path::new(DIR)).expect("look"), "{kind:?} at {at}");
            Wal::create(Arc::new(disk), Path::new(DIR), METADATA, options()).expect("try again");
        }
    }
}
