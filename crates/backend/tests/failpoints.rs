//! The fail points of etcd's backend stand where their moments come. One test, since the armed
//! points are the whole process's.
#![cfg(feature = "failpoints")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use backend::{Backend, Committer, CompactionStep, Error, Fate, Options, Position, Result};
use bytes::Bytes;
use env::SeededRng;
use env::fail::{disable, enable};
use simenv::SimDisk;
use support::state::State;
use types::{Index, RecordKey, Revision};

const PATH: &str = "/data/member/snap/db";

struct Node {
    disk: SimDisk,
    backend: Backend,
    committer: Committer,
}

fn start() -> Node {
    let disk = support::disk();
    let (backend, committer) =
        backend::open(Arc::new(disk.clone()), Options::new(PATH)).expect("open");
    let mut node = Node { disk, backend, committer };
    node.commit(2).expect("commit");
    node
}

impl Node {
    fn commit(&mut self, main: i64) -> Result<()> {
        let key = RecordKey { revision: Revision::new(main, 0), tombstone: false };
        self.backend.put_record(key, Bytes::from_static(b"value"));
        drop(self.backend.view());
        let position = Position { index: Index(main as u64), ..Position::default() };
        self.committer.prepare(self.backend.freeze(position))?;
        let done = self.committer.finish()?;
        self.backend.committed(done);
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        let from = Revision::default();
        let step = CompactionStep { from, compact_revision: 2, batch_records: 10 };
        self.committer.compact(&step, |_, _| Ok(Fate::Delete)).map(|_| ())
    }

    fn defragment(&mut self) -> Result<()> {
        let mut defrag = self.committer.start_defrag()?;
        defrag.step()?;
        self.committer.finish_defrag(defrag).map(|_| ())
    }

    /// What the disk holds after a power loss.
    fn durable(&self) -> State {
        let disk = self.disk.crash(self.disk.operations()).sampled(&mut SeededRng::new(1));
        let (backend, _) = backend::open(Arc::new(disk), Options::new(PATH)).expect("open");
        State::read(backend.last_committed())
    }
}

fn panics_at(name: &'static str, node: &mut Node, work: impl FnOnce(&mut Node)) {
    enable(name, "panic").expect(name);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(|| work(node)));
    std::panic::set_hook(hook);
    disable(name).expect(name);
    let text = *result.expect_err(name).downcast::<String>().expect("a text");
    assert_eq!(text, format!("failpoint panic: {name}"));
}

#[test]
fn each_point_stops_its_moment() {
    for name in [
        "beforeWritebackBuf",
        "afterWritebackBuf",
        "beforeStartDBTxn",
        "afterStartDBTxn",
        "commitBeforePreCommitHook",
        "commitAfterPreCommitHook",
        "beforeCommit",
    ] {
        let mut node = start();
        panics_at(name, &mut node, |node| drop(node.commit(3)));
        assert_eq!(node.durable().position.index, Index(2), "{name}");
    }
    let mut node = start();
    panics_at("afterCommit", &mut node, |node| drop(node.commit(3)));
    assert_eq!(node.durable().position.index, Index(3));

    for (name, records) in [
        ("compactAfterAcquiredBatchTxLock", 1),
        ("compactBeforeSetFinishedCompact", 1),
        ("compactAfterSetFinishedCompact", 1),
        ("compactBeforeCommitBatch", 1),
        ("compactAfterCommitBatch", 0),
    ] {
        let mut node = start();
        panics_at(name, &mut node, |node| drop(node.compact()));
        let state = node.durable();
        assert_eq!(state.records.len(), records, "{name}");
        assert_eq!(state.rows.is_empty(), records == 1, "{name}: the finished mark");
    }

    for name in ["defragBeforeCopy", "defragBeforeRename"] {
        let mut node = start();
        panics_at(name, &mut node, |node| drop(node.defragment()));
        assert_eq!(node.durable().records.len(), 1, "{name}");
    }
    for name in ["defragOpenFileError", "defragdbFail"] {
        let mut node = start();
        enable(name, r#"return("some random error")"#).expect(name);
        let error = node.defragment().expect_err(name);
        disable(name).expect(name);
        assert!(matches!(&error, Error::Defrag(text) if text == "some random error"), "{error}");
        assert_eq!(node.disk.files(), [Path::new(PATH)], "{name}");
        node.commit(3).expect("commit");
        node.defragment().expect(name);
    }
}
