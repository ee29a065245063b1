//! Streams of ranges with a sort target but no order, which etcd's own client sends.
#![allow(clippy::unwrap_used)]

mod support;

use mvcc::RangeStream;
use proto::etcdserverpb::range_request::SortTarget;
use proto::etcdserverpb::{PutRequest, RangeRequest};
use support::Stand;

/// `k00`, `k01`, ... with values that fall as the keys rise.
fn stand(keys: usize) -> Stand {
    let mut stand = Stand::new();
    for number in 0..keys {
        let key = format!("k{number:02}").into();
        let value = format!("{:02}", keys - number).into();
        let put = PutRequest { key, value, ..PutRequest::default() };
        stand.store.put(&mut stand.backend, &put, &|_| true).unwrap();
    }
    stand
}

/// The numbers of the keys in the chunks of a stream by value, without an order.
fn chunks(stand: &Stand) -> Vec<Vec<usize>> {
    let request = RangeRequest {
        key: "k".into(),
        range_end: "l".into(),
        sort_target: SortTarget::Value.into(),
        ..RangeRequest::default()
    };
    let mut stream = RangeStream::new(request, usize::MAX);
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.next(&stand.view()).unwrap() {
        let kvs = chunk.kvs.into_iter().map(|kv| proto::decode(kv).unwrap());
        let key = |kv: proto::mvccpb::KeyValue| String::from_utf8(kv.key.to_vec()).unwrap();
        chunks.push(kvs.map(|kv| key(kv)[1..].parse().unwrap()).collect());
    }
    chunks
}

#[test]
fn a_target_without_an_order_sorts_the_chunk_as_go_does() {
    assert_eq!(chunks(&stand(6)), [[5, 4, 3, 2, 1, 0]]);
}

#[test]
fn sorted_chunks_leave_no_key_out_and_give_none_twice() {
    let chunks = chunks(&stand(35));
    assert_eq!(chunks[0], (0..10).rev().collect::<Vec<_>>());
    assert_eq!(chunks[1], (10..30).rev().collect::<Vec<_>>());
    assert_eq!(chunks[2], (30..35).rev().collect::<Vec<_>>());
    assert_eq!(chunks.len(), 3);
}
