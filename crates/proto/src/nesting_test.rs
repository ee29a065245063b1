//! What the guard lets through fits into a small stack; the rest it refuses.

use super::*;
use crate::access;
use crate::etcdserverpb::compare::TargetUnion;
use crate::etcdserverpb::request_op::Request;
use crate::etcdserverpb::{
    Compare, DeleteRangeRequest, InternalRaftRequest, PutRequest, RangeRequest, RequestOp,
    TxnRequest, WatchRequest, WatchResponse,
};
use crate::mvccpb::KeyValue;
use crate::testing::{Random, for_each_seed};

/// A put inside of so many transactions, encoded from the inside out.
fn put_in_txns(txns: usize) -> Vec<u8> {
    let put = PutRequest { key: Bytes::from_static(b"k"), ..Default::default() };
    let mut bytes = RequestOp { request: Some(Request::RequestPut(put)) }.encode_to_vec();
    for txn in 1..=txns {
        bytes = delimited(0x12, &bytes);
        if txn < txns {
            bytes = delimited(0x22, &bytes);
        }
    }
    bytes
}

fn delimited(key: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![key];
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

fn on_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap()
}

/// Does everything that walks a value by recursion, and the visitor, which does not.
fn exercise(txn: &TxnRequest) -> usize {
    let copy = txn.clone();
    assert!(copy == *txn);
    assert!(format!("{txn:?}").len() > 100);
    let request = InternalRaftRequest { txn: Some(copy), ..Default::default() };
    let entry = request.encode_to_vec();
    let again: InternalRaftRequest = decode(entry).unwrap();
    assert!(again.txn.as_ref() == Some(txn));
    access::accesses(txn).count()
}

#[test]
fn what_go_accepts_fits_into_a_small_stack() {
    // 127 inside the outermost one; Go refuses the 128th for too many operations.
    on_small_stack(|| {
        let txn: TxnRequest = decode(put_in_txns(128)).unwrap();
        assert_eq!(exercise(&txn), 1);
    });
}

#[test]
fn the_deepest_that_passes_fits_into_a_small_stack() {
    on_small_stack(|| {
        let deepest = (1..).take_while(|txns| decode::<TxnRequest>(put_in_txns(*txns)).is_ok());
        let txns = deepest.last().unwrap();
        assert!(txns > 128, "{txns}");
        let txn: TxnRequest = decode(put_in_txns(txns - 1)).unwrap();
        assert_eq!(exercise(&txn), 1);
        let refused = decode::<TxnRequest>(put_in_txns(txns + 1));
        assert_eq!(refused, Err(DecodeError::TooDeep { limit: NESTING_MAX }));
    });
}

#[test]
fn a_request_full_of_nesting_is_refused() {
    // Go's own decoder stops at 5000 transactions.
    let bytes = put_in_txns(4000);
    on_small_stack(|| {
        let refused = decode::<TxnRequest>(bytes);
        assert_eq!(refused, Err(DecodeError::TooDeep { limit: NESTING_MAX }));
    });
}

#[test]
fn groups_count_as_levels_wherever_they_stand() {
    on_small_stack(|| {
        let groups = vec![0x0b; 1 << 20];
        assert!(matches!(decode::<KeyValue>(groups.clone()), Err(DecodeError::TooDeep { .. })));
        let inside = delimited(0x0a, &groups);
        assert!(matches!(decode::<WatchRequest>(inside), Err(DecodeError::TooDeep { .. })));
        // Field 1 of a KeyValue is bytes: whatever they look like, they are no groups.
        let key: KeyValue = decode(delimited(0x0a, &groups)).unwrap();
        assert_eq!(key.key, groups);
    });
}

#[test]
fn an_unknown_group_is_passed_over() {
    // Group 9 with a number and a group 10 in it, then field 4 (version) = 7.
    let bytes = vec![0x4b, 0x08, 0x01, 0x53, 0x54, 0x4c, 0x20, 0x07];
    assert_eq!(decode::<KeyValue>(bytes).unwrap().version, 7);
    for damaged in [vec![0x4b, 0x08, 0x01], vec![0x4c], vec![0x4b, 0x4c, 0x4c]] {
        assert!(matches!(decode::<KeyValue>(damaged), Err(DecodeError::Malformed { .. })));
    }
}

#[test]
fn a_sub_message_ends_with_what_holds_it() {
    // Field 1 (header) of 2 bytes whose own field claims 5.
    let bytes = vec![0x0a, 0x02, 0x0a, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00];
    let error = decode::<WatchResponse>(bytes).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { offset: 4, .. }), "{error:?}");
}

#[test]
fn the_guard_refuses_nothing_that_the_decoder_takes() {
    for_each_seed(300, |random| {
        let txn = txn_request(random, 0);
        let bytes = txn.encode_to_vec();
        assert!(decode::<TxnRequest>(bytes.clone()).unwrap() == txn);
        for _ in 0..20 {
            let mutated = random.mutated(&bytes);
            let guarded = decode::<TxnRequest>(mutated.clone());
            let unguarded = TxnRequest::decode(&mutated[..]);
            assert_eq!(guarded.ok(), unguarded.ok(), "{mutated:02x?}");
        }
    });
}

fn txn_request(random: &mut Random, depth: u32) -> TxnRequest {
    let ops = |random: &mut Random| random.list(|random| request_op(random, depth));
    let (success, failure) = (ops(random), ops(random));
    TxnRequest { compare: random.list(compare), success, failure }
}

fn request_op(random: &mut Random, depth: u32) -> RequestOp {
    let (key, range_end) = (random.bytes(), random.bytes());
    let request = match random.below(6) {
        0 => None,
        1 if depth < 3 => Some(Request::RequestTxn(txn_request(random, depth + 1))),
        1 | 2 => Some(Request::RequestRange(RangeRequest { key, range_end, ..Default::default() })),
        3 => {
            let prev_kv = random.bool();
            Some(Request::RequestDeleteRange(DeleteRangeRequest { key, range_end, prev_kv }))
        }
        _ => {
            let lease = random.signed();
            let put = PutRequest { key, value: range_end, lease, ..Default::default() };
            Some(Request::RequestPut(put))
        }
    };
    RequestOp { request }
}

fn compare(random: &mut Random) -> Compare {
    let target_union = random.option(|random| match random.below(2) {
        0 => TargetUnion::Value(random.bytes()),
        _ => TargetUnion::Version(random.signed()),
    });
    Compare {
        result: random.below(5) as i32,
        target: random.signed() as i32,
        key: random.bytes(),
        target_union,
        range_end: random.bytes(),
    }
}

#[test]
fn a_request_s_field_of_another_type_is_one_that_nobody_knows() {
    use crate::etcdserverpb::{RangeRequest, TxnRequest, WatchCreateRequest};
    // A number where the key is; text where the limit is, behind and before what is right.
    let range = decode_request::<RangeRequest>(&b"\x08\x05"[..]).unwrap();
    assert_eq!(range, RangeRequest::default());
    let range = decode_request::<RangeRequest>(&b"\x0a\x01a\x1a\x02zz\x20\x07"[..]).unwrap();
    assert_eq!((&range.key[..], range.limit, range.revision), (&b"a"[..], 0, 7));
    // The same key in more bytes than it needs.
    let range = decode_request::<RangeRequest>(&b"\x9a\x80\x00\x02zz\x20\x07"[..]).unwrap();
    assert_eq!((range.limit, range.revision), (0, 7));
    // Within a message; and a number where a message is.
    let range = [b"\x12\x09\x0a\x07".as_slice(), b"\x0a\x01a\x1a\x02zz"].concat();
    let txn = decode_request::<TxnRequest>([b"\x08\x05".as_slice(), &range].concat()).unwrap();
    assert!(txn.compare.is_empty());
    assert_eq!(txn.success.len(), 1);
    assert!(txn.success[0].request.is_some());
    // Numbers of a list may come either way.
    for bytes in [&b"\x2a\x02\x00\x01"[..], b"\x28\x00\x28\x01"] {
        assert_eq!(decode_request::<WatchCreateRequest>(bytes).unwrap().filters, [0, 1]);
    }
    // What is stored is not read like that, and what is no message at all is refused.
    assert!(decode::<RangeRequest>(&b"\x08\x05"[..]).is_err());
    assert!(decode_request::<RangeRequest>(&b"\x08"[..]).is_err());
    assert!(decode_request::<RangeRequest>(&b"\x0b\x0c"[..]).is_err());
}
