//! What the walk through a request yields, and what is told from it.

use super::*;
use crate::etcdserverpb::compare::TargetUnion;

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn range(key: &'static str, range_end: &'static str) -> RangeRequest {
    RangeRequest { key: bytes(key), range_end: bytes(range_end), ..Default::default() }
}

fn put(key: &'static str, value: &'static str) -> PutRequest {
    PutRequest { key: bytes(key), value: bytes(value), ..Default::default() }
}

fn delete(key: &'static str, range_end: &'static str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: bytes(key), range_end: bytes(range_end), prev_kv: false }
}

fn compare(key: &'static str, range_end: &'static str) -> Compare {
    let target_union = Some(TargetUnion::Version(0));
    Compare { key: bytes(key), range_end: bytes(range_end), target_union, ..Default::default() }
}

fn op(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn txn(success: Vec<Request>, failure: Vec<Request>) -> TxnRequest {
    let ops = |requests: Vec<Request>| requests.into_iter().map(op).collect();
    TxnRequest { compare: Vec::new(), success: ops(success), failure: ops(failure) }
}

/// The walk as text: what a reader of the request would expect, in order.
fn walk<'a>(op: impl Into<Op<'a>>) -> Vec<String> {
    let step = |step| match step {
        Step::Access(Access { kind, range, txn_depth }) => {
            let what = match kind {
                Kind::Range(_) => "range",
                Kind::Compare(_) => "compare",
                Kind::PrevKv => "prev_kv",
                Kind::Put(_) => "put",
                Kind::DeleteRange(_) => "delete",
            };
            let end = range.end().map_or(String::new(), |end| format!("-{end:?}"));
            format!("{txn_depth} {what} {:?}{end}", range.start()).replace(['[', ']'], "")
        }
        Step::Txn(_) => "txn".into(),
        Step::Success => "success".into(),
        Step::Failure => "failure".into(),
        Step::End => "end".into(),
    };
    steps(op).map(step).collect()
}

#[test]
fn single_requests() {
    assert_eq!(walk(&range("a", "c")), ["0 range 97-99"]);
    assert_eq!(walk(&put("a", "v")), ["0 put 97"]);
    let with_prev_kv = PutRequest { prev_kv: true, ..put("a", "v") };
    assert_eq!(walk(&with_prev_kv), ["0 put 97", "0 prev_kv 97"]);
    let with_prev_kv = DeleteRangeRequest { prev_kv: true, ..delete("a", "c") };
    assert_eq!(walk(&with_prev_kv), ["0 delete 97-99", "0 prev_kv 97-99"]);
}

#[test]
fn a_transaction_is_walked_in_order_and_to_the_ground() {
    let inner = TxnRequest {
        compare: vec![compare("c", "")],
        ..txn(vec![Request::RequestDeleteRange(delete("d", ""))], vec![])
    };
    let outer = TxnRequest {
        compare: vec![compare("a", "z"), compare("b", "")],
        ..txn(
            vec![Request::RequestTxn(inner), Request::RequestPut(put("e", "v"))],
            vec![Request::RequestRange(range("f", ""))],
        )
    };
    let expected = [
        "txn",
        "1 compare 97-122",
        "1 compare 98",
        "success",
        "txn",
        "2 compare 99",
        "success",
        "2 delete 100",
        "failure",
        "end",
        "1 put 101",
        "failure",
        "1 range 102",
        "end",
    ];
    assert_eq!(walk(&outer), expected);
    assert_eq!(op_count(&outer), 3);
    assert_eq!(walk(&outer).len() - 8, accesses(&outer).count());
}

#[test]
fn an_operation_that_is_none_touches_nothing() {
    let empty = TxnRequest { success: vec![RequestOp { request: None }], ..Default::default() };
    assert_eq!(walk(&empty), ["txn", "success", "failure", "end"]);
    assert_eq!(op_count(&empty), 0);
}

#[test]
fn a_write_is_found_wherever_it_stands() {
    let reads = || vec![Request::RequestRange(range("a", ""))];
    let read_only = txn(reads(), vec![Request::RequestTxn(txn(vec![], reads()))]);
    assert!(is_read_only(&read_only));
    let deep = |write| txn(reads(), vec![Request::RequestTxn(txn(reads(), vec![write]))]);
    assert!(!is_read_only(&deep(Request::RequestPut(put("a", "")))));
    assert!(!is_read_only(&deep(Request::RequestDeleteRange(delete("a", "")))));
    assert!(is_read_only(&range("a", "")));
    assert!(!is_read_only(&put("a", "")));
}

#[test]
fn only_plain_serializable_reads_are_answered_locally() {
    let serializable = RangeRequest { serializable: true, ..range("a", "") };
    let read = || Request::RequestRange(serializable.clone());
    assert!(is_serializable(&serializable));
    assert!(!is_serializable(&range("a", "")));
    let compared =
        TxnRequest { compare: vec![compare("a", "")], ..txn(vec![read()], vec![read()]) };
    assert!(is_serializable(&compared));
    let linearizable = Request::RequestRange(range("a", ""));
    assert!(!is_serializable(&txn(vec![read()], vec![linearizable])));
    assert!(!is_serializable(&txn(vec![read()], vec![Request::RequestPut(put("a", ""))])));
    assert!(!is_serializable(&txn(vec![Request::RequestTxn(txn(vec![read()], vec![]))], vec![])));
}

#[test]
fn the_cost_of_a_transaction_is_that_of_its_dearest_path() {
    let size = |access: &Access<'_>| match access.kind {
        Kind::Put(put) => (put.key.len() + put.value.len()) as u64,
        _ => 0,
    };
    let put_of = |value| Request::RequestPut(put("k", value));
    let inner = txn(vec![put_of("22")], vec![put_of("1"), put_of("333")]);
    let outer = txn(
        vec![Request::RequestTxn(inner), put_of("4444")],
        vec![put_of("999999999"), Request::RequestRange(range("a", ""))],
    );
    // success: max(3, 2 + 4) + 5; failure: 10.
    assert_eq!(largest_cost(&outer, size), 11);
    let top_level_only = |access: &Access<'_>| if access.txn_depth > 1 { 0 } else { size(access) };
    assert_eq!(largest_cost(&outer, top_level_only), 10);
    assert_eq!(largest_cost(&put("k", "22"), size), 3);
}

#[test]
fn leases_of_puts_are_told() {
    let leased = PutRequest { lease: 7, prev_kv: true, ..put("a", "v") };
    let both = txn(vec![Request::RequestPut(leased), Request::RequestPut(put("b", ""))], vec![]);
    let leases: Vec<_> = accesses(&both).filter_map(|access| access.lease()).collect();
    assert_eq!(leases, [LeaseId(7)]);
}

#[test]
fn the_request_of_an_entry() {
    let request = InternalRaftRequest { put: Some(put("a", "v")), ..Default::default() };
    assert_eq!(walk(Op::in_entry(&request).unwrap()), ["0 put 97"]);
    assert!(Op::in_entry(&InternalRaftRequest::default()).is_none());
}
