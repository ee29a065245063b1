//! Power lost or the disk failing at every change of the file that a workload makes.

mod support;

use std::io;
use std::path::Path;
use std::sync::Arc;

use backend::{
    Backend, Bucket, CommitJob, Committer, CompactionStep, DefragProgress, Error, Fate, Options,
    Position, Result,
};
use bytes::Bytes;
use env::{Rng, SeededRng};
use proto::raftpb::ConfState;
use simenv::{Fault, Operation, SimDisk};
use support::state::{Buffer, State, check_committed};
use types::{Index, RecordKey, Revision, Term};

const PATH: &str = "/data/member/snap/db";

/// A node that works until something fails, and what its file may hold after.
struct Node {
    backend: Backend,
    committer: Committer,
    rng: SeededRng,
    /// What is durable.
    file: State,
    /// What becomes durable by the operation that is running, if it gets so far.
    next: Option<State>,
    /// Both, at each mark on the disk.
    history: Vec<[Option<State>; 2]>,
    disk: SimDisk,
    revision: i64,
}

fn open(disk: &SimDisk) -> Result<(Backend, Committer)> {
    let mut options = Options::new(PATH);
    options.cache_bytes = 256 << 10;
    backend::open(Arc::new(disk.clone()), options)
}

impl Node {
    fn start(disk: SimDisk, seed: u64) -> Result<Self> {
        let (backend, committer) = open(&disk)?;
        let rng = SeededRng::new(seed);
        let (file, next, revision) = (State::default(), None, 1);
        let history = Vec::new();
        Ok(Self { backend, committer, rng, file, next, history, disk, revision })
    }

    /// Something is going to become durable.
    fn may_become(&mut self, next: State) {
        self.next = Some(next);
        self.mark();
    }

    /// It is durable.
    fn has_become(&mut self) {
        self.file = self.next.take().expect("what was written");
        self.mark();
    }

    fn mark(&mut self) {
        self.disk.mark(self.history.len() as u64);
        self.history.push([Some(self.file.clone()), self.next.clone()]);
    }

    /// Applies some entries and freezes them.
    fn write(&mut self) -> CommitJob {
        let mut buffer = Buffer::default();
        for _ in 0..20 + self.rng.below(60) {
            self.revision += 1;
            let revision = Revision::new(self.revision, 0);
            let key = RecordKey { revision, tombstone: self.rng.below(5) == 0 };
            let mut value = vec![0; self.rng.below(300) as usize];
            self.rng.fill(&mut value);
            self.backend.put_record(key, value.clone().into());
            buffer.records.insert(key, value.into());
        }
        let row = vec![b'a' + self.rng.below(5) as u8];
        let value = Bytes::from(self.revision.to_string());
        self.backend.put(Bucket::Lease, row.clone(), value.clone());
        buffer.rows.insert((Bucket::Lease, row), Some(value));
        let conf_state = ConfState { voters: vec![self.revision as u64], ..ConfState::default() };
        let position = Position { index: Index(self.revision as u64), term: Term(1), conf_state };
        let mut next = self.file.clone();
        next.add(&buffer, position.clone());
        self.may_become(next);
        self.backend.freeze(position)
    }

    fn commit(&mut self) -> Result<()> {
        let job = self.write();
        self.committer.prepare(job)?;
        let done = self.committer.finish()?;
        self.has_become();
        self.backend.committed(done);
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        let compact_revision = self.revision - 10;
        let mut from = Some(Revision::default());
        while let Some(start) = from {
            let step = CompactionStep { from: start, compact_revision, batch_records: 50 };
            let mut next = self.file.clone();
            let visited: Vec<RecordKey> = (self.file.records.keys().copied())
                .filter(|key| key.revision >= start && key.revision.main <= compact_revision)
                .collect();
            for key in visited.iter().take(50).filter(|key| key.revision.main % 3 > 0) {
                next.records.remove(key);
            }
            if visited.len() <= 50 {
                next.set_finished(compact_revision);
            }
            self.may_become(next);
            let compacted = self.committer.compact(&step, |key, _| {
                Ok(if key.revision.main % 3 > 0 { Fate::Delete } else { Fate::Keep })
            })?;
            self.has_become();
            from = compacted.next;
            self.backend.committed(compacted.done);
        }
        Ok(())
    }

    fn defragment(&mut self) -> Result<()> {
        let mut defrag = self.committer.start_defrag()?;
        defrag.step()?;
        self.commit()?;
        defrag.catch_up(self.committer.state())?;
        self.commit()?;
        while defrag.step()? == DefragProgress::More {}
        let done = self.committer.finish_defrag(defrag)?;
        self.backend.committed(done);
        Ok(())
    }

    fn work(&mut self) -> Result<()> {
        self.commit()?;
        self.commit()?;
        self.compact()?;
        self.commit()?;
        self.defragment()?;
        self.commit()
    }
}

#[test]
fn a_power_loss_leaves_the_state_before_or_after() {
    let disk = support::disk();
    let mut node = Node::start(disk.clone(), 7).expect("start");
    node.work().expect("work");
    assert!(disk.operations() > 50, "the workload made only {} changes", disk.operations());
    let mut rng = SeededRng::new(7);
    for (at, crash) in disk.crashes().enumerate() {
        for loss in [crash.nothing(), crash.everything(), crash.sampled(&mut rng)] {
            let (backend, mut committer) = open(&loss).expect("open after the power loss");
            let found = State::read(backend.last_committed());
            let known = match crash.mark() {
                Some(mark) => node.history[mark as usize].iter().flatten().any(|s| *s == found),
                None => found == State::default(),
            };
            assert!(known, "change {at}: found {:?}", found.position);
            assert_eq!(loss.files(), [Path::new(PATH)], "change {at}");
            check_goes_on(backend, &mut committer, found);
        }
    }
}

/// After a restart the file takes a commit and keeps it.
fn check_goes_on(mut backend: Backend, committer: &mut Committer, found: State) {
    let revision = Revision::new(1_000_000, 0);
    let key = RecordKey { revision, tombstone: false };
    backend.put_record(key, Bytes::from_static(b"later"));
    let mut expected = found;
    let conf_state = ConfState { voters: vec![3], ..ConfState::default() };
    expected.position = Position { index: Index(1_000_000), term: Term(2), conf_state };
    expected.records.insert(key, Bytes::from_static(b"later"));
    committer.prepare(backend.freeze(expected.position.clone())).expect("prepare");
    let done = committer.finish().expect("finish");
    backend.committed(done);
    check_committed(backend.last_committed(), &expected);
}

/// What a power loss now may leave.
fn now(disk: &SimDisk, seed: u64) -> SimDisk {
    disk.crash(disk.operations()).sampled(&mut SeededRng::new(seed))
}

#[test]
fn between_the_halves_of_a_commit_the_file_is_as_before() {
    for seed in 0..20 {
        let disk = support::disk();
        let mut node = Node::start(disk.clone(), seed).expect("start");
        node.commit().expect("commit");
        let job = node.write();
        node.committer.prepare(job).expect("prepare");
        let (backend, _) = open(&now(&disk, seed)).expect("open");
        check_committed(backend.last_committed(), &node.file);
        node.committer.finish().expect("finish");
        let (backend, _) = open(&now(&disk, seed)).expect("open");
        check_committed(backend.last_committed(), &node.next.expect("what was written"));
    }
}

#[test]
fn after_a_failed_write_nothing_more_is_written() {
    for operation in [Operation::Write, Operation::Sync] {
        let disk = support::disk();
        let mut node = Node::start(disk.clone(), 1).expect("start");
        node.commit().expect("commit");
        disk.set_fault(move |found, _| {
            (found == operation).then_some(Fault::Error(io::ErrorKind::StorageFull))
        });
        assert!(node.commit().is_err());
        disk.clear_fault();
        let before = disk.operations();
        let key = RecordKey { revision: Revision::new(1_000_000, 0), tombstone: false };
        let (mut other, _) = open(&now(&disk, 1)).expect("open");
        other.put_record(key, Bytes::new());
        let job = other.freeze(Position { index: Index(1_000_000), ..Position::default() });
        let again = node.committer.prepare(job).and_then(|()| node.committer.finish());
        assert!(again.is_err(), "{operation:?}");
        assert_eq!(disk.operations(), before, "{operation:?}");
    }
}

#[test]
fn a_failed_defragmentation_leaves_the_file_in_use() {
    let reference = {
        let mut node = Node::start(support::disk(), 3).expect("start");
        node.commit().expect("commit");
        node.file
    };
    for fail_at in 1.. {
        let disk = support::disk();
        let mut node = Node::start(disk.clone(), 3).expect("start");
        node.commit().expect("commit");
        let mut count = 0;
        disk.set_fault(move |operation, path| {
            let copy = path.to_string_lossy().contains("db.tmp.") || operation == Operation::Rename;
            count += u64::from(copy);
            (copy && count == fail_at).then_some(Fault::Error(io::ErrorKind::StorageFull))
        });
        let result = node.defragment_once();
        disk.clear_fault();
        match result {
            Ok(()) => {
                assert!(fail_at > 5, "a defragmentation made only {fail_at} changes");
                return;
            }
            Err(Error::Defrag(_)) => {}
            Err(other) => panic!("change {fail_at}: {other}"),
        }
        assert_eq!(disk.files(), [Path::new(PATH)], "change {fail_at}");
        check_committed(node.committer.state(), &reference);
        node.commit().expect("commit after the failure");
        node.defragment_once().expect("defragment after the failure");
        check_committed(node.committer.state(), &node.file);
    }
}

impl Node {
    fn defragment_once(&mut self) -> Result<()> {
        let mut defrag = self.committer.start_defrag()?;
        while defrag.step()? == DefragProgress::More {}
        let done = self.committer.finish_defrag(defrag)?;
        self.backend.committed(done);
        Ok(())
    }
}
