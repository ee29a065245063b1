//! Which requests are refused, and as what.

use super::*;

fn put_op(key: &'static str) -> RequestOp {
    let put = PutRequest { key: key.into(), ..PutRequest::default() };
    RequestOp { request: Some(Request::RequestPut(put)) }
}

fn delete_op(key: &'static str, range_end: &'static str) -> RequestOp {
    let delete = DeleteRangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        ..DeleteRangeRequest::default()
    };
    RequestOp { request: Some(Request::RequestDeleteRange(delete)) }
}

fn branches(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> TxnRequest {
    TxnRequest { success, failure, ..TxnRequest::default() }
}

fn txn_op(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> RequestOp {
    RequestOp { request: Some(Request::RequestTxn(branches(success, failure))) }
}

fn nested(levels: usize) -> TxnRequest {
    (0..levels).fold(TxnRequest::default(), |inner, _| {
        branches(vec![RequestOp { request: Some(Request::RequestTxn(inner)) }], vec![])
    })
}

#[test]
fn a_transaction_may_hold_127_with_an_operation_and_128_of_them_are_too_many() {
    let with_put = |levels| {
        let mut txn = branches(vec![put_op("a")], vec![]);
        for _ in 0..levels {
            txn = branches(vec![RequestOp { request: Some(Request::RequestTxn(txn)) }], vec![]);
        }
        txn
    };
    assert_eq!(txn(&with_put(127), 128), Ok(()));
    assert_eq!(txn(&with_put(128), 128), Err(Known::TooManyOps));
    assert_eq!(txn(&nested(128), 128), Ok(()));
}

#[test]
fn the_longest_list_counts() {
    let ops = |count: usize| (0..count).map(|_| delete_op("a", "")).collect::<Vec<_>>();
    assert_eq!(txn(&branches(ops(128), ops(128)), 128), Ok(()));
    assert_eq!(txn(&branches(ops(1), ops(129)), 128), Err(Known::TooManyOps));
}

#[test]
fn overlapping_writes() {
    let cases = [
        (vec![put_op("a"), put_op("b")], Ok(())),
        (vec![put_op("a"), put_op("a")], Err(Known::DuplicateKey)),
        (vec![put_op("b"), delete_op("a", "c")], Err(Known::DuplicateKey)),
        (vec![put_op("c"), delete_op("a", "c")], Ok(())),
        (vec![delete_op("a", ""), delete_op("a", "")], Ok(())),
        // Go's rule: deleting from a key on is no range here.
        (vec![put_op("b"), delete_op("a", "\0")], Ok(())),
        (vec![txn_op(vec![put_op("a")], vec![put_op("a")])], Ok(())),
        (vec![put_op("a"), txn_op(vec![put_op("a")], vec![])], Err(Known::DuplicateKey)),
        (vec![txn_op(vec![], vec![put_op("a")]), delete_op("a", "")], Err(Known::DuplicateKey)),
        (vec![txn_op(vec![delete_op("a", "")], vec![put_op("a")])], Ok(())),
        (
            vec![txn_op(vec![put_op("a")], vec![]), txn_op(vec![], vec![put_op("a")])],
            Err(Known::DuplicateKey),
        ),
        (vec![txn_op(vec![delete_op("a", "c")], vec![]), put_op("b")], Err(Known::DuplicateKey)),
    ];
    for (number, (ops, expected)) in cases.into_iter().enumerate() {
        assert_eq!(txn(&branches(ops, vec![]), 128), expected, "case {number}");
    }
}

#[test]
fn faults_of_single_operations() {
    assert_eq!(range(&RangeRequest::default()), Err(Known::EmptyKey));
    let sorted = RangeRequest { key: "a".into(), sort_order: 9, ..RangeRequest::default() };
    assert_eq!(range(&sorted), Err(Known::InvalidSortOption));
    let kept = PutRequest { key: "a".into(), ignore_value: true, ..PutRequest::default() };
    assert_eq!(put(&kept), Ok(()));
    assert_eq!(put(&PutRequest { value: "v".into(), ..kept }), Err(Known::ValueProvided));
    let leased = PutRequest { key: "a".into(), ignore_lease: true, lease: 1, ..Default::default() };
    assert_eq!(put(&leased), Err(Known::LeaseProvided));
    let empty = RequestOp { request: None };
    assert_eq!(txn(&branches(vec![empty], vec![]), 128), Err(Known::KeyNotFound));
}

#[test]
fn a_stream_is_in_key_order() {
    let plain = RangeRequest { key: "a".into(), ..RangeRequest::default() };
    assert_eq!(range_stream(&plain), Ok(()));
    let unsorted = RangeRequest { sort_target: SortTarget::Mod.into(), ..plain.clone() };
    assert_eq!(range_stream(&unsorted), Ok(()));
    let target = RangeRequest { sort_order: SortOrder::Ascend.into(), ..unsorted };
    assert_eq!(range_stream(&target), Err(Known::RangeStreamSortOrder));
    let descending = RangeRequest { sort_order: SortOrder::Descend.into(), ..plain.clone() };
    assert_eq!(range_stream(&descending), Err(Known::RangeStreamSortOrder));
    let filtered = RangeRequest { max_mod_revision: 4, ..plain };
    assert_eq!(range_stream(&filtered), Err(Known::RangeStreamRevisionFilter));
}
