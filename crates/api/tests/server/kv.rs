//! Keys: answers, headers, refusals, streams.

use api::{Read, Service};
use apply::Quota;
use proto::error::Error as Known;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{self as pb, AlarmType, RequestOp};
use proto::twin;

use crate::running::{Running, chunks, kvs, nobody, pairs, range, refusal};

fn put_op(key: &str) -> RequestOp {
    let put = pb::PutRequest { key: key.to_owned().into(), ..pb::PutRequest::default() };
    RequestOp { request: Some(Request::RequestPut(put)) }
}

fn range_op(key: &str, range_end: &str) -> RequestOp {
    RequestOp { request: Some(Request::RequestRange(range(key, range_end))) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_header_of_its_revision() {
    let member = Running::start("headers").await;
    let status = member.status(&nobody(), pb::StatusRequest {}).await.unwrap();
    let of_member = status.header.unwrap();
    assert_eq!((of_member.revision, of_member.member_id), (1, status.leader));
    assert!(of_member.cluster_id != 0 && of_member.raft_term > 0);
    let expected = |revision| Some(pb::ResponseHeader { revision, ..of_member });

    let put = pb::PutRequest { key: "a".into(), value: "1".into(), ..Default::default() };
    let put = member.put(&nobody(), put).await.unwrap();
    assert_eq!(put.header, expected(2));
    let txn = pb::TxnRequest { success: vec![put_op("b"), put_op("c")], ..Default::default() };
    let txn = member.txn(&nobody(), txn).await.unwrap();
    assert_eq!((txn.header, txn.succeeded), (expected(3), true));
    let answer = member.range(&nobody(), range("a", "\0")).await.unwrap();
    assert_eq!((answer.header, answer.count), (expected(3), 3));
    assert_eq!(kvs(&answer.kvs), pairs(&[("a", "1"), ("b", ""), ("c", "")]));
    let read = pb::TxnRequest { success: vec![range_op("a", "c")], ..Default::default() };
    let read = member.txn(&nobody(), read).await.unwrap();
    assert_eq!(read.header, expected(3));
    let Some(twin::Response::ResponseRange(inner)) = &read.responses[0].response else {
        panic!("{read:?}")
    };
    assert_eq!(inner.count, 2);
    let delete = pb::DeleteRangeRequest { key: "none".into(), ..Default::default() };
    let delete = member.delete_range(&nobody(), delete).await.unwrap();
    assert_eq!((delete.header, delete.deleted), (expected(3), 0));
    let delete = pb::DeleteRangeRequest { key: "b".into(), range_end: "\0".into(), prev_kv: true };
    let delete = member.delete_range(&nobody(), delete).await.unwrap();
    assert_eq!((delete.header, delete.deleted), (expected(4), 2));
    assert_eq!(kvs(&delete.prev_kvs), pairs(&[("b", ""), ("c", "")]));
    let compact = member.compact_at(3).await.unwrap();
    assert_eq!(compact.header, expected(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_refused_in_etcd_s_words() {
    let member = Running::start("refusals").await;
    for _ in 0..4 {
        member.set("a", "1").await;
    }
    member.compact_at(4).await.unwrap();
    assert_eq!(refusal(member.compact_at(4).await), Some(Known::Compacted));
    assert_eq!(refusal(member.compact_at(9).await), Some(Known::FutureRev));
    for (revision, expected) in
        [(3, Some(Known::Compacted)), (4, None), (6, Some(Known::FutureRev))]
    {
        for serializable in [false, true] {
            for range_end in ["", "\0"] {
                let request = pb::RangeRequest { revision, serializable, ..range("a", range_end) };
                let answer = member.range(&nobody(), request.clone()).await;
                assert_eq!(refusal(answer), expected, "{revision}");
                let stream = member.range_stream(&nobody(), request).await.unwrap();
                assert_eq!(refusal(chunks(stream).await), expected, "{revision}");
            }
        }
    }
    let unnamed = member.range(&nobody(), range("", "b")).await;
    assert_eq!(refusal(unnamed), Some(Known::EmptyKey));
    let put = pb::PutRequest { key: "a".into(), lease: 77, ..Default::default() };
    assert_eq!(refusal(member.put(&nobody(), put).await), Some(Known::LeaseNotFound));
    let put = pb::PutRequest { key: "b".into(), ignore_value: true, ..Default::default() };
    assert_eq!(refusal(member.put(&nobody(), put).await), Some(Known::KeyNotFound));
    let big =
        pb::PutRequest { key: "a".into(), value: vec![0; 2 << 20].into(), ..Default::default() };
    assert_eq!(refusal(member.put(&nobody(), big).await), Some(Known::RequestTooLarge));
    let twice = pb::TxnRequest { success: vec![put_op("a"), put_op("a")], ..Default::default() };
    assert_eq!(refusal(member.txn(&nobody(), twice).await), Some(Known::DuplicateKey));
    assert_eq!(member.try_read(Read::Linearizable).await, Ok(()));
    assert_eq!(member.try_read(Read::Serializable).await, Ok(()));
}

/// Writes `count` keys of ten digits.
async fn fill(member: &Running, count: usize) {
    let mut number = 0;
    while number < count {
        let keys = (number..count).take(128);
        let success: Vec<_> = keys.map(|number| put_op(&format!("{number:010}"))).collect();
        number += success.len();
        let txn = pb::TxnRequest { success, ..Default::default() };
        member.txn(&nobody(), txn).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_ranges_and_streams_give_every_key_once() {
    let member = Running::start("large").await;
    fill(&member, 3000).await;
    let whole = member.range(&nobody(), range("\0", "\0")).await.unwrap();
    assert_eq!((whole.kvs.len(), whole.count, whole.more), (3000, 3000, false));
    let page = pb::RangeRequest { limit: 2000, ..range("\0", "\0") };
    let page = member.range(&nobody(), page).await.unwrap();
    assert_eq!((page.kvs.len(), page.count, page.more), (2000, 3000, true));
    let revision = whole.header.unwrap().revision;
    member.set("0000000001", "later").await;
    let earlier = pb::RangeRequest { revision, ..range("\0", "\0") };
    assert_eq!(member.range(&nobody(), earlier).await.unwrap().kvs, whole.kvs);

    for (limit, count, more) in [(0, 3000, false), (1500, 1500, true), (3000, 3000, false)] {
        let request = pb::RangeRequest { limit, revision, ..range("\0", "\0") };
        let stream = member.range_stream(&nobody(), request).await.unwrap();
        let all = chunks(stream).await.unwrap();
        let (last, before) = all.split_last().unwrap();
        assert!(all.len() > 3, "{} chunks", all.len());
        assert!(before.iter().all(|chunk| chunk.header.is_none() && chunk.count == 0));
        let header = last.header.unwrap();
        assert_eq!(header.revision, revision + 1);
        assert_eq!(header.member_id, whole.header.unwrap().member_id);
        assert_eq!((last.more, last.count), (more, 3000));
        let streamed: Vec<_> = all.iter().flat_map(|chunk| chunk.kvs.clone()).collect();
        assert_eq!(streamed, whole.kvs[..count]);
    }
    let count = pb::RangeRequest { count_only: true, ..range("\0", "\0") };
    let stream = member.range_stream(&nobody(), count).await.unwrap();
    let all = chunks(stream).await.unwrap();
    assert_eq!((all.len(), all[0].count), (1, 3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_stays_at_its_revision_while_keys_change() {
    let member = Running::start("pinned").await;
    fill(&member, 500).await;
    let mut stream = member.range_stream(&nobody(), range("\0", "\0")).await.unwrap();
    let first = stream.next().await.unwrap().unwrap().range_response.unwrap();
    for number in 0..500 {
        let key = format!("{number:010}");
        let delete = pb::DeleteRangeRequest { key: key.into(), ..Default::default() };
        member.delete_range(&nobody(), delete).await.unwrap();
    }
    let rest = chunks(stream).await.unwrap();
    let keys = first.kvs.len() + rest.iter().map(|chunk| chunk.kvs.len()).sum::<usize>();
    assert_eq!((keys, rest.last().unwrap().count), (500, 500));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_refuses_what_makes_it_grow() {
    let member = Running::with_quota("full", Quota::Bytes(1 << 20)).await;
    member.set("small", "").await;
    let big = || pb::PutRequest {
        key: "big".into(),
        value: vec![0; 1 << 19].into(),
        ..Default::default()
    };
    let mut refused = None;
    for _ in 0..4 {
        refused = refusal(member.put(&nobody(), big()).await);
        if refused.is_some() {
            break;
        }
    }
    assert_eq!(refused, Some(Known::NoSpace));
    assert_eq!(refusal(member.put(&nobody(), big()).await), Some(Known::NoSpace));
    let nested = pb::TxnRequest { success: vec![put_op("b")], ..Default::default() };
    let nested = RequestOp { request: Some(Request::RequestTxn(nested)) };
    let txn = pb::TxnRequest { success: vec![nested], ..Default::default() };
    assert_eq!(refusal(member.txn(&nobody(), txn).await), Some(Known::NoSpace));
    let grant = pb::LeaseGrantRequest { ttl: 60, id: 1 };
    assert_eq!(refusal(member.lease_grant(&nobody(), grant).await), Some(Known::NoSpace));

    let status = member.status(&nobody(), pb::StatusRequest {}).await.unwrap();
    assert_eq!(status.errors, [format!("memberID:{} alarm:NOSPACE ", status.leader)]);
    assert_eq!(member.health().alarms, ["NOSPACE"]);
    assert_eq!(member.get("small", "").await, pairs(&[("small", "")]));
    let delete = pb::DeleteRangeRequest { key: "big".into(), ..Default::default() };
    assert_eq!(member.delete_range(&nobody(), delete).await.unwrap().deleted, 1);
    let get = pb::AlarmRequest::default();
    let alarms = member.alarm(&nobody(), get).await.unwrap().alarms;
    let expected = pb::AlarmMember { member_id: status.leader, alarm: AlarmType::Nospace.into() };
    assert_eq!(alarms, [expected]);
}
