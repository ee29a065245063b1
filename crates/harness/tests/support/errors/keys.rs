//! Errors about keys, leases and alarms.

use client::grpc::etcdserverpb::kv_client::KvClient;
use proto::error::Error as Known;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request as Op;
use proto::etcdserverpb::{
    AlarmRequest, AlarmType, CompactionRequest, DeleteRangeRequest, LeaseGrantRequest,
    LeaseRevokeRequest, PutRequest, RangeRequest, RangeResponse, RequestOp, StatusRequest,
    TxnRequest,
};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

use super::Provoking;

fn range() -> RangeRequest {
    RangeRequest { key: "k".into(), ..RangeRequest::default() }
}

fn put(key: &'static str) -> PutRequest {
    PutRequest { key: key.into(), ..PutRequest::default() }
}

fn txn(ops: impl IntoIterator<Item = Op>) -> TxnRequest {
    let success = ops.into_iter().map(|op| RequestOp { request: Some(op) }).collect();
    TxnRequest { success, ..TxnRequest::default() }
}

pub async fn ranges_and_writes(to: &mut Provoking) {
    let mut kv = to.api.kv.clone();
    for _ in 0..3 {
        to.api.put(b"k", b"v").await.unwrap();
    }
    let empty = kv.range(RangeRequest::default()).await;
    to.fails("a range without a key", Known::EmptyKey, empty);
    to.fails("a put without a key", Known::EmptyKey, kv.put(put("")).await);
    let delete = DeleteRangeRequest::default();
    to.fails("a delete without a key", Known::EmptyKey, kv.delete_range(delete).await);
    let keep = PutRequest { ignore_value: true, ..put("absent") };
    to.fails("the value of no key", Known::KeyNotFound, kv.put(keep).await);
    let both = PutRequest { ignore_value: true, value: "v".into(), ..put("k") };
    to.fails("two values", Known::ValueProvided, kv.put(both).await);
    let both = PutRequest { ignore_lease: true, lease: 7, ..put("k") };
    to.fails("two leases", Known::LeaseProvided, kv.put(both).await);
    let leased = PutRequest { lease: 7, ..put("k") };
    to.fails("a put with no such lease", Known::LeaseNotFound, kv.put(leased).await);
    let large = PutRequest { value: vec![b'v'; 100_000].into(), ..put("k") };
    to.fails("a large put", Known::RequestTooLarge, kv.put(large).await);

    let many = txn((0..129).map(|_| Op::RequestRange(range())));
    to.fails("129 operations", Known::TooManyOps, kv.txn(many).await);
    let twice = txn([Op::RequestPut(put("k")), Op::RequestPut(put("k"))]);
    to.fails("a key put twice", Known::DuplicateKey, kv.txn(twice).await);
    let nothing = TxnRequest { success: vec![RequestOp::default()], ..TxnRequest::default() };
    to.fails("no operation", Known::KeyNotFound, kv.txn(nothing).await);

    let future = RangeRequest { revision: 1000, ..range() };
    to.fails("a range to come", Known::FutureRev, kv.range(future).await);
    let compaction = CompactionRequest { revision: 3, physical: false };
    kv.compact(compaction).await.unwrap();
    to.fails("a compaction again", Known::Compacted, kv.compact(compaction).await);
    let future = CompactionRequest { revision: 1000, physical: false };
    to.fails("a compaction to come", Known::FutureRev, kv.compact(future).await);
    let past = RangeRequest { revision: 2, ..range() };
    to.fails("a range of the past", Known::Compacted, kv.range(past).await);

    let sort = RangeRequest { sort_order: 9, ..range() };
    to.fails_later("an unknown order", Known::InvalidSortOption, kv.range(sort).await);
    // 3.5 dies of it.
    if to.minor > 5 {
        let bad = with_bad_version(to).await;
        to.fails_later("a version that is no text", Known::InvalidClientApiVersion, bad);
    }
    let sorted = RangeRequest {
        sort_order: SortOrder::Descend.into(),
        sort_target: SortTarget::Mod.into(),
        ..range()
    };
    let sorted = kv.range_stream(sorted).await;
    to.fails_later("a stream in another order", Known::RangeStreamSortOrder, sorted);
    let filtered = kv.range_stream(RangeRequest { min_mod_revision: 1, ..range() }).await;
    to.fails_later("a stream with filters", Known::RangeStreamRevisionFilter, filtered);
}

/// A call over a connection that says nothing of its own about the client's version.
async fn with_bad_version(to: &Provoking) -> Result<Response<RangeResponse>, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", to.endpoint)).unwrap();
    let mut kv = KvClient::new(endpoint.connect().await.unwrap());
    let mut request = Request::new(range());
    let version = AsciiMetadataValue::try_from(&b"\xff"[..]).unwrap();
    request.metadata_mut().insert("client-api-version", version);
    kv.range(request).await
}

pub async fn leases(to: &mut Provoking) {
    let mut lease = to.api.lease.clone();
    let revoke = LeaseRevokeRequest { id: 7 };
    to.fails("the end of no lease", Known::LeaseNotFound, lease.lease_revoke(revoke).await);
    let grant = LeaseGrantRequest { id: 5, ttl: 100 };
    lease.lease_grant(grant).await.unwrap();
    to.fails("a lease again", Known::LeaseExist, lease.lease_grant(grant).await);
    let endless = LeaseGrantRequest { id: 6, ttl: 9_000_000_001 };
    to.fails("an endless lease", Known::LeaseTtlTooLarge, lease.lease_grant(endless).await);
}

pub async fn alarms(to: &mut Provoking) {
    let mut maintenance = to.api.maintenance.clone();
    let status = maintenance.status(StatusRequest {}).await.unwrap().into_inner();
    let member_id = status.header.unwrap().member_id;
    for (alarm, known) in
        [(AlarmType::Nospace, Known::NoSpace), (AlarmType::Corrupt, Known::Corrupt)]
    {
        let set = |action: AlarmAction| AlarmRequest {
            action: action.into(),
            member_id,
            alarm: alarm.into(),
        };
        maintenance.alarm(set(AlarmAction::Activate)).await.unwrap();
        let refused = to.api.kv.clone().put(put("k")).await;
        to.fails("a put while there is an alarm", known, refused);
        let refused = to.api.lease.clone().lease_grant(LeaseGrantRequest { id: 0, ttl: 100 }).await;
        to.fails("a lease while there is an alarm", known, refused);
        maintenance.alarm(set(AlarmAction::Deactivate)).await.unwrap();
    }
}
