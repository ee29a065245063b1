//! The calls of a client that works with keys.

use bytes::Bytes;
use env::{Rng as _, SeededRng};
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response;
use proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use proto::mvccpb::KeyValue;
use std::collections::BTreeMap;

use crate::history::{Call, Outcome, Reply};

/// Whether a key's last change was at this revision; 0 for a key that is not there.
#[must_use]
pub const fn unchanged_since(key: Bytes, revision: i64) -> Compare {
    Compare {
        key,
        target: CompareTarget::Mod as i32,
        result: CompareResult::Equal as i32,
        target_union: Some(TargetUnion::ModRevision(revision)),
        range_end: Bytes::new(),
    }
}

/// Revisions below the newest that reads of the past go back.
const PAST_MAX: u64 = 200;

/// Makes the calls of one client.
#[derive(Debug)]
pub struct Calls {
    client: u32,
    keys: u64,
    value_bytes_max: u64,
    made: u64,
    /// What the client knows of keys: the revision of their last change, for comparing.
    known: BTreeMap<Bytes, i64>,
    newest: i64,
    reads_past_in_txns: bool,
}

impl Calls {
    /// A client that knows nothing yet: its number, and how many keys and how long values there are.
    #[must_use]
    pub const fn new(client: u32, keys: u64, value_bytes_max: u64) -> Self {
        let known = BTreeMap::new();
        Self { client, keys, value_bytes_max, made: 0, known, newest: 0, reads_past_in_txns: false }
    }

    /// Lets some transactions read the past, which may be compacted. Not for etcd 3.5, whose members
    /// then differ (etcd #18667).
    #[must_use]
    pub const fn reading_past_in_txns(mut self) -> Self {
        self.reads_past_in_txns = true;
        self
    }

    /// The next call.
    pub fn next(&mut self, rng: &mut SeededRng) -> Call {
        match rng.below(100) {
            0..28 => Call::Put(self.put(rng)),
            28..46 => Call::Txn(self.compare_and_swap(rng)),
            46..54 => Call::Txn(self.several(rng)),
            54..60 => Call::Delete(self.delete(rng)),
            60..78 => Call::Range(self.range(rng, 0, false)),
            78..92 => Call::Range(self.range(rng, 0, true)),
            _ => {
                let past = self.newest - rng.below(PAST_MAX) as i64;
                let serializable = rng.below(2) == 0;
                Call::Range(self.range(rng, past.max(1), serializable))
            }
        }
    }

    /// Learns from an answer.
    pub fn observe(&mut self, outcome: &Outcome) {
        let Outcome::Done { header, reply, .. } = outcome else { return };
        self.newest = self.newest.max(header.revision);
        match reply {
            Reply::Range(reply) => self.learn(&reply.kvs),
            Reply::Txn(reply) => {
                for operation in &reply.responses {
                    if let Some(Response::ResponseRange(range)) = &operation.response {
                        self.learn(&range.kvs);
                    }
                }
            }
            _ => {}
        }
    }

    fn learn(&mut self, kvs: &[KeyValue]) {
        for kv in kvs {
            let known = self.known.entry(kv.key.clone()).or_default();
            *known = kv.mod_revision.max(*known);
        }
    }

    fn key(&self, rng: &mut SeededRng) -> Bytes {
        format!("k/{:03}", rng.below(self.keys)).into()
    }

    /// A text that no other call puts.
    fn value(&mut self, rng: &mut SeededRng) -> Bytes {
        self.made += 1;
        let mut value = format!("{}:{}:", self.client, self.made).into_bytes();
        let length = rng.below(self.value_bytes_max) as usize;
        value.resize(value.len().max(length), b'.');
        value.into()
    }

    fn put(&mut self, rng: &mut SeededRng) -> PutRequest {
        let key = self.key(rng);
        let mut put = PutRequest { key, value: self.value(rng), ..PutRequest::default() };
        match rng.below(20) {
            0..6 => put.prev_kv = true,
            6 => put.ignore_lease = true,
            7 => (put.ignore_value, put.value) = (true, Bytes::new()),
            _ => {}
        }
        put
    }

    fn delete(&self, rng: &mut SeededRng) -> DeleteRangeRequest {
        let (key, prev_kv) = (self.key(rng), rng.below(3) == 0);
        let range_end = if rng.below(4) == 0 { self.a_few_keys_on(&key) } else { Bytes::new() };
        DeleteRangeRequest { key, range_end, prev_kv }
    }

    /// The end of a range of a few keys.
    fn a_few_keys_on(&self, key: &Bytes) -> Bytes {
        let number = std::str::from_utf8(&key[2..]).ok().and_then(|text| text.parse::<u64>().ok());
        format!("k/{:03}", number.unwrap_or_default() + 4).into()
    }

    fn range(&self, rng: &mut SeededRng, revision: i64, serializable: bool) -> RangeRequest {
        let key = self.key(rng);
        let mut range = RangeRequest { key, revision, serializable, ..RangeRequest::default() };
        if rng.below(3) == 0 {
            range.range_end = self.a_few_keys_on(&range.key);
            match rng.below(6) {
                0 => range.limit = 2,
                1 => range.count_only = true,
                2 => range.keys_only = true,
                3 => range.sort_order = 2,
                _ => {}
            }
        }
        range
    }

    /// Changes a key only if it is as the client knows it, else reads it.
    fn compare_and_swap(&mut self, rng: &mut SeededRng) -> TxnRequest {
        let key = self.key(rng);
        let known = self.known.get(&key).copied().unwrap_or_default();
        let compare = unchanged_since(key.clone(), known);
        let put = PutRequest { key: key.clone(), value: self.value(rng), ..PutRequest::default() };
        let get = RangeRequest { key, ..RangeRequest::default() };
        TxnRequest {
            compare: vec![compare],
            // The revision that the client knows next comes with the range.
            success: vec![op(Request::RequestPut(put)), op(Request::RequestRange(get.clone()))],
            failure: vec![op(Request::RequestRange(get))],
        }
    }

    /// Several changes at one revision, some of them in a transaction inside.
    fn several(&mut self, rng: &mut SeededRng) -> TxnRequest {
        let first = rng.below(self.keys);
        let key = |step: u64| -> Bytes { format!("k/{:03}", (first + step) % self.keys).into() };
        let (a, b, c) = (key(0), key(1), key(2));
        let delete = DeleteRangeRequest { key: c, prev_kv: true, ..Default::default() };
        let mut get = RangeRequest { key: a.clone(), ..RangeRequest::default() };
        if self.reads_past_in_txns && rng.below(6) == 0 {
            get.revision = (self.newest - rng.below(PAST_MAX) as i64).max(1);
        }
        let put = |key: &Bytes, value| {
            let put = PutRequest { key: key.clone(), value, prev_kv: true, ..Default::default() };
            op(Request::RequestPut(put))
        };
        let exists = Compare {
            key: a.clone(),
            target: CompareTarget::Version as i32,
            result: CompareResult::Greater as i32,
            target_union: Some(TargetUnion::Version(0)),
            range_end: Bytes::new(),
        };
        let inner = TxnRequest {
            compare: vec![exists],
            success: vec![put(&b, self.value(rng)), op(Request::RequestDeleteRange(delete))],
            failure: vec![put(&b, self.value(rng))],
        };
        TxnRequest {
            compare: Vec::new(),
            success: vec![
                put(&a, self.value(rng)),
                op(Request::RequestTxn(inner)),
                op(Request::RequestRange(get)),
            ],
            failure: Vec::new(),
        }
    }
}

const fn op(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_gives_its_calls_and_values_are_unique() {
        let calls = |seed| -> Vec<Call> {
            let (mut calls, mut rng) = (Calls::new(1, 100, 50), SeededRng::new(seed));
            (0..500).map(|_| calls.next(&mut rng)).collect()
        };
        assert_eq!(calls(1), calls(1));
        assert_ne!(calls(1), calls(2));
        let mut values = BTreeSet::new();
        for call in calls(3) {
            if let Call::Put(put) = call {
                assert!(put.ignore_value || values.insert(put.value));
            }
        }
        assert!(values.len() > 50);
    }
}
