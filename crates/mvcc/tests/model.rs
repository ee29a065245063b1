//! Random requests, commits, compactions and restarts against a store done naively.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use env::{Rng, SeededRng};
use mvcc::{EventKind, RangeStream, Ranges, ReadView};
use proto::etcdserverpb::compare::TargetUnion;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::*;
use proto::mvccpb::KeyValue;
use proto::{access, twin};
use support::Stand;
use support::model::{Model, Refusal, is_lease};
use types::LeaseId;

struct Run {
    seed: u64,
    rng: SeededRng,
    stand: Stand,
    model: Model,
    /// Older views with what they have to stay like.
    views: Vec<(ReadView, Model)>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let rng = SeededRng::new(seed);
        Self { seed, rng, stand: Stand::new(), model: Model::new(), views: Vec::new() }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.below(bound)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn key(&mut self) -> Bytes {
        let key = self.below(24);
        match key {
            0..8 => format!("a/{key}").into(),
            8..16 => format!("b/long/{key:040}").into(),
            _ => Bytes::from(vec![key as u8; 1 + key as usize % 3]),
        }
    }

    fn range_end(&mut self) -> Bytes {
        match self.below(5) {
            0 | 1 => Bytes::new(),
            2 => Bytes::from_static(b"\0"),
            _ => self.key(),
        }
    }

    /// About as often as not one that is in the history, else just outside or far away.
    fn revision(&mut self) -> i64 {
        let now = self.model.revision as u64;
        match self.below(8) {
            0 => self.model.compacted - 1,
            1 => self.model.compacted,
            2 => self.model.revision + 1,
            3 => -1 - self.below(3) as i64,
            _ => 1 + self.below(now) as i64,
        }
    }

    fn revision_or_none(&mut self) -> i64 {
        if self.one_in(3) { self.revision() } else { 0 }
    }

    fn range(&mut self) -> RangeRequest {
        let mut request = RangeRequest {
            key: self.key(),
            range_end: self.range_end(),
            ..RangeRequest::default()
        };
        if self.one_in(3) {
            (request.key, request.range_end) = ("\0".into(), "\0".into());
        }
        request.revision = self.revision_or_none();
        request.limit = [0, 0, 1, 2, 5, 100, -1][self.below(7) as usize];
        request.keys_only = self.one_in(4);
        request.count_only = self.one_in(8);
        if self.one_in(2) {
            request.sort_order = self.below(3) as i32;
            request.sort_target = self.below(5) as i32;
        }
        if self.one_in(4) {
            request.min_mod_revision = self.revision_or_none();
            request.max_mod_revision = self.revision_or_none();
            request.min_create_revision = self.revision_or_none();
            request.max_create_revision = self.revision_or_none();
        }
        request
    }

    fn put(&mut self) -> PutRequest {
        let mut request = PutRequest { key: self.key(), ..PutRequest::default() };
        request.prev_kv = self.one_in(3);
        match self.below(8) {
            0 => request.ignore_value = true,
            1 => request.value = vec![b'v'; 3000].into(),
            2 => {}
            _ => request.value = format!("value {}", self.below(5)).into(),
        }
        match self.below(10) {
            0 => request.ignore_lease = true,
            1 => request.lease = 7,
            2 => request.lease = -8,
            3 if self.one_in(3) => request.lease = 9,
            _ => {}
        }
        request
    }

    fn delete(&mut self) -> DeleteRangeRequest {
        let range_end = if self.one_in(4) { self.range_end() } else { Bytes::new() };
        DeleteRangeRequest { key: self.key(), range_end, prev_kv: self.one_in(2) }
    }

    fn compare(&mut self) -> Compare {
        let target = self.below(5) as i32;
        let number = self.revision();
        let union = match if self.one_in(8) { 5 - target } else { target } {
            0 => Some(TargetUnion::Version(1 + self.below(3) as i64)),
            1 => Some(TargetUnion::CreateRevision(number)),
            2 => Some(TargetUnion::ModRevision(number)),
            3 => Some(TargetUnion::Value(format!("value {}", self.below(5)).into())),
            4 => Some(TargetUnion::Lease([0, 7, -8][self.below(3) as usize])),
            _ => None,
        };
        Compare {
            result: self.below(4) as i32,
            target,
            key: self.key(),
            range_end: if self.one_in(3) { self.range_end() } else { Bytes::new() },
            target_union: union,
        }
    }

    fn txn(&mut self, depth: u64) -> TxnRequest {
        let compares = self.below(3);
        let (success, failure) = (self.below(4), self.below(4));
        TxnRequest {
            compare: (0..compares).map(|_| self.compare()).collect(),
            success: (0..success).map(|_| self.op(depth)).collect(),
            failure: (0..failure).map(|_| self.op(depth)).collect(),
        }
    }

    fn op(&mut self, depth: u64) -> RequestOp {
        let request = match self.below(10) {
            0..3 => Request::RequestRange(self.range()),
            3 if depth > 0 => Request::RequestTxn(self.txn(depth - 1)),
            4 | 5 => Request::RequestDeleteRange(self.delete()),
            _ => Request::RequestPut(self.put()),
        };
        RequestOp { request: Some(request) }
    }

    fn step(&mut self) {
        match self.below(60) {
            0..30 => self.write(),
            30..36 => self.run_txn(),
            36..46 => self.read(),
            46 => self.run_stream(),
            47..50 => self.read_events(),
            50 => self.compact(),
            51 => _ = self.stand.step(1 + self.rng.below(20) as usize),
            52 => self.stand.commit(),
            53 => self.hash(),
            54 => self.views.push((self.stand.view(), self.model.clone())),
            55 => self.check_view(),
            56 if self.one_in(4) => self.reopen(),
            57 => self.refuse_what_does_not_fit(),
            _ => {}
        }
        assert_eq!(self.stand.store.revision(), self.model.revision, "seed {}", self.seed);
        assert_eq!(self.stand.store.compact_revision(), self.model.compacted);
    }

    fn write(&mut self) {
        if self.one_in(4) {
            let request = self.delete();
            let expected = self.model.delete_range(&request);
            let Stand { store, backend, .. } = &mut self.stand;
            let applied = store.delete_range(backend, &request).unwrap();
            assert_eq!(applied.response, (&expected).into(), "seed {}: {request:?}", self.seed);
            assert!(applied.changes.iter().all(|changed| changed.lease == LeaseId::NONE));
            assert_eq!(applied.changes.len() as i64, expected.deleted);
            return;
        }
        let request = self.put();
        let expected = self.model.put(&request);
        let Stand { store, backend, .. } = &mut self.stand;
        let answer = store.put(backend, &request, &is_lease);
        if let Ok(applied) = &answer {
            let now = self.model.get(&request.key, self.model.revision).unwrap();
            let [changed] = &applied.changes[..] else { panic!("{:?}", applied.changes) };
            assert_eq!((&changed.key, changed.lease.get()), (&request.key, now.lease));
        }
        let answer = answer.map(|applied| applied.response).map_err(Refusal::from);
        let expected = expected.map(|response| twin::PutResponse::from(&response));
        assert_eq!(answer, expected, "seed {}: {request:?}", self.seed);
    }

    fn run_txn(&mut self) {
        let request = self.txn(3);
        let ranges = if self.one_in(4) { Ranges::Skip } else { Ranges::Execute };
        let before = self.model.clone();
        let expected = self.model.txn(&request, ranges);
        let expected = expected.map(|response| twin::TxnResponse::from(&response));
        if access::is_read_only(&request) && ranges == Ranges::Execute {
            let answer = self.stand.view().txn(&request).map(|applied| applied.response);
            assert_eq!(answer.map_err(Refusal::from), expected, "seed {}", self.seed);
        }
        let Stand { store, backend, .. } = &mut self.stand;
        let answer = store.txn(backend, &request, &is_lease, ranges);
        let answer = answer.map(|applied| (applied.response, applied.changes));
        match (answer, expected) {
            (Ok((response, changes)), Ok(expected)) => {
                assert_eq!(response, expected, "seed {}: {request:?}", self.seed);
                let made = self.model.history();
                let made = made.iter().filter(|change| change.main > before.revision);
                let leases = made.map(|change| {
                    let lease = change.kv.as_ref().map_or(0, |kv| kv.lease);
                    (change.key.clone(), LeaseId(lease))
                });
                assert!(leases.eq(changes.into_iter().map(|changed| (changed.key, changed.lease))));
            }
            (answer, expected) => {
                let answer = answer.map(|_| ()).map_err(Refusal::from);
                assert_eq!(answer, expected.map(|_| ()), "seed {}: {request:?}", self.seed);
            }
        }
    }

    fn read(&mut self) {
        let request = self.range();
        compare_range(&self.stand.view(), &self.model, &request, self.seed);
    }

    fn run_stream(&mut self) {
        let mut request = self.range();
        if request.count_only {
            return;
        }
        (request.sort_order, request.sort_target) = (0, 0);
        (request.min_mod_revision, request.max_mod_revision) = (0, 0);
        (request.min_create_revision, request.max_create_revision) = (0, 0);
        request.limit = request.limit.max(0);
        let pinned = match request.revision {
            ..=0 => RangeRequest { revision: self.model.revision, ..request.clone() },
            _ => request.clone(),
        };
        let expected = self.model.range(&pinned);
        let header = self.model.revision;
        let chunk_bytes = [10, 100, 1000, 100_000][self.below(4) as usize];
        let mut stream = RangeStream::new(request, chunk_bytes);
        let mut kvs = Vec::new();
        loop {
            let chunk = match stream.next(&self.stand.view()) {
                Ok(chunk) => chunk.expect("the last chunk was not given yet"),
                Err(error) => {
                    // Refused at once, or compacted in between.
                    let refusal = Refusal::from(error);
                    let compacted = pinned.revision < self.model.compacted;
                    assert!(Err(refusal) == expected || compacted, "seed {}", self.seed);
                    return;
                }
            };
            kvs.extend(chunk.kvs);
            if let Some(last) = chunk.header {
                let expected = twin::RangeResponse::from(&expected.unwrap());
                assert_eq!(last.revision, header);
                assert_eq!(
                    (kvs, chunk.more, chunk.count),
                    (expected.kvs, expected.more, expected.count)
                );
                break;
            }
            self.write();
            if self.one_in(10) {
                self.compact();
            }
        }
        assert_eq!(stream.next(&self.stand.view()).unwrap(), None);
    }

    fn read_events(&mut self) {
        let from = self.model.compacted.max(0) + 1;
        let from = from + self.below((self.model.revision - from + 2).max(1) as u64) as i64;
        let to = from + self.below(10) as i64;
        let view = self.stand.view();
        let events: Vec<_> = view.events(from, to).unwrap().map(Result::unwrap).collect();
        let history = self.model.history();
        let expected: Vec<_> =
            history.iter().filter(|change| (from..=to).contains(&change.main)).collect();
        assert_eq!(events.len(), expected.len(), "seed {}: {from}..={to}", self.seed);
        for (event, change) in events.iter().zip(expected) {
            assert_eq!((event.revision.main, event.revision.sub), (change.main, change.sub));
            assert_eq!(event.key, change.key);
            let deleted = KeyValue {
                key: change.key.clone(),
                mod_revision: change.main,
                ..KeyValue::default()
            };
            let kv = change.kv.clone().unwrap_or(deleted);
            assert_eq!(event.kv, prost::Message::encode_to_vec(&kv));
            assert_eq!(event.kind == EventKind::Put, change.kv.is_some());
            assert_eq!(event.created, change.kv.is_some() && kv.create_revision == change.main);
            let before = self.model.get(&change.key, change.main - 1);
            let before = before.filter(|_| change.main > self.model.compacted);
            let before = before.map(|kv| prost::Message::encode_to_vec(&kv).into());
            assert_eq!(view.prev_kv(&event.key, change.main).unwrap(), before);
        }
        let below = self.model.compacted - 1;
        assert!(matches!(view.events(below, to), Err(mvcc::Error::Compacted)));
    }

    fn compact(&mut self) {
        let revision = self.revision();
        let answer = self.stand.compact(revision).map_err(Refusal::from);
        assert_eq!(answer, self.model.compact(revision), "seed {}", self.seed);
    }

    fn hash(&mut self) {
        let at = self.revision();
        let view = self.stand.view();
        let answer = view.hash(at.max(0)).map_err(Refusal::from);
        let at = if at <= 0 { self.model.revision } else { at };
        if at < self.model.compacted {
            assert_eq!(answer, Err(Refusal::Compacted), "seed {}", self.seed);
        } else if at > self.model.revision {
            assert_eq!(answer, Err(Refusal::FutureRevision), "seed {}", self.seed);
        } else {
            let hash = answer.unwrap();
            assert_eq!((hash.revision, hash.compact_revision), (at, self.model.compacted));
            if can_hash(&self.model, at) {
                assert_eq!(hash.hash, self.model.hash(at), "seed {} at {at}", self.seed);
            }
        }
    }

    fn check_view(&mut self) {
        let seed = self.seed;
        let Some((view, model)) = self.views.pop() else { return };
        for _ in 0..5 {
            let request = self.range();
            compare_range(&view, &model, &request, seed);
        }
    }

    fn reopen(&mut self) {
        self.views.clear();
        self.stand.commit();
        self.stand.reopen();
        let now = self.model.revision;
        let keys: Vec<Bytes> = self.model.changes.keys().cloned().collect();
        let with_lease = keys.iter().filter_map(|key| {
            let kv = self.model.get(key, now).filter(|kv| kv.lease != 0)?;
            Some((kv.key, LeaseId(kv.lease)))
        });
        assert!(with_lease.eq(self.stand.leases.iter().cloned()), "seed {}", self.seed);
    }

    /// Requests that fail leave no trace.
    fn refuse_what_does_not_fit(&mut self) {
        let put = |key: &str| RequestOp {
            request: Some(Request::RequestPut(PutRequest {
                key: key.to_owned().into(),
                ..PutRequest::default()
            })),
        };
        let keep = PutRequest { key: "gone".into(), ignore_value: true, ..PutRequest::default() };
        let txn = TxnRequest {
            success: vec![put("trace"), RequestOp { request: Some(Request::RequestPut(keep)) }],
            ..TxnRequest::default()
        };
        let records = self.stand.record_count();
        let Stand { store, backend, .. } = &mut self.stand;
        let answer = store.txn(backend, &txn, &is_lease, Ranges::Execute);
        assert!(matches!(answer, Err(mvcc::Error::KeyNotFound)));
        assert_eq!(self.stand.record_count(), records);
        assert_eq!(self.stand.view().get(b"trace", 0).unwrap(), None);
    }

    fn finish(&mut self) {
        self.stand.finish_compactions();
        let records = self.stand.record_count();
        assert_eq!(records, self.model.surviving().len(), "seed {}", self.seed);
        self.reopen();
        assert!(self.stand.compactions.is_empty());
        for _ in 0..20 {
            self.read();
        }
    }
}

fn compare_range(view: &ReadView, model: &Model, request: &RangeRequest, seed: u64) {
    let answer = view.range(request).map_err(Refusal::from);
    let expected = model.range(request).map(|response| twin::RangeResponse::from(&response));
    assert_eq!(answer, expected, "seed {seed}: {request:?}");
}

/// Where nothing is left at a revision, Go's hash is taken over what a compaction is yet to delete
/// too, and so depends on how far it has come.
fn can_hash(model: &Model, at: i64) -> bool {
    model.compacted < 0 || model.changes.keys().any(|key| model.get(key, at).is_some())
}

/// How many times as many runs as usual: for long runs by hand.
fn scale() -> u64 {
    std::env::var("OXETCD_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[test]
fn random_requests_agree_with_the_model() {
    for seed in 0..40 * scale() {
        let mut run = Run::new(seed);
        for _ in 0..250 {
            run.step();
        }
        run.finish();
    }
}
