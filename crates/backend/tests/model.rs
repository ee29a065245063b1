//! Random histories against a plain model: what a view, the file and a reopened file hold.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::sync::Arc;

use backend::{
    Backend, CommitJob, Committed, Committer, CompactionStep, Defrag, DefragProgress, Done, Fate,
    Options, Position, TicketId, View,
};
use bytes::Bytes;
use env::{Rng, SeededRng};
use proto::raftpb::ConfState;
use simenv::SimDisk;
use support::state::{Buffer, MODELLED, Records, State, check_committed, rows_of};
use types::{Index, RecordKey, Revision, Term};

const PATH: &str = "/data/member/snap/db";

/// A job's result on its way back to the apply thread, and what the file held after it.
struct Returning {
    done: Done,
    file: State,
    commit: bool,
}

/// A wish for a committed state: which one, and the last entry that has to be in it.
struct Wish {
    id: TicketId,
    index: Index,
}

struct World {
    rng: SeededRng,
    disk: SimDisk,
    backend: Backend,
    committer: Committer,
    active: Buffer,
    frozen: Option<(Buffer, Position)>,
    /// The job made of `frozen`, before the commit thread has it.
    job: Option<CommitJob>,
    prepared: bool,
    /// What the backend knows to be in the file.
    known: State,
    /// What is in the file.
    file: State,
    returning: Vec<Returning>,
    views: Vec<(View, Records)>,
    states: Vec<(Committed, State)>,
    wishes: Vec<Wish>,
    compaction: Option<(CompactionStep, u64)>,
    defrag: Option<Defrag>,
    index: Index,
    revision: i64,
    counts: Counts,
}

/// How often things happened.
#[derive(Clone, Copy, Default)]
struct Counts {
    commits: u32,
    compactions: u32,
    swaps: u32,
    tickets: u32,
}

fn open(disk: &SimDisk) -> (Backend, Committer) {
    let mut options = Options::new(PATH);
    options.batch_operations = 60;
    options.buffer_bytes_max = 64 << 10;
    options.cache_bytes = 256 << 10;
    backend::open(Arc::new(disk.clone()), options).expect("open")
}

impl World {
    fn new(seed: u64) -> Self {
        let disk = support::disk();
        let (backend, committer) = open(&disk);
        Self {
            rng: SeededRng::new(seed),
            disk,
            backend,
            committer,
            active: Buffer::default(),
            frozen: None,
            job: None,
            prepared: false,
            known: State::default(),
            file: State::default(),
            returning: Vec::new(),
            views: Vec::new(),
            states: Vec::new(),
            wishes: Vec::new(),
            compaction: None,
            defrag: None,
            index: Index(0),
            revision: 1,
            counts: Counts::default(),
        }
    }

    fn visible(&self) -> Records {
        let mut records = self.known.records.clone();
        if let Some((frozen, _)) = &self.frozen {
            records.extend(frozen.records.clone());
        }
        records.extend(self.active.records.clone());
        records
    }

    fn value(&mut self) -> Bytes {
        let len = match self.rng.below(30) {
            0 => 9000,
            1 => 0,
            _ => self.rng.below(60),
        };
        let mut bytes = vec![0; len as usize];
        self.rng.fill(&mut bytes);
        bytes.into()
    }

    /// One entry of the log: a transaction of records that may fail, or a row.
    fn apply(&mut self) {
        if self.backend.is_full() {
            return;
        }
        self.index = self.index.next();
        if self.rng.below(4) == 0 {
            return self.apply_row();
        }
        let mark = self.backend.mark();
        let before = self.active.records.clone();
        for sub in 0..=self.rng.below(5) as i64 {
            let tombstone = self.rng.below(4) == 0;
            let key = RecordKey { revision: Revision::new(self.revision + 1, sub), tombstone };
            let value = self.value();
            self.backend.put_record(key, value.clone());
            self.active.records.insert(key, value);
        }
        if self.rng.below(5) == 0 {
            if self.rng.below(2) == 0 {
                self.take_view();
            }
            self.backend.rollback(mark);
            self.active.records = before;
        } else {
            self.revision += 1;
        }
    }

    fn apply_row(&mut self) {
        let bucket = MODELLED[self.rng.below(3) as usize];
        let key = format!("row{}", self.rng.below(12)).into_bytes();
        let value = (self.rng.below(3) > 0).then(|| self.value());
        match &value {
            Some(value) => self.backend.put(bucket, key.clone(), value.clone()),
            None => self.backend.delete(bucket, key.clone()),
        }
        self.active.rows.insert((bucket, key), value);
    }

    fn take_view(&mut self) {
        if self.views.len() > 6 {
            let oldest = self.rng.below(self.views.len() as u64) as usize;
            self.views.swap_remove(oldest);
        }
        self.views.push((self.backend.view(), self.visible()));
    }

    fn freeze(&mut self) {
        if !self.backend.can_freeze() {
            return;
        }
        let voters = vec![1 + self.index.0 / 40, u64::MAX];
        let learners = vec![2 + self.index.0 / 60];
        let conf_state = ConfState { voters, learners, ..ConfState::default() };
        let conf_state = if self.index.0 == 0 { ConfState::default() } else { conf_state };
        let term = Term(if self.index.0 == 0 { 0 } else { 1 + self.index.0 / 100 });
        let position = Position { index: self.index, term, conf_state };
        let buffer = std::mem::take(&mut self.active);
        self.frozen = Some((buffer, position.clone()));
        self.job = Some(self.backend.freeze(position));
    }

    fn wish(&mut self) {
        if self.wishes.len() < 4 {
            let id = self.backend.freeze_now();
            self.wishes.push(Wish { id, index: self.index });
        }
    }

    /// One thing that the commit thread does.
    fn commit_thread(&mut self) {
        if self.prepared {
            let done = self.committer.finish().expect("finish");
            let (buffer, position) = self.frozen.clone().expect("frozen while prepared");
            self.file.add(&buffer, position);
            self.prepared = false;
            self.counts.commits += 1;
            return self.returning.push(Returning { done, file: self.file.clone(), commit: true });
        }
        if let Some(job) = self.job.take() {
            self.committer.prepare(job).expect("prepare");
            self.prepared = true;
            return;
        }
        match self.rng.below(3) {
            _ if self.compaction.is_some() => self.compact(),
            _ if self.defrag.is_some() => self.defragment(),
            0 => self.compact(),
            1 => self.defragment(),
            _ => {}
        }
    }

    /// A step of a compaction that keeps about every other record.
    fn compact(&mut self) {
        if self.defrag.is_some() {
            return;
        }
        let newest = self.file.records.keys().last().map_or(1, |key| key.revision.main);
        let (step, salt) = match self.compaction.take() {
            Some(running) => running,
            None => {
                let compact_revision = 1 + self.rng.below(newest as u64) as i64;
                let from = Revision::default();
                let step = CompactionStep { from, compact_revision, batch_records: 40 };
                (step, self.rng.next_u64())
            }
        };
        let fate = |key: RecordKey| {
            let mut rng = SeededRng::new(salt ^ (key.revision.main * 16 + key.revision.sub) as u64);
            if rng.below(2) == 0 { Fate::Keep } else { Fate::Delete }
        };
        let mut seen = Vec::new();
        let compacted = self
            .committer
            .compact(&step, |key, value| {
                seen.push((key, Bytes::copy_from_slice(value)));
                Ok(fate(key))
            })
            .expect("compact");
        let within = |key: &RecordKey| {
            key.revision >= step.from && key.revision.main <= step.compact_revision
        };
        let expected: Vec<(RecordKey, Bytes)> = (self.file.records.iter())
            .filter(|(key, _)| within(key))
            .take(step.batch_records)
            .map(|(key, value)| (*key, value.clone()))
            .collect();
        assert_eq!(seen, expected);
        let doomed = seen.iter().filter(|(key, _)| fate(*key) == Fate::Delete);
        let deleted = doomed.map(|(key, _)| self.file.records.remove(key)).count();
        assert_eq!((compacted.visited, compacted.deleted), (seen.len(), deleted));
        match compacted.next {
            Some(from) => self.compaction = Some((CompactionStep { from, ..step }, salt)),
            None => {
                self.counts.compactions += 1;
                self.file.set_finished(step.compact_revision);
            }
        }
        let file = self.file.clone();
        self.returning.push(Returning { done: compacted.done, file, commit: false });
    }

    /// A step of a defragmentation.
    fn defragment(&mut self) {
        let Some(mut defrag) = self.defrag.take() else {
            if self.compaction.is_none() {
                self.defrag = Some(self.committer.start_defrag().expect("start"));
            }
            return;
        };
        match defrag.step().expect("copy") {
            DefragProgress::More => self.defrag = Some(defrag),
            DefragProgress::Copied if self.rng.below(2) == 0 => {
                defrag.catch_up(self.committer.state()).expect("catch up");
                self.defrag = Some(defrag);
            }
            DefragProgress::Copied => {
                self.counts.swaps += 1;
                let before = self.committer.state().generation();
                let done = self.committer.finish_defrag(defrag).expect("swap");
                assert_eq!(done.state().generation(), before.next());
                let file = self.file.clone();
                self.returning.push(Returning { done, file, commit: false });
            }
        }
    }

    /// The apply thread takes a result.
    fn take_result(&mut self) {
        if self.returning.is_empty() {
            return;
        }
        let Returning { done, file, commit } = self.returning.remove(0);
        let tickets = self.backend.committed(done);
        if commit {
            self.frozen = None;
        }
        self.known = file;
        for ticket in tickets {
            self.counts.tickets += 1;
            let place = self.wishes.iter().position(|wish| wish.id == ticket.id).expect("a wish");
            let wish = self.wishes.remove(place);
            assert_eq!(ticket.state.position(), &self.known.position);
            assert!(ticket.state.position().index >= wish.index);
            self.keep_state(ticket.state);
        }
        if self.rng.below(4) == 0 {
            self.keep_state(self.backend.last_committed().clone());
        }
    }

    fn keep_state(&mut self, state: Committed) {
        if self.states.len() > 3 {
            self.states.remove(0);
        }
        self.states.push((state, self.known.clone()));
    }

    fn check(&mut self) {
        let now = (self.backend.view(), self.visible());
        check_view(&now.0, &now.1, &mut self.rng);
        for (view, records) in &self.views {
            check_view(view, records, &mut self.rng);
        }
        for (committed, state) in &self.states {
            check_committed(committed, state);
        }
        let mut rows = self.known.clone();
        for buffer in self.frozen.iter().map(|(buffer, _)| buffer).chain([&self.active]) {
            rows.add(buffer, Position::default());
        }
        for bucket in MODELLED {
            assert_eq!(self.backend.rows(bucket).unwrap(), rows_of(&rows.rows, bucket));
            let key = b"row3".to_vec();
            let expected = rows.rows.get(&(bucket, key.clone())).cloned();
            assert_eq!(self.backend.get(bucket, &key).unwrap(), expected);
        }
    }

    fn end(self) -> (SeededRng, SimDisk, State, Counts) {
        (self.rng, self.disk, self.file, self.counts)
    }

    /// Ends without a word, by the power's loss or not, and starts again: what was not finished is
    /// gone.
    fn restart(self) -> Self {
        let (mut rng, mut disk, file, counts) = self.end();
        if rng.below(2) == 0 {
            disk = disk.crash(disk.operations()).sampled(&mut rng);
        }
        let (backend, committer) = open(&disk);
        assert_eq!(disk.files(), [Path::new(PATH)]);
        check_committed(backend.last_committed(), &file);
        let index = file.position.index;
        let revision = file.records.keys().last().map_or(1, |key| key.revision.main);
        let fresh = Self { rng, disk, backend, committer, ..Self::new(0) };
        Self { known: file.clone(), file, index, revision, counts, ..fresh }
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..=39 => self.apply(),
            40..=44 => self.take_view(),
            45..=51 => self.freeze(),
            52..=53 => self.wish(),
            54..=83 => self.commit_thread(),
            84..=96 => self.take_result(),
            _ => {
                if self.backend.is_commit_due() {
                    self.freeze();
                }
            }
        }
    }
}

fn check_view(view: &View, expected: &Records, rng: &mut SeededRng) {
    let end = Revision::new(i64::MAX, 0);
    let all: Vec<(RecordKey, Bytes)> =
        view.records(Revision::default(), end).map(|record| record.unwrap()).collect();
    let pairs = |from: Revision, to: Revision| {
        let within = move |key: &RecordKey| from <= key.revision && key.revision < to;
        expected
            .iter()
            .filter(move |(key, _)| within(key))
            .map(|(key, value)| (*key, value.clone()))
    };
    assert!(all.iter().cloned().eq(pairs(Revision::default(), end)));
    assert_eq!(view.last().unwrap(), expected.keys().last().copied());
    let newest = expected.keys().last().map_or(1, |key| key.revision.main) as u64;
    let from = Revision::new(rng.below(newest + 2) as i64, rng.below(2) as i64);
    let to = Revision::new(from.main + rng.below(50) as i64, rng.below(2) as i64);
    let part: Vec<(RecordKey, Bytes)> =
        view.records(from, to).map(|record| record.unwrap()).collect();
    assert!(part.into_iter().eq(pairs(from, to)), "{from:?} to {to:?}");
    let mut wanted: Vec<Revision> =
        (0..20).map(|_| Revision::new(rng.below(newest + 2) as i64, rng.below(4) as i64)).collect();
    wanted.sort_unstable();
    let put = |revision| expected.get(&RecordKey { revision, tombstone: false }).cloned();
    for (revision, found) in wanted.iter().zip(view.fetch(&wanted)) {
        assert_eq!(found.unwrap(), put(*revision), "{revision:?}");
        assert_eq!(view.record(*revision).unwrap(), put(*revision), "{revision:?}");
        let tombstone = RecordKey { revision: *revision, tombstone: true };
        assert_eq!(view.record_by_key(tombstone).unwrap(), expected.get(&tombstone).cloned());
    }
}

#[test]
fn views_and_files_agree_with_a_model() {
    let seeds: u32 = std::env::var("OXETCD_TEST_SEEDS").map_or(6, |seeds| seeds.parse().unwrap());
    let mut totals = [0; 4];
    for seed in 0..u64::from(seeds) {
        println!("seed {seed}");
        let mut world = World::new(seed);
        for step in 0..1500 {
            world.step();
            if step % 50 == 0 {
                world.check();
            }
            if step % 400 == 399 {
                world = world.restart();
            }
        }
        let Counts { commits, compactions, swaps, tickets } = world.counts;
        for (total, count) in totals.iter_mut().zip([commits, compactions, swaps, tickets]) {
            *total += count;
        }
    }
    // Histories without them would show nothing.
    let often = totals.iter().all(|total| *total > 4 * seeds);
    assert!(often, "commits, compactions, swaps, tickets: {totals:?} in {seeds} histories");
}
