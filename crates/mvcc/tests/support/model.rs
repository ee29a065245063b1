//! The store done naively: every change ever made, every answer found by looking at all of them, the
//! way Go's code does it.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response;
use proto::etcdserverpb::*;
use proto::mvccpb::KeyValue;
use types::{KeyRange, LeaseId};

/// A change; a deletion has no pair.
#[derive(Clone, Debug)]
pub struct Change {
    pub main: i64,
    pub sub: i64,
    pub key: Bytes,
    pub kv: Option<KeyValue>,
}

/// A refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    Compacted,
    FutureRevision,
    KeyNotFound,
    LeaseNotFound,
}

impl From<mvcc::Error> for Refusal {
    fn from(error: mvcc::Error) -> Self {
        match error {
            mvcc::Error::Compacted => Self::Compacted,
            mvcc::Error::FutureRevision => Self::FutureRevision,
            mvcc::Error::KeyNotFound => Self::KeyNotFound,
            mvcc::Error::LeaseNotFound => Self::LeaseNotFound,
            mvcc::Error::Backend(error) => panic!("{error}"),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Model {
    pub changes: BTreeMap<Bytes, Vec<Change>>,
    pub revision: i64,
    pub compacted: i64,
    /// Of the transaction in progress.
    sub: i64,
}

/// The leases that are there.
pub fn is_lease(id: LeaseId) -> bool {
    id.get() == 7 || id.get() == -8
}

impl Model {
    pub fn new() -> Self {
        Self { changes: BTreeMap::new(), revision: 1, compacted: -1, sub: 0 }
    }

    pub fn get(&self, key: &[u8], at: i64) -> Option<KeyValue> {
        let newest = self.changes.get(key)?.iter().rev().find(|change| change.main <= at)?;
        newest.kv.clone()
    }

    fn all(&self, key: &Bytes, range_end: &Bytes, at: i64) -> Vec<KeyValue> {
        let range = KeyRange::parse(key.clone(), range_end.clone());
        let keys = self.changes.keys().filter(|key| range.contains(key));
        keys.filter_map(|key| self.get(key, at)).collect()
    }

    fn now(&self) -> i64 {
        self.revision + i64::from(self.sub > 0)
    }

    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, Refusal> {
        let now = self.now();
        if request.revision > now {
            return Err(Refusal::FutureRevision);
        }
        let at = if request.revision <= 0 { now } else { request.revision };
        if at < self.compacted {
            return Err(Refusal::Compacted);
        }
        let mut kvs = self.all(&request.key, &request.range_end, at);
        let mut response = RangeResponse {
            header: header(now),
            count: kvs.len() as i64,
            ..RangeResponse::default()
        };
        if request.count_only {
            return Ok(response);
        }
        let (target, order) = (request.sort_target(), request.sort_order());
        let mut limit = request.limit;
        let filters = [
            request.min_mod_revision,
            request.max_mod_revision,
            request.min_create_revision,
            request.max_create_revision,
        ];
        if !is_default(target, order) || filters != [0; 4] {
            limit = 0;
        }
        if limit > 0 {
            kvs.truncate(limit as usize + 1);
        }
        if request.keys_only && target != SortTarget::Value {
            kvs.iter_mut().for_each(|kv| {
                kv.value = Bytes::new();
                kv.lease = 0;
            });
        }
        let [min_mod, max_mod, min_create, max_create] = filters;
        kvs.retain(|kv| max_mod == 0 || kv.mod_revision <= max_mod);
        kvs.retain(|kv| min_mod == 0 || kv.mod_revision >= min_mod);
        kvs.retain(|kv| max_create == 0 || kv.create_revision <= max_create);
        kvs.retain(|kv| min_create == 0 || kv.create_revision >= min_create);
        sort(&mut kvs, target, order);
        if request.limit > 0 && kvs.len() > request.limit as usize {
            kvs.truncate(request.limit as usize);
            response.more = true;
        }
        if request.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value = Bytes::new());
        }
        response.kvs = kvs;
        Ok(response)
    }

    fn check_range(&self, request: &RangeRequest) -> Result<(), Refusal> {
        match request.revision {
            0 => Ok(()),
            revision if revision > self.revision => Err(Refusal::FutureRevision),
            revision if revision < self.compacted => Err(Refusal::Compacted),
            _ => Ok(()),
        }
    }

    fn check_put(&self, request: &PutRequest) -> Result<(), Refusal> {
        if request.lease != 0 && !is_lease(LeaseId(request.lease)) {
            return Err(Refusal::LeaseNotFound);
        }
        let keeps = request.ignore_value || request.ignore_lease;
        if keeps && self.get(&request.key, self.now()).is_none() {
            return Err(Refusal::KeyNotFound);
        }
        Ok(())
    }

    fn change(&mut self, key: &Bytes, kv: Option<KeyValue>) {
        let change = Change { main: self.revision + 1, sub: self.sub, key: key.clone(), kv };
        self.changes.entry(key.clone()).or_default().push(change);
        self.sub += 1;
    }

    fn end(&mut self) {
        self.revision = self.now();
        self.sub = 0;
    }

    fn put_in_txn(&mut self, request: &PutRequest) -> Result<PutResponse, Refusal> {
        let before = self.get(&request.key, self.now());
        let main = self.revision + 1;
        let mut kv = KeyValue {
            key: request.key.clone(),
            create_revision: before.as_ref().map_or(main, |kv| kv.create_revision),
            mod_revision: main,
            version: before.as_ref().map_or(0, |kv| kv.version) + 1,
            value: request.value.clone(),
            lease: request.lease,
        };
        if request.ignore_value {
            kv.value = before.as_ref().ok_or(Refusal::KeyNotFound)?.value.clone();
        }
        if request.ignore_lease {
            kv.lease = before.as_ref().ok_or(Refusal::KeyNotFound)?.lease;
        }
        self.change(&request.key, Some(kv));
        Ok(PutResponse { header: header(main), prev_kv: before.filter(|_| request.prev_kv) })
    }

    fn delete_in_txn(&mut self, request: &DeleteRangeRequest) -> DeleteRangeResponse {
        let kvs = self.all(&request.key, &request.range_end, self.now());
        for kv in &kvs {
            self.change(&kv.key, None);
        }
        DeleteRangeResponse {
            header: header(self.now()),
            deleted: kvs.len() as i64,
            prev_kvs: if request.prev_kv { kvs } else { Vec::new() },
        }
    }

    pub fn put(&mut self, request: &PutRequest) -> Result<PutResponse, Refusal> {
        self.check_put(request)?;
        let response = self.put_in_txn(request)?;
        self.end();
        Ok(response)
    }

    pub fn delete_range(&mut self, request: &DeleteRangeRequest) -> DeleteRangeResponse {
        let response = self.delete_in_txn(request);
        self.end();
        response
    }

    pub fn txn(
        &mut self,
        request: &TxnRequest,
        ranges: mvcc::Ranges,
    ) -> Result<TxnResponse, Refusal> {
        let before = self.clone();
        let result = before.check_txn(request).and_then(|()| self.run(request, &before, ranges));
        match result {
            Ok(mut response) => {
                self.end();
                response.header = header(self.revision);
                Ok(response)
            }
            Err(refusal) => {
                *self = before;
                Err(refusal)
            }
        }
    }

    fn check_txn(&self, request: &TxnRequest) -> Result<(), Refusal> {
        let ops = if self.holds(request) { &request.success } else { &request.failure };
        for op in ops {
            match op.request.as_ref().unwrap() {
                Request::RequestRange(range) => self.check_range(range)?,
                Request::RequestPut(put) => self.check_put(put)?,
                Request::RequestDeleteRange(_) => {}
                Request::RequestTxn(nested) => self.check_txn(nested)?,
            }
        }
        Ok(())
    }

    /// Compares see the state before the outermost transaction.
    fn run(
        &mut self,
        request: &TxnRequest,
        before: &Self,
        ranges: mvcc::Ranges,
    ) -> Result<TxnResponse, Refusal> {
        let succeeded = before.holds(request);
        let ops = if succeeded { &request.success } else { &request.failure };
        let mut responses = Vec::new();
        for op in ops {
            let response = match op.request.as_ref().unwrap() {
                Request::RequestRange(_) if ranges == mvcc::Ranges::Skip => {
                    let header = header(self.now());
                    Response::ResponseRange(RangeResponse { header, ..RangeResponse::default() })
                }
                Request::RequestRange(range) => Response::ResponseRange(self.range(range)?),
                Request::RequestPut(put) => Response::ResponsePut(self.put_in_txn(put)?),
                Request::RequestDeleteRange(delete) => {
                    Response::ResponseDeleteRange(self.delete_in_txn(delete))
                }
                Request::RequestTxn(nested) => {
                    Response::ResponseTxn(self.run(nested, before, ranges)?)
                }
            };
            responses.push(ResponseOp { response: Some(response) });
        }
        Ok(TxnResponse { header: header(0), succeeded, responses })
    }

    fn holds(&self, request: &TxnRequest) -> bool {
        request.compare.iter().all(|compare| {
            let kvs = self.all(&compare.key, &compare.range_end, self.revision);
            if kvs.is_empty() {
                let by_value = compare.target() == CompareTarget::Value;
                return !by_value && relates(compare, &KeyValue::default());
            }
            kvs.iter().all(|kv| relates(compare, kv))
        })
    }

    pub fn compact(&mut self, revision: i64) -> Result<(), Refusal> {
        if revision <= self.compacted {
            return Err(Refusal::Compacted);
        }
        if revision > self.revision {
            return Err(Refusal::FutureRevision);
        }
        self.compacted = revision;
        Ok(())
    }

    /// All changes in order.
    pub fn history(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = self.changes.values().flatten().cloned().collect();
        changes.sort_by_key(|change| (change.main, change.sub));
        changes
    }

    /// The changes that are left when all compactions have come to their end.
    pub fn surviving(&self) -> Vec<Change> {
        let mut changes = self.history();
        changes.retain(|change| {
            if change.main > self.compacted {
                return true;
            }
            let of_key = &self.changes[&change.key];
            let newest = of_key.iter().rev().find(|change| change.main <= self.compacted).unwrap();
            let is_newest = (newest.main, newest.sub) == (change.main, change.sub);
            is_newest && (change.kv.is_some() || change.main == self.compacted)
        });
        changes
    }

    /// The hash of the records up to a revision, by its definition (spec/schema.md 2.7).
    pub fn hash(&self, at: i64) -> u32 {
        let history = self.history();
        let shown = |change: &Change| {
            let newest = self.changes[&change.key].iter().rev().find(|other| other.main <= at);
            let newest = newest.unwrap();
            change.kv.is_some() && (newest.main, newest.sub) == (change.main, change.sub)
        };
        let any_shown = history.iter().any(|change| change.main <= at && shown(change));
        let mut hash = crc32c::crc32c(b"key");
        for change in history.iter().filter(|change| change.main <= at) {
            if change.main <= self.compacted && any_shown && !shown(change) {
                continue;
            }
            if change.main == self.compacted && change.kv.is_none() {
                continue;
            }
            let mut key =
                [&change.main.to_be_bytes()[..], b"_", &change.sub.to_be_bytes()].concat();
            let tombstone = KeyValue { key: change.key.clone(), ..KeyValue::default() };
            if change.kv.is_none() {
                key.push(b't');
            }
            let value = prost::Message::encode_to_vec(change.kv.as_ref().unwrap_or(&tombstone));
            hash = crc32c::crc32c_append(crc32c::crc32c_append(hash, &key), &value);
        }
        hash
    }
}

fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader { revision, ..ResponseHeader::default() })
}

fn is_default(target: SortTarget, order: SortOrder) -> bool {
    order == SortOrder::None || target == SortTarget::Key && order == SortOrder::Ascend
}

fn sort(kvs: &mut [KeyValue], target: SortTarget, order: SortOrder) {
    let order = match order {
        SortOrder::None if target != SortTarget::Key => SortOrder::Ascend,
        other => other,
    };
    if is_default(target, order) {
        return;
    }
    kvs.sort_by(|a, b| {
        let ascending = match target {
            SortTarget::Key => a.key.cmp(&b.key),
            SortTarget::Version => a.version.cmp(&b.version),
            SortTarget::Create => a.create_revision.cmp(&b.create_revision),
            SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
            SortTarget::Value => a.value.cmp(&b.value),
        };
        if order == SortOrder::Descend { ascending.reverse() } else { ascending }
    });
}

fn relates(compare: &Compare, kv: &KeyValue) -> bool {
    let number = |mine: i64, its: Option<i64>| mine.cmp(&its.unwrap_or(0));
    let given = &compare.target_union;
    let ordering = match (compare.target(), given) {
        (CompareTarget::Value, Some(TargetUnion::Value(value))) => kv.value.cmp(value),
        (CompareTarget::Value, _) => kv.value.cmp(&Bytes::new()),
        (CompareTarget::Version, Some(TargetUnion::Version(its))) => number(kv.version, Some(*its)),
        (CompareTarget::Version, _) => number(kv.version, None),
        (CompareTarget::Create, Some(TargetUnion::CreateRevision(its))) => {
            number(kv.create_revision, Some(*its))
        }
        (CompareTarget::Create, _) => number(kv.create_revision, None),
        (CompareTarget::Mod, Some(TargetUnion::ModRevision(its))) => {
            number(kv.mod_revision, Some(*its))
        }
        (CompareTarget::Mod, _) => number(kv.mod_revision, None),
        (CompareTarget::Lease, Some(TargetUnion::Lease(its))) => number(kv.lease, Some(*its)),
        (CompareTarget::Lease, _) => number(kv.lease, None),
    };
    match compare.result() {
        CompareResult::Equal => ordering.is_eq(),
        CompareResult::NotEqual => ordering.is_ne(),
        CompareResult::Greater => ordering.is_gt(),
        CompareResult::Less => ordering.is_lt(),
    }
}
