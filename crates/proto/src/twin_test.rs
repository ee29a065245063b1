//! Twins against their namesakes, with random contents.

use super::*;
use crate::testing::{Random, for_each_seed};

fn header(random: &mut Random) -> ResponseHeader {
    ResponseHeader {
        cluster_id: random.number(),
        member_id: random.number(),
        revision: random.signed(),
        raft_term: random.number(),
    }
}

fn kv(random: &mut Random) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: random.bytes(),
        create_revision: random.signed(),
        mod_revision: random.signed(),
        version: random.signed(),
        value: random.bytes(),
        lease: random.signed(),
    }
}

fn range(random: &mut Random) -> etcdserverpb::RangeResponse {
    etcdserverpb::RangeResponse {
        header: random.option(header),
        kvs: random.list(kv),
        more: random.bool(),
        count: random.signed(),
    }
}

fn put(random: &mut Random) -> etcdserverpb::PutResponse {
    etcdserverpb::PutResponse { header: random.option(header), prev_kv: random.option(kv) }
}

fn delete_range(random: &mut Random) -> etcdserverpb::DeleteRangeResponse {
    etcdserverpb::DeleteRangeResponse {
        header: random.option(header),
        deleted: random.signed(),
        prev_kvs: random.list(kv),
    }
}

fn txn(random: &mut Random) -> etcdserverpb::TxnResponse {
    etcdserverpb::TxnResponse {
        header: random.option(header),
        succeeded: random.bool(),
        responses: random.list(response_op),
    }
}

fn response_op(random: &mut Random) -> etcdserverpb::ResponseOp {
    use etcdserverpb::response_op::Response as Real;
    let response = match random.below(8) {
        0 => None,
        1 => Some(Real::ResponseTxn(txn(random))),
        2 | 3 => Some(Real::ResponseRange(range(random))),
        4 | 5 => Some(Real::ResponsePut(put(random))),
        _ => Some(Real::ResponseDeleteRange(delete_range(random))),
    };
    etcdserverpb::ResponseOp { response }
}

fn event(random: &mut Random) -> mvccpb::Event {
    mvccpb::Event {
        r#type: random.below(2) as i32,
        kv: random.option(kv),
        prev_kv: random.option(kv),
    }
}

fn watch(random: &mut Random) -> etcdserverpb::WatchResponse {
    etcdserverpb::WatchResponse {
        header: random.option(header),
        watch_id: random.signed(),
        created: random.bool(),
        canceled: random.bool(),
        compact_revision: random.signed(),
        cancel_reason: random.text(),
        fragment: random.bool(),
        events: random.list(event),
    }
}

/// The twin has the bytes of its namesake and is read back from them.
fn assert_twin<R, T>(real: &R)
where
    R: Message + std::fmt::Debug,
    T: Message + Default + PartialEq + for<'a> From<&'a R>,
{
    let bytes = real.encode_to_vec();
    let twin = T::from(real);
    assert_eq!(twin.encode_to_vec(), bytes, "{real:?}");
    assert_eq!(twin.encoded_len(), bytes.len());
    assert!(T::decode(&bytes[..]).unwrap() == twin);
}

#[test]
fn twins_have_the_bytes_of_their_namesakes() {
    for_each_seed(500, |random| {
        assert_twin::<_, RangeResponse>(&range(random));
        let range_response = random.option(range);
        let chunk = etcdserverpb::RangeStreamResponse { range_response };
        assert_twin::<_, RangeStreamResponse>(&chunk);
        assert_twin::<_, PutResponse>(&put(random));
        assert_twin::<_, DeleteRangeResponse>(&delete_range(random));
        assert_twin::<_, TxnResponse>(&txn(random));
        assert_twin::<_, WatchResponse>(&watch(random));
        assert_twin::<_, Event>(&event(random));
    });
}

#[test]
fn an_empty_record_is_an_empty_key_value() {
    // `snapshot restore --bump-revision` leaves a record without any bytes.
    let twin = RangeResponse { kvs: vec![Bytes::new()], ..Default::default() };
    let real = etcdserverpb::RangeResponse::decode(&twin.encode_to_vec()[..]).unwrap();
    assert_eq!(real.kvs, [mvccpb::KeyValue::default()]);
}
