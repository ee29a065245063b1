//! Keys: every kind of request, compactions, restarts and hashes, beside the store done naively
//! that `mvcc`'s own tests have.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use backend::{Backend, Committer, Options, Position};
use bytes::Bytes;
use mvcc::{Compaction, EventKind, Ranges, Restored, Slice, Store};
use proto::etcdserverpb::compare::TargetUnion;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use proto::twin;
use simenv::SimDisk;
use types::{Index, Term};

use crate::features::Features;
use crate::input::Input;
use crate::target::{Target, choices};
use model::{Model, Refusal, is_lease};

#[path = "../../../mvcc/tests/support/model.rs"]
#[allow(clippy::unwrap_used, dead_code, missing_docs)]
mod model;

pub(super) const TARGETS: &[Target] = &[
    Target::new("store", store, choices, 150),
    Target::new("store-compaction", compaction, choices, 100),
];

const PATH: &str = "/data/db";

/// A store with its file and its compactions, driven by hand.
struct Stand {
    disk: SimDisk,
    backend: Backend,
    committer: Committer,
    store: Store,
    compactions: VecDeque<Compaction>,
    applied: u64,
}

impl Stand {
    fn open(disk: SimDisk) -> Self {
        let opened = backend::open(Arc::new(disk.clone()), Options::new(PATH));
        let (backend, committer) = opened.expect("a sound file opens");
        let applied = backend.last_committed().position().index.get();
        let restored = Store::restore(backend.last_committed()).expect("a sound file is restored");
        let Restored { mut store, compaction, .. } = restored;
        let mut compactions = VecDeque::new();
        if let Some(order) = compaction {
            while store.compact_index(&order, 1) == Slice::More {}
            compactions.push_back(store.begin_compaction(order));
        }
        Self { disk, backend, committer, store, compactions, applied }
    }

    fn commit(&mut self) {
        self.applied += 1;
        let (index, term) = (Index(self.applied), Term(1));
        let job = self.backend.freeze(Position { index, term, ..Position::default() });
        self.committer.prepare(job).expect("the disk is sound");
        self.backend.committed(self.committer.finish().expect("the disk is sound"));
    }

    fn step(&mut self, batch: usize) {
        self.commit();
        let Some(compaction) = self.compactions.front_mut() else { return };
        let step = compaction.step(&mut self.committer, batch).expect("the disk is sound");
        self.backend.committed(step.done);
        if !step.more {
            self.compactions.pop_front();
        }
    }
}

struct Run<'a> {
    input: Input<'a>,
    stand: Stand,
    model: Model,
    features: Features,
}

impl Run<'_> {
    fn revision(&mut self) -> i64 {
        match self.input.below(8) {
            0 => 0,
            1 => self.model.compacted,
            2 => self.model.compacted - 1,
            3 => self.model.revision + 1,
            4 => self.input.signed(),
            _ => 1 + (self.input.byte() as i64) % self.model.revision,
        }
    }

    fn range(&mut self) -> RangeRequest {
        let (key, range_end) = (self.input.key(), self.input.range_end());
        let mut request = RangeRequest { key, range_end, ..RangeRequest::default() };
        if self.input.one_in(3) {
            request.revision = self.revision();
        }
        if self.input.one_in(2) {
            request.limit = [0, 1, 2, 5, -1][self.input.below(5)];
            request.sort_order = self.input.below(3) as i32;
            request.sort_target = self.input.below(5) as i32;
            request.keys_only = self.input.one_in(4);
            request.count_only = self.input.one_in(4);
        }
        if self.input.one_in(6) {
            request.min_mod_revision = self.revision();
            request.max_mod_revision = self.revision();
            request.min_create_revision = self.revision();
            request.max_create_revision = self.revision();
        }
        request
    }

    /// The API refuses to put a key without a byte.
    fn put(&mut self) -> PutRequest {
        let (mut key, value) = (self.input.key(), self.input.shared());
        if key.is_empty() {
            key = "e".into();
        }
        let mut put = PutRequest { key, value, ..PutRequest::default() };
        match self.input.below(8) {
            0 => put.ignore_value = true,
            1 => put.ignore_lease = true,
            2 => put.lease = [7, -8, 9][self.input.below(3)],
            3 => put.prev_kv = true,
            _ => {}
        }
        put
    }

    fn delete(&mut self) -> DeleteRangeRequest {
        let (key, range_end) = (self.input.key(), self.input.range_end());
        DeleteRangeRequest { key, range_end, prev_kv: self.input.one_in(2) }
    }

    fn compare(&mut self) -> Compare {
        let target = self.input.below(5) as i32;
        let union = match target {
            0 => TargetUnion::Version(self.input.below(3) as i64),
            1 => TargetUnion::CreateRevision(self.revision()),
            2 => TargetUnion::ModRevision(self.revision()),
            3 => TargetUnion::Value(self.input.shared()),
            _ => TargetUnion::Lease([0, 7, -8][self.input.below(3)]),
        };
        Compare {
            result: self.input.below(4) as i32,
            target,
            key: self.input.key(),
            range_end: self.input.range_end(),
            target_union: Some(union),
        }
    }

    fn txn(&mut self, depth: usize) -> TxnRequest {
        let (compares, ops) = (self.input.below(3), self.input.below(4));
        TxnRequest {
            compare: (0..compares).map(|_| self.compare()).collect(),
            success: (0..ops).map(|_| self.op(depth)).collect(),
            failure: (0..ops / 2).map(|_| self.op(depth)).collect(),
        }
    }

    fn op(&mut self, depth: usize) -> RequestOp {
        let request = match self.input.below(6) {
            0 => Request::RequestRange(self.range()),
            1 if depth > 0 => Request::RequestTxn(self.txn(depth - 1)),
            2 => Request::RequestDeleteRange(self.delete()),
            _ => Request::RequestPut(self.put()),
        };
        RequestOp { request: Some(request) }
    }

    fn run_put(&mut self) {
        let request = self.put();
        let expected = self.model.put(&request).map(|real| twin::PutResponse::from(&real));
        let Stand { store, backend, .. } = &mut self.stand;
        let answer = store.put(backend, &request, &is_lease).map(|applied| applied.response);
        self.features.note(u64::from(answer.is_ok()));
        assert_eq!(answer.map_err(Refusal::from), expected, "{request:?}");
    }

    fn run_txn(&mut self) {
        let request = self.txn(2);
        let expected = self.model.txn(&request, Ranges::Execute);
        let expected = expected.map(|real| twin::TxnResponse::from(&real));
        let Stand { store, backend, .. } = &mut self.stand;
        let answer = store.txn(backend, &request, &is_lease, Ranges::Execute);
        let answer = answer.map(|applied| applied.response);
        self.features.note(2 + u64::from(answer.is_ok()));
        assert_eq!(answer.map_err(Refusal::from), expected, "{request:?}");
    }

    fn read(&mut self) {
        let request = self.range();
        let answer = self.stand.store.view(&self.stand.backend).range(&request);
        let expected = self.model.range(&request).map(|real| twin::RangeResponse::from(&real));
        self.features.size(expected.as_ref().map_or(99, |response| response.kvs.len()));
        assert_eq!(answer.map_err(Refusal::from), expected, "{request:?}");
    }

    fn events(&mut self) {
        let from = self.model.compacted.max(0) + 1 + self.input.below(8) as i64;
        let to = from + self.input.below(8) as i64;
        let view = self.stand.store.view(&self.stand.backend);
        let Ok(events) = view.events(from, to) else { return };
        let events: Vec<_> = events.map(|event| event.expect("the disk is sound")).collect();
        let history = self.model.history();
        let expected = history.iter().filter(|change| (from..=to).contains(&change.main));
        let shown = |main, key: &Bytes, put| (main, key.clone(), put);
        let expected: Vec<_> =
            expected.map(|change| shown(change.main, &change.key, change.kv.is_some())).collect();
        let told: Vec<_> = events
            .iter()
            .map(|event| shown(event.revision.main, &event.key, event.kind == EventKind::Put))
            .collect();
        assert_eq!(told, expected);
    }

    fn compact(&mut self) {
        let revision = self.revision();
        let order = self.stand.store.compact(&mut self.stand.backend, revision);
        let order = order.map_err(Refusal::from);
        let outcome = order.as_ref().map(|_| ()).map_err(|refusal| *refusal);
        assert_eq!(outcome, self.model.compact(revision));
        let Ok(order) = order else { return };
        while self.stand.store.compact_index(&order, 1) == Slice::More {}
        self.stand.compactions.push_back(self.stand.store.begin_compaction(order));
        self.features.note(5);
    }

    /// The hash is that of the records by its definition, where Go's is told by the keys alone.
    fn hash(&mut self) {
        let revision = self.revision().max(0);
        let answer = self.stand.store.view(&self.stand.backend).hash(revision);
        let at = if revision == 0 { self.model.revision } else { revision };
        let is_told = self.model.compacted < 0
            || self.model.changes.keys().any(|key| self.model.get(key, at).is_some());
        match answer {
            Ok(hash) if is_told => assert_eq!(hash.hash, self.model.hash(at), "at {at}"),
            Ok(_) => {}
            Err(error) => {
                let refusal = Refusal::from(error);
                let expected = if at < self.model.compacted {
                    Refusal::Compacted
                } else {
                    Refusal::FutureRevision
                };
                assert_eq!(refusal, expected, "at {at}");
            }
        }
    }

    fn reopen(&mut self) {
        self.stand.commit();
        let disk = self.stand.disk.killed(self.stand.disk.operations());
        self.stand = Stand::open(disk);
        self.features.note(6);
    }

    fn step(&mut self, kind: usize) {
        match kind {
            0..4 => self.run_put(),
            4 | 5 => {
                let request = self.delete();
                let expected = self.model.delete_range(&request);
                let Stand { store, backend, .. } = &mut self.stand;
                let applied = store.delete_range(backend, &request).expect("it is never refused");
                assert_eq!(applied.response, (&expected).into(), "{request:?}");
            }
            6 | 7 => self.run_txn(),
            8 | 9 => self.read(),
            10 => self.events(),
            11 => self.compact(),
            12 => {
                let batch = 1 + self.input.below(8);
                self.stand.step(batch);
            }
            13 => self.hash(),
            14 => self.stand.commit(),
            _ => self.reopen(),
        }
        assert_eq!(self.stand.store.revision(), self.model.revision);
        assert_eq!(self.stand.store.compact_revision(), self.model.compacted);
    }

    /// Everything that is left, after all compactions and a restart.
    fn finish(mut self) -> u64 {
        while !self.stand.compactions.is_empty() {
            self.stand.step(1000);
        }
        let (from, to) = (types::Revision::default(), types::Revision::new(i64::MAX, 0));
        let records = self.stand.backend.view().records(from, to).count();
        assert_eq!(records, self.model.surviving().len());
        self.reopen();
        let all = RangeRequest { key: "\0".into(), range_end: "\0".into(), ..Default::default() };
        let answer = self.stand.store.view(&self.stand.backend).range(&all);
        let expected = self.model.range(&all).map(|real| twin::RangeResponse::from(&real));
        assert_eq!(answer.map_err(Refusal::from), expected);
        self.features.size(records);
        self.features.number()
    }
}

fn run(input: &[u8], steps_max: usize, kinds: &[usize]) -> u64 {
    let disk = SimDisk::new();
    disk.put_dir(Path::new("/data"));
    let (input, stand) = (Input::new(input), Stand::open(disk));
    let mut run = Run { input, stand, model: Model::new(), features: Features::default() };
    for _ in 0..steps_max {
        if run.input.is_empty() {
            break;
        }
        let kind = kinds[run.input.below(kinds.len())];
        run.step(kind);
    }
    run.finish()
}

fn store(input: &[u8]) -> u64 {
    run(input, 200, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
}

/// Mostly what the index and the file go through when history is cut off and read again.
fn compaction(input: &[u8]) -> u64 {
    run(input, 150, &[0, 0, 4, 4, 6, 8, 11, 11, 12, 12, 13, 13, 14, 15, 15])
}
