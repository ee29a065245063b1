//! What a call has to answer, and to change, at a revision of the store.
//!
//! Knows nothing of time, members or who called.

use crate::history::{Call, Refusal, Reply};
use crate::store::{Change, Store};
use bytes::Bytes;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget};
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response;
use proto::etcdserverpb::{
    Compare, DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse, RangeRequest,
    RangeResponse, RequestOp, ResponseOp, TxnRequest, TxnResponse,
};
use proto::mvccpb::KeyValue;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use types::KeyRange;

/// What a call comes to. Headers are left out.
#[derive(Clone, PartialEq, Debug)]
pub struct Result {
    /// The answer, or the refusal.
    pub reply: std::result::Result<Reply, Refusal>,
    /// What it changes, in order; nothing if it is refused.
    pub changes: Vec<Change>,
}

/// Carries a call out on the state at a revision. `None` where the history does not say: a revision
/// before its beginning, or a call whose answer is not the store's.
#[must_use]
pub fn evaluate(call: &Call, store: &Store, at: i64) -> Option<Result> {
    let mut state = State::new(store, at);
    let reply = match call {
        Call::Range(request) => state.range(request)?.map(Reply::Range),
        Call::Put(request) => state.put(request).map(Reply::Put),
        Call::Delete(request) => Ok(Reply::Delete(state.delete(request))),
        Call::Txn(request) => state.txn(request)?.map(Reply::Txn),
        Call::Revoke(lease) => {
            let keys: Vec<Bytes> = store.attached(*lease, at).map(|kv| kv.key.clone()).collect();
            keys.into_iter().for_each(|key| state.change(key, None));
            Ok(Reply::Revoke)
        }
        Call::Compact(_) => Ok(Reply::Compact),
        Call::Grant(_) | Call::KeepAlive(_) | Call::TimeToLive(_) => return None,
    };
    let changes = if reply.is_ok() { state.changes } else { Vec::new() };
    Some(Result { reply, changes })
}

/// Whether a transaction may be answered by one member alone, as a serializable range: it only
/// reads, and every range in it says so.
#[must_use]
pub fn is_serializable(request: &TxnRequest) -> bool {
    let mut operations = request.success.iter().chain(&request.failure);
    operations.all(|op| match &op.request {
        Some(Request::RequestRange(range)) => range.serializable,
        Some(Request::RequestTxn(txn)) => is_serializable(txn),
        Some(Request::RequestPut(_) | Request::RequestDeleteRange(_)) => false,
        None => true,
    })
}

/// The store at a revision, with what a transaction has changed so far.
struct State<'a> {
    store: &'a Store,
    at: i64,
    changed: BTreeMap<Bytes, Option<KeyValue>>,
    changes: Vec<Change>,
}

impl<'a> State<'a> {
    const fn new(store: &'a Store, at: i64) -> Self {
        Self { store, at, changed: BTreeMap::new(), changes: Vec::new() }
    }

    fn get(&self, key: &Bytes) -> Option<KeyValue> {
        match self.changed.get(key) {
            Some(kv) => kv.clone(),
            None => self.store.get(key, self.at).cloned(),
        }
    }

    fn all(&self, range: &KeyRange) -> Vec<KeyValue> {
        let stored = self.store.range(range, self.at).cloned();
        if self.changed.is_empty() {
            return stored.collect();
        }
        let mut kvs: BTreeMap<Bytes, KeyValue> = stored.map(|kv| (kv.key.clone(), kv)).collect();
        for (key, kv) in self.changed.iter().filter(|(key, _)| range.contains(key)) {
            match kv {
                Some(kv) => kvs.insert(key.clone(), kv.clone()),
                None => kvs.remove(key),
            };
        }
        kvs.into_values().collect()
    }

    fn change(&mut self, key: Bytes, kv: Option<KeyValue>) {
        self.changed.insert(key.clone(), kv.clone());
        self.changes.push(Change { key, kv });
    }

    fn range(&self, request: &RangeRequest) -> Option<std::result::Result<RangeResponse, Refusal>> {
        let range = KeyRange::parse(request.key.clone(), request.range_end.clone());
        let kvs = match request.revision {
            ..=0 => self.all(&range),
            revision if revision > self.at + i64::from(!self.changes.is_empty()) => {
                return Some(Err(Refusal::Future));
            }
            revision if revision > self.at => self.all(&range),
            revision if revision < self.store.base() => return None,
            revision => self.store.range(&range, revision).cloned().collect(),
        };
        Some(Ok(shape(request, kvs)))
    }

    fn put(&mut self, request: &PutRequest) -> std::result::Result<PutResponse, Refusal> {
        let before = self.get(&request.key);
        if before.is_none() && (request.ignore_value || request.ignore_lease) {
            return Err(Refusal::KeyNotFound);
        }
        let now = self.at + 1;
        let old = before.clone().unwrap_or_default();
        let kv = KeyValue {
            key: request.key.clone(),
            create_revision: if before.is_some() { old.create_revision } else { now },
            mod_revision: now,
            version: old.version + 1,
            value: if request.ignore_value { old.value } else { request.value.clone() },
            lease: if request.ignore_lease { old.lease } else { request.lease },
        };
        self.change(request.key.clone(), Some(kv));
        Ok(PutResponse { header: None, prev_kv: before.filter(|_| request.prev_kv) })
    }

    fn delete(&mut self, request: &DeleteRangeRequest) -> DeleteRangeResponse {
        let kvs = self.all(&KeyRange::parse(request.key.clone(), request.range_end.clone()));
        kvs.iter().for_each(|kv| self.change(kv.key.clone(), None));
        let deleted = kvs.len() as i64;
        let prev_kvs = if request.prev_kv { kvs } else { Vec::new() };
        DeleteRangeResponse { header: None, deleted, prev_kvs }
    }

    /// Comparisons, also of transactions inside, see what was there before the transaction.
    fn txn(&mut self, request: &TxnRequest) -> Option<std::result::Result<TxnResponse, Refusal>> {
        let before = State::new(self.store, self.at);
        let succeeded = request.compare.iter().all(|compare| before.holds(compare));
        let operations = if succeeded { &request.success } else { &request.failure };
        let mut responses = Vec::with_capacity(operations.len());
        for operation in operations {
            match self.operation(operation)? {
                Ok(response) => responses.push(ResponseOp { response }),
                Err(refusal) => return Some(Err(refusal)),
            }
        }
        Some(Ok(TxnResponse { header: None, succeeded, responses }))
    }

    fn operation(
        &mut self,
        operation: &RequestOp,
    ) -> Option<std::result::Result<Option<Response>, Refusal>> {
        let response = match &operation.request {
            Some(Request::RequestRange(request)) => {
                self.range(request)?.map(Response::ResponseRange)
            }
            Some(Request::RequestPut(request)) => self.put(request).map(Response::ResponsePut),
            Some(Request::RequestDeleteRange(request)) => {
                Ok(Response::ResponseDeleteRange(self.delete(request)))
            }
            Some(Request::RequestTxn(request)) => self.txn(request)?.map(Response::ResponseTxn),
            None => return Some(Ok(None)),
        };
        Some(response.map(Some))
    }

    fn holds(&self, compare: &Compare) -> bool {
        let kvs = self.all(&KeyRange::parse(compare.key.clone(), compare.range_end.clone()));
        if kvs.is_empty() {
            // A value that is not there compares with nothing; the numbers of such a key are zero.
            let target = compare.target();
            return target != CompareTarget::Value && pair_holds(compare, &KeyValue::default());
        }
        kvs.iter().all(|kv| pair_holds(compare, kv))
    }
}

fn pair_holds(compare: &Compare, kv: &KeyValue) -> bool {
    use proto::etcdserverpb::compare::TargetUnion;
    let number = match compare.target_union {
        Some(
            TargetUnion::Version(number)
            | TargetUnion::CreateRevision(number)
            | TargetUnion::ModRevision(number)
            | TargetUnion::Lease(number),
        ) => number,
        Some(TargetUnion::Value(_)) | None => 0,
    };
    let ordering = match compare.target() {
        CompareTarget::Version => kv.version.cmp(&number),
        CompareTarget::Create => kv.create_revision.cmp(&number),
        CompareTarget::Mod => kv.mod_revision.cmp(&number),
        CompareTarget::Lease => kv.lease.cmp(&number),
        CompareTarget::Value => match &compare.target_union {
            Some(TargetUnion::Value(value)) => kv.value.cmp(value),
            _ => kv.value.as_ref().cmp(&[]),
        },
    };
    match compare.result() {
        CompareResult::Equal => ordering == Ordering::Equal,
        CompareResult::NotEqual => ordering != Ordering::Equal,
        CompareResult::Greater => ordering == Ordering::Greater,
        CompareResult::Less => ordering == Ordering::Less,
    }
}

/// The answer to a range that finds these keys.
fn shape(request: &RangeRequest, mut kvs: Vec<KeyValue>) -> RangeResponse {
    let count = kvs.len() as i64;
    if request.count_only {
        return RangeResponse { count, ..RangeResponse::default() };
    }
    let inside = |number: i64, min: i64, max: i64| {
        (min == 0 || number >= min) && (max == 0 || number <= max)
    };
    kvs.retain(|kv| {
        inside(kv.mod_revision, request.min_mod_revision, request.max_mod_revision)
            && inside(kv.create_revision, request.min_create_revision, request.max_create_revision)
    });
    sort(request, &mut kvs);
    let limit = usize::try_from(request.limit).unwrap_or(0);
    let more = limit > 0 && kvs.len() > limit;
    if more {
        kvs.truncate(limit);
    }
    if request.keys_only {
        kvs.iter_mut().for_each(|kv| (kv.value, kv.lease) = (Bytes::new(), 0));
    }
    RangeResponse { header: None, kvs, more, count }
}

fn sort(request: &RangeRequest, kvs: &mut [KeyValue]) {
    let (target, order) = (request.sort_target(), request.sort_order());
    // Keys are in order already; another target without an order means ascending.
    if target == SortTarget::Key && order != SortOrder::Descend {
        return;
    }
    kvs.sort_by(|a, b| match target {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    });
    if order == SortOrder::Descend {
        kvs.reverse();
    }
}

/// Whether two answers say the same. Headers are not compared; nor is the lease of a pair without a
/// value, which is what an answer with keys only consists of: minor versions differ there.
#[must_use]
pub fn same_reply(expected: &Reply, found: &Reply) -> bool {
    match (expected, found) {
        (Reply::Range(a), Reply::Range(b)) => same_range(a, b),
        (Reply::Put(a), Reply::Put(b)) => a.prev_kv == b.prev_kv,
        (Reply::Delete(a), Reply::Delete(b)) => same_delete(a, b),
        (Reply::Txn(a), Reply::Txn(b)) => same_txn(a, b),
        (Reply::Compact, Reply::Compact) | (Reply::Revoke, Reply::Revoke) => true,
        _ => false,
    }
}

fn same_range(a: &RangeResponse, b: &RangeResponse) -> bool {
    a.count == b.count && a.more == b.more && same_kvs(&a.kvs, &b.kvs)
}

/// Whether two lists hold the same pairs.
#[must_use]
pub fn same_kvs(a: &[KeyValue], b: &[KeyValue]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_kv(a, b))
}

fn same_kv(a: &KeyValue, b: &KeyValue) -> bool {
    let without = |kv: &KeyValue| (kv.create_revision, kv.mod_revision, kv.version);
    a == b || a.value.is_empty() && b.value.is_empty() && a.key == b.key && without(a) == without(b)
}

fn same_delete(a: &DeleteRangeResponse, b: &DeleteRangeResponse) -> bool {
    a.deleted == b.deleted && a.prev_kvs == b.prev_kvs
}

fn same_txn(a: &TxnResponse, b: &TxnResponse) -> bool {
    let pairs = || a.responses.iter().zip(&b.responses);
    a.succeeded == b.succeeded
        && a.responses.len() == b.responses.len()
        && pairs().all(|(a, b)| match (&a.response, &b.response) {
            (Some(Response::ResponseRange(a)), Some(Response::ResponseRange(b))) => {
                same_range(a, b)
            }
            (Some(Response::ResponsePut(a)), Some(Response::ResponsePut(b))) => {
                a.prev_kv == b.prev_kv
            }
            (Some(Response::ResponseDeleteRange(a)), Some(Response::ResponseDeleteRange(b))) => {
                same_delete(a, b)
            }
            (Some(Response::ResponseTxn(a)), Some(Response::ResponseTxn(b))) => same_txn(a, b),
            (None, None) => true,
            _ => false,
        })
}
