//! Seeded requests that meet each other: few keys, few values, few leases.
//!
//! What auth and an alarm change is left out: there, etcd's own minor versions differ.
//!
//! Invariant: what is chosen depends on the seed and on revisions counted from the sequence's
//! beginning, so that a seed gives the same requests on any server.

use super::answer::Answer;
use bytes::Bytes;
use env::{Rng as _, SeededRng};
use proto::etcdserverpb::compare::TargetUnion;
use proto::etcdserverpb::request_op::Request as Op;
use proto::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, LeaseGrantRequest, LeaseRevokeRequest,
    LeaseTimeToLiveRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

/// Together with the key that is there from the start twelve: Go's sort is stable up to that many,
/// and keys with equal values keep their order.
const KEYS: [&[u8]; 11] =
    [b"a", b"a\0", b"a/1", b"a/2", b"b", b"b/", b"b/x", b"k", b"\xff", b"\xff\xff", b"\0x"];

const VALUES: [&[u8]; 6] = [b"", b"v", b"v1", b"w", b"\0\xff", b"long long long long"];

const LEASES: [i64; 7] = [1, 2, 3, 77, -5, i64::MAX, i64::MIN];

/// Nested transactions go so deep.
const DEPTH_MAX: u32 = 4;

/// One request.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    Range(RangeRequest),
    Put(PutRequest),
    Delete(DeleteRangeRequest),
    Txn(TxnRequest),
    Compact(CompactionRequest),
    Grant(LeaseGrantRequest),
    Revoke(LeaseRevokeRequest),
    TimeToLive(LeaseTimeToLiveRequest),
    Leases,
}

/// Makes the requests of one sequence.
pub struct Generator {
    rng: SeededRng,
    base: i64,
    compacted: i64,
    current: i64,
}

impl Generator {
    /// The history begins at `base`, compacted up to there.
    pub fn new(seed: u64, base: i64) -> Self {
        Self { rng: SeededRng::new(seed), base, compacted: base, current: base }
    }

    /// Learns from an answer.
    pub fn observe(&mut self, request: &Request, answer: &Answer) {
        if let Answer::Done { revision, .. } = answer {
            self.current = self.current.max(*revision);
            if let Request::Compact(compaction) = request {
                self.compacted = compaction.revision;
            }
        }
    }

    /// The revisions that can be read: from the compacted one to the newest.
    pub const fn available(&self) -> (i64, i64) {
        (self.compacted, self.current)
    }

    pub fn next(&mut self) -> Request {
        match self.rng.below(100) {
            0..36 => Request::Put(self.put()),
            36..52 => Request::Range(self.range()),
            52..62 => Request::Delete(self.delete()),
            62..82 => {
                let mut free = self.shuffled_keys();
                let mut txn = self.txn(DEPTH_MAX, &mut free);
                if puts(&txn) {
                    end_deletes(&mut txn);
                }
                Request::Txn(txn)
            }
            82..85 => Request::Compact(self.compaction()),
            85..91 => Request::Grant(self.grant()),
            91..95 => Request::Revoke(LeaseRevokeRequest { id: self.lease() }),
            95..98 => {
                let keys = self.one_in(2);
                Request::TimeToLive(LeaseTimeToLiveRequest { id: self.lease(), keys })
            }
            _ => Request::Leases,
        }
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.rng.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.below(of.len() as u64) as usize]
    }

    fn key(&mut self) -> Bytes {
        if self.one_in(80) {
            return Bytes::new();
        }
        Bytes::from_static(self.pick(&KEYS))
    }

    fn value(&mut self) -> Bytes {
        if self.one_in(60) {
            return vec![b'x'; 3000].into();
        }
        Bytes::from_static(self.pick(&VALUES))
    }

    fn lease(&mut self) -> i64 {
        self.pick(&LEASES)
    }

    fn shuffled_keys(&mut self) -> Vec<&'static [u8]> {
        let mut keys = KEYS.to_vec();
        for last in (1..keys.len()).rev() {
            let other = self.rng.below(last as u64 + 1) as usize;
            keys.swap(last, other);
        }
        keys
    }

    /// Key and end of a range.
    fn bounds(&mut self) -> (Bytes, Bytes) {
        let key = self.key();
        let end = match self.rng.below(8) {
            0..3 => Bytes::new(),
            3 => Bytes::from_static(b"\0"),
            4 => return (Bytes::from_static(b"\0"), Bytes::from_static(b"\0")),
            5 => match key.split_last() {
                Some((last, head)) if *last < 0xff => [head, &[last + 1]].concat().into(),
                _ => Bytes::from_static(b"\0"),
            },
            // Also before the key, which is a range of nothing.
            _ => Bytes::from_static(self.pick(&KEYS)),
        };
        (key, end)
    }

    /// A revision that is there, mostly.
    fn revision(&mut self) -> i64 {
        match self.rng.below(20) {
            0 => self.current + 1 + self.rng.below(3) as i64,
            1 => self.compacted - 1 - self.rng.below(3) as i64,
            _ => {
                let span = (self.current - self.compacted) as u64 + 1;
                self.compacted + self.rng.below(span) as i64
            }
        }
    }

    fn put(&mut self) -> PutRequest {
        let mut put = PutRequest {
            key: self.key(),
            value: self.value(),
            prev_kv: self.one_in(3),
            ..PutRequest::default()
        };
        match self.rng.below(20) {
            0..7 => put.lease = self.lease(),
            7 => put.ignore_lease = true,
            8 => (put.ignore_value, put.value) = (true, Bytes::new()),
            9 => {
                (put.ignore_value, put.ignore_lease) = (true, true);
                put.value = Bytes::new();
            }
            // Together with a value or a lease these are refused.
            10 if self.one_in(4) => put.ignore_value = true,
            11 if self.one_in(4) => (put.ignore_lease, put.lease) = (true, self.lease()),
            _ => {}
        }
        put
    }

    fn delete(&mut self) -> DeleteRangeRequest {
        let (key, range_end) = self.bounds();
        DeleteRangeRequest { key, range_end, prev_kv: self.one_in(2) }
    }

    fn range(&mut self) -> RangeRequest {
        let (key, range_end) = self.bounds();
        let mut range = RangeRequest { key, range_end, ..RangeRequest::default() };
        if self.one_in(2) {
            range.revision = self.revision();
        }
        if self.one_in(3) {
            range.limit = self.rng.below(5) as i64;
        }
        if self.one_in(2) {
            range.sort_order = self.rng.below(3) as i32;
            range.sort_target = self.rng.below(5) as i32;
        }
        range.keys_only = self.one_in(8);
        range.count_only = self.one_in(10);
        range.serializable = self.one_in(3);
        if self.one_in(4) {
            let revision = self.revision();
            match self.rng.below(4) {
                0 => range.min_mod_revision = revision,
                1 => range.max_mod_revision = revision,
                2 => range.min_create_revision = revision,
                _ => range.max_create_revision = revision,
            }
        }
        range
    }

    fn compaction(&mut self) -> CompactionRequest {
        // Mostly little by little, so that much history is left to be compared.
        let revision = match self.rng.below(8) {
            0 => self.revision(),
            1 => self.current,
            _ => self.compacted + (self.current - self.compacted) / 4,
        };
        CompactionRequest { revision, physical: self.one_in(2) }
    }

    /// Far from their end for the whole run.
    fn grant(&mut self) -> LeaseGrantRequest {
        let ttl =
            if self.one_in(15) { 9_000_000_001 } else { 5_000 + self.rng.below(5_000) as i64 };
        LeaseGrantRequest { ttl, id: self.lease() }
    }

    /// Writes take each key once, mostly, since a second time is refused.
    fn txn(&mut self, depth: u32, free: &mut Vec<&'static [u8]>) -> TxnRequest {
        let compare = (0..self.rng.below(4)).map(|_| self.compare()).collect();
        let mut other = free.clone();
        let success = self.ops(depth, free);
        let failure = self.ops(depth, &mut other);
        // A nested transaction's branches both count for the one above it.
        free.retain(|key| other.contains(key));
        TxnRequest { compare, success, failure }
    }

    fn ops(&mut self, depth: u32, free: &mut Vec<&'static [u8]>) -> Vec<RequestOp> {
        (0..self.rng.below(5)).map(|_| RequestOp { request: self.op(depth, free) }).collect()
    }

    fn op(&mut self, depth: u32, free: &mut Vec<&'static [u8]>) -> Option<Op> {
        let key = if self.one_in(25) { Some(self.pick(&KEYS)) } else { free.pop() };
        Some(match (self.rng.below(10), key) {
            (0..4, Some(key)) => {
                let key = Bytes::from_static(key);
                Op::RequestPut(PutRequest { key, ..self.put() })
            }
            (4, Some(key)) => {
                let key = Bytes::from_static(key);
                let prev_kv = self.one_in(2);
                Op::RequestDeleteRange(DeleteRangeRequest { key, range_end: Bytes::new(), prev_kv })
            }
            (5, _) if self.one_in(3) => Op::RequestDeleteRange(self.delete()),
            (6..8, _) if depth > 0 => Op::RequestTxn(self.txn(depth - 1, free)),
            _ => Op::RequestRange(self.range()),
        })
    }

    fn compare(&mut self) -> Compare {
        let target = self.rng.below(5) as i32;
        // Now and then the value is of another kind than the target.
        let kind = if self.one_in(30) { self.rng.below(5) as i32 } else { target };
        let revision = match self.rng.below(4) {
            0 => 0,
            _ => self.revision().max(self.base),
        };
        let target_union = Some(match kind {
            0 => TargetUnion::Version(self.rng.below(4) as i64),
            1 => TargetUnion::CreateRevision(revision),
            2 => TargetUnion::ModRevision(revision),
            3 => TargetUnion::Value(self.value()),
            _ => TargetUnion::Lease(if self.one_in(2) { 0 } else { self.lease() }),
        });
        let (key, range_end) = self.bounds();
        Compare { result: self.rng.below(4) as i32, target, key, range_end, target_union }
    }
}

/// Whether a put is in it.
fn puts(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).any(|op| match &op.request {
        Some(Op::RequestPut(_)) => true,
        Some(Op::RequestTxn(txn)) => puts(txn),
        _ => false,
    })
}

/// Makes deletes without an end delete one key. Go does not see that such a delete overlaps a put
/// of the same transaction: the put that wants to keep a lease then ends the server (`unexpected
/// error during txn`), and so does a later read of a key that was put and deleted at one revision,
/// after a compaction (`range failed to find revision pair`).
fn end_deletes(txn: &mut TxnRequest) {
    for op in txn.success.iter_mut().chain(&mut txn.failure) {
        match &mut op.request {
            Some(Op::RequestDeleteRange(delete)) if delete.range_end == b"\0".as_slice() => {
                delete.range_end.clear();
            }
            Some(Op::RequestTxn(txn)) => end_deletes(txn),
            _ => {}
        }
    }
}
