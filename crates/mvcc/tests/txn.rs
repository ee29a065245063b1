//! Transactions: what is refused and when, what is answered, and how deep they nest.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use mvcc::{Counts, Error, Ranges};
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use proto::twin::{Response, TxnResponse};
use support::Stand;
use types::LeaseId;

fn put(key: &'static str) -> PutRequest {
    PutRequest { key: key.into(), value: "value".into(), ..PutRequest::default() }
}

fn delete(key: &'static str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key.into(), ..DeleteRangeRequest::default() }
}

fn range(key: &'static str) -> RangeRequest {
    RangeRequest { key: key.into(), ..RangeRequest::default() }
}

fn op(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn txn(ops: Vec<Request>) -> TxnRequest {
    TxnRequest { success: ops.into_iter().map(op).collect(), ..TxnRequest::default() }
}

fn run(stand: &mut Stand, request: &TxnRequest) -> Result<TxnResponse, Error> {
    let lease_exists = |id| id == LeaseId(7);
    let applied = stand.store.txn(&mut stand.backend, request, &lease_exists, Ranges::Execute);
    applied.map(|applied| applied.response)
}

fn with_keys(keys: &[&'static str]) -> Stand {
    let mut stand = Stand::new();
    for key in keys {
        stand.store.put(&mut stand.backend, &put(key), &|_| true).unwrap();
    }
    stand
}

#[test]
fn the_first_operation_that_does_not_fit_decides_the_error() {
    let mut stand = with_keys(&["key"]);
    let future = RangeRequest { revision: 3, ..range("key") };
    let leased = PutRequest { lease: 9, ..put("other") };
    let keeping = PutRequest { ignore_value: true, lease: 9, ..put("missing") };
    let kept = PutRequest { ignore_lease: true, ..put("missing") };

    let request = txn(vec![Request::RequestPut(put("a")), Request::RequestRange(future.clone())]);
    assert!(matches!(run(&mut stand, &request), Err(Error::FutureRevision)));
    let request =
        txn(vec![Request::RequestPut(leased.clone()), Request::RequestRange(future.clone())]);
    assert!(matches!(run(&mut stand, &request), Err(Error::LeaseNotFound)));
    let request = txn(vec![Request::RequestPut(keeping)]);
    assert!(matches!(run(&mut stand, &request), Err(Error::LeaseNotFound)));
    let request = txn(vec![Request::RequestPut(kept)]);
    assert!(matches!(run(&mut stand, &request), Err(Error::KeyNotFound)));
    // In the branch that is not taken, and in one nested into it, everything may be wrong.
    let nested = txn(vec![Request::RequestRange(future)]);
    let request = TxnRequest {
        failure: vec![op(Request::RequestPut(leased)), op(Request::RequestTxn(nested))],
        ..TxnRequest::default()
    };
    assert!(run(&mut stand, &request).unwrap().succeeded);
    assert_eq!(stand.store.revision(), 2);
}

#[test]
fn a_range_of_a_transaction_may_not_name_the_revision_that_it_makes() {
    let mut stand = with_keys(&["key"]);
    let own = RangeRequest { revision: 3, ..range("key") };
    let request = txn(vec![Request::RequestPut(put("key")), Request::RequestRange(own)]);
    assert!(matches!(run(&mut stand, &request), Err(Error::FutureRevision)));
    let current = RangeRequest { revision: 2, ..range("new") };
    let request = txn(vec![
        Request::RequestPut(put("new")),
        Request::RequestRange(current),
        Request::RequestRange(range("new")),
    ]);
    let response = run(&mut stand, &request).unwrap();
    let counts: Vec<i64> = response
        .responses
        .iter()
        .filter_map(|response| match &response.response {
            Some(Response::ResponseRange(range)) => Some(range.count),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [0, 1], "the old revision lacks the key, the present one has it");
}

#[test]
fn negative_revisions_are_checked_against_the_compact_revision() {
    let mut stand = with_keys(&["key"]);
    let at = |revision| txn(vec![Request::RequestRange(RangeRequest { revision, ..range("key") })]);
    assert!(run(&mut stand, &at(-1)).is_ok());
    assert!(matches!(run(&mut stand, &at(-2)), Err(Error::Compacted)));
    assert_eq!(
        stand.view().range(&RangeRequest { revision: -2, ..range("key") }).unwrap().count,
        1
    );
}

#[test]
fn a_failure_behind_a_write_takes_everything_back() {
    let mut stand = with_keys(&["key", "other"]);
    let keeping = PutRequest { ignore_value: true, ..put("key") };
    let request = txn(vec![
        Request::RequestPut(put("new")),
        Request::RequestDeleteRange(delete("key")),
        Request::RequestPut(keeping),
    ]);
    let records = stand.record_count();
    assert!(matches!(run(&mut stand, &request), Err(Error::KeyNotFound)));
    assert_eq!(stand.record_count(), records);
    assert_eq!(stand.store.revision(), 3);
    let view = stand.view();
    assert_eq!(view.live_keys(), 2);
    assert!(view.get(b"key", 0).unwrap().is_some());
    run(&mut stand, &txn(vec![Request::RequestPut(put("new"))])).unwrap();
    assert_eq!(stand.store.revision(), 4);
}

#[test]
fn a_transaction_that_changes_nothing_makes_no_revision() {
    let mut stand = with_keys(&["key"]);
    let request = txn(vec![
        Request::RequestDeleteRange(delete("missing")),
        Request::RequestRange(range("key")),
    ]);
    let response = run(&mut stand, &request).unwrap();
    assert_eq!(response.header.unwrap().revision, 2);
    assert_eq!(stand.store.revision(), 2);
}

#[test]
fn the_revisions_in_answers_are_those_that_go_gives() {
    let mut stand = with_keys(&["key"]);
    let request = txn(vec![
        Request::RequestRange(range("key")),
        Request::RequestDeleteRange(delete("missing")),
        Request::RequestTxn(txn(vec![Request::RequestPut(put("new"))])),
        Request::RequestRange(range("key")),
    ]);
    let response = run(&mut stand, &request).unwrap();
    let revisions: Vec<i64> = response
        .responses
        .iter()
        .map(|response| match response.response.as_ref().unwrap() {
            Response::ResponseRange(range) => range.header.unwrap().revision,
            Response::ResponsePut(put) => put.header.unwrap().revision,
            Response::ResponseDeleteRange(delete) => delete.header.unwrap().revision,
            Response::ResponseTxn(txn) => txn.header.unwrap().revision,
        })
        .collect();
    assert_eq!(revisions, [2, 2, 0, 3]);
    assert_eq!(response.header.unwrap().revision, 3);
}

#[test]
fn compares_of_values_and_leases_that_are_not_there() {
    let mut stand = with_keys(&["key"]);
    let holds =
        |stand: &mut Stand, target, result, union: Option<TargetUnion>, key: &'static str| {
            let compare = Compare {
                result: result as i32,
                target,
                key: key.into(),
                range_end: Bytes::new(),
                target_union: union,
            };
            let request = TxnRequest { compare: vec![compare], ..TxnRequest::default() };
            run(stand, &request).unwrap().succeeded
        };
    let value = CompareTarget::Value as i32;
    let lease = CompareTarget::Lease as i32;
    let (equal, not_equal) = (CompareResult::Equal, CompareResult::NotEqual);
    let is = |text: &'static str| Some(TargetUnion::Value(text.into()));
    assert!(!holds(&mut stand, value, equal, is(""), "missing"));
    assert!(!holds(&mut stand, value, not_equal, is("x"), "missing"));
    assert!(holds(&mut stand, lease, equal, Some(TargetUnion::Lease(0)), "missing"));
    assert!(holds(&mut stand, value, equal, is("value"), "key"));
    assert!(holds(&mut stand, value, CompareResult::Greater, None, "key"));
    // What was given is not the target's: it counts as zero.
    let version = CompareTarget::Version as i32;
    assert!(holds(&mut stand, version, CompareResult::Greater, is("9"), "key"));
    // A target of the future is equal to everything.
    assert!(holds(&mut stand, 99, equal, None, "key"));
    assert!(!holds(&mut stand, 99, not_equal, None, "missing"));
}

#[test]
fn ranges_that_nobody_waits_for_are_checked_and_skipped() {
    let mut stand = with_keys(&["key"]);
    let request = txn(vec![Request::RequestPut(put("new")), Request::RequestRange(range("key"))]);
    let store = &mut stand.store;
    let applied = store.txn(&mut stand.backend, &request, &|_| true, Ranges::Skip).unwrap();
    let Some(Response::ResponseRange(answer)) = &applied.response.responses[1].response else {
        panic!("{:?}", applied.response)
    };
    assert_eq!((answer.header.unwrap().revision, answer.count, answer.kvs.len()), (3, 0, 0));
    let request = txn(vec![
        Request::RequestPut(put("new")),
        Request::RequestRange(RangeRequest { revision: 9, ..range("key") }),
    ]);
    let refused = store.txn(&mut stand.backend, &request, &|_| true, Ranges::Skip);
    assert!(matches!(refused, Err(Error::FutureRevision)));
}

/// The limit of what can be decoded: each transaction is two messages deep.
const DEPTH: u32 = proto::NESTING_MAX / 2 - 1;

#[test]
fn the_deepest_transaction_fits_into_half_a_threads_stack() {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let mut request = txn(vec![Request::RequestPut(put("new"))]);
        for _ in 0..DEPTH {
            request = txn(vec![Request::RequestTxn(request), Request::RequestRange(range("new"))]);
        }
        let mut stand = Stand::new();
        let response = run(&mut stand, &request).unwrap();
        assert_eq!(stand.view().txn(&deep_reads()).unwrap().response.responses.len(), 1);
        response
    });
    let mut response = &thread.unwrap().join().unwrap();
    for _ in 0..DEPTH {
        let [nested, last] = &response.responses[..] else { panic!("{response:?}") };
        let Some(Response::ResponseRange(seen)) = &last.response else { panic!("{last:?}") };
        assert_eq!(seen.count, 1);
        let Some(Response::ResponseTxn(nested)) = &nested.response else { panic!("{nested:?}") };
        response = nested;
    }
}

fn deep_reads() -> TxnRequest {
    let mut request = txn(vec![Request::RequestRange(range("new"))]);
    for _ in 0..DEPTH {
        request = txn(vec![Request::RequestTxn(request)]);
    }
    request
}

#[test]
fn keys_of_a_lease_go_in_one_revision() {
    let mut stand = with_keys(&["a", "b", "c"]);
    let keys = ["a".into(), "missing".into(), "c".into()];
    let applied = stand.store.delete_keys(&mut stand.backend, &keys);
    assert_eq!(applied.response, 5);
    assert_eq!(applied.changes.len(), 2);
    let events: Vec<_> = stand.view().events(5, 5).unwrap().map(Result::unwrap).collect();
    let revisions: Vec<_> = events.iter().map(|event| event.revision.sub).collect();
    assert_eq!(revisions, [0, 1]);
    assert_eq!(stand.store.delete_keys(&mut stand.backend, &keys).response, 5);
}

#[test]
fn what_was_done_is_counted_as_go_counts_it() {
    let mut stand = with_keys(&["key"]);
    let with_prev = PutRequest { prev_kv: true, ..put("key") };
    let applied = stand.store.put(&mut stand.backend, &with_prev, &|_| true).unwrap();
    let expected = Counts { ranges: 1, puts: 1, deletes: 0, put_bytes: 8, txns: 1 };
    assert_eq!(applied.counts, expected);
    let applied = stand.store.put(&mut stand.backend, &put("key"), &|_| true).unwrap();
    assert_eq!(applied.counts, Counts { ranges: 0, txns: 0, ..expected });
    let request = TxnRequest {
        compare: vec![Compare { key: "key".into(), ..Compare::default() }],
        failure: vec![op(Request::RequestPut(put("key"))), op(Request::RequestRange(range("key")))],
        ..TxnRequest::default()
    };
    let store = &mut stand.store;
    let applied = store.txn(&mut stand.backend, &request, &|_| true, Ranges::Execute).unwrap();
    let expected = Counts { ranges: 2, puts: 1, deletes: 0, put_bytes: 8, txns: 1 };
    assert_eq!(applied.counts, expected);
}
