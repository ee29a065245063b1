//! What a store makes of a file: marks of compactions, leases, damage.
#![allow(clippy::unwrap_used)]

mod support;

use backend::Bucket;
use backend::schema::compact_revision::{FINISHED, SCHEDULED, encode};
use bytes::Bytes;
use mvcc::{Error, Store};
use prost::Message;
use proto::etcdserverpb::{PutRequest, RangeRequest};
use proto::mvccpb::KeyValue;
use support::Stand;
use types::{RecordKey, Revision};

fn kv(key: &'static str, create_revision: i64, mod_revision: i64, version: i64) -> Bytes {
    let kv = KeyValue {
        key: key.into(),
        create_revision,
        mod_revision,
        version,
        value: "value".into(),
        lease: 0,
    };
    kv.encode_to_vec().into()
}

fn put_record(stand: &mut Stand, main: i64, value: Bytes) {
    let key = RecordKey { revision: Revision::new(main, 0), tombstone: false };
    stand.backend.put_record(key, value);
}

fn delete_record(stand: &mut Stand, main: i64, key: &'static str) {
    let value = KeyValue { key: key.into(), ..KeyValue::default() }.encode_to_vec();
    let key = RecordKey { revision: Revision::new(main, 0), tombstone: true };
    stand.backend.put_record(key, value.into());
}

fn mark(stand: &mut Stand, key: &'static [u8], main: i64) {
    stand.backend.put(Bucket::Meta, key, encode(main).to_vec());
}

fn committed(mut stand: Stand) -> Stand {
    stand.commit();
    stand.reopen();
    stand
}

#[test]
fn an_empty_file_is_at_revision_1() {
    let stand = committed(Stand::new());
    assert_eq!((stand.store.revision(), stand.store.compact_revision()), (1, -1));
    assert!(stand.compactions.is_empty());
}

/// Releases before 3.5.16 removed a deletion at the compact revision: the newest record can be older
/// than the compaction.
#[test]
fn the_revision_never_goes_back_behind_a_compaction() {
    let mut stand = Stand::new();
    put_record(&mut stand, 2, kv("key", 2, 2, 1));
    mark(&mut stand, SCHEDULED, 5);
    mark(&mut stand, FINISHED, 5);
    let stand = committed(stand);
    assert_eq!((stand.store.revision(), stand.store.compact_revision()), (5, 5));

    let mut stand = Stand::new();
    put_record(&mut stand, 2, kv("key", 2, 2, 1));
    mark(&mut stand, SCHEDULED, 5);
    let mut stand = committed(stand);
    assert_eq!((stand.store.revision(), stand.store.compact_revision()), (5, 5));
    assert_eq!(stand.compactions.len(), 1);
    stand.finish_compactions();
    assert_eq!(stand.hashes.all(), [], "what was hashed may not have been whole");
    stand.reopen();
    assert!(stand.compactions.is_empty());
    assert!(stand.view().get(b"key", 5).unwrap().is_some());
}

/// `etcdutl snapshot restore --bump-revision --mark-compacted` writes such a record.
#[test]
fn a_record_without_content_only_raises_the_revision() {
    let mut stand = Stand::new();
    put_record(&mut stand, 2, kv("key", 2, 2, 1));
    put_record(&mut stand, 1_000_000_002, Bytes::new());
    mark(&mut stand, SCHEDULED, 1_000_000_002);
    let mut stand = committed(stand);
    assert_eq!(stand.store.revision(), 1_000_000_002);
    assert_eq!(stand.store.compact_revision(), 1_000_000_002);
    stand.finish_compactions();
    let all = RangeRequest { key: "\0".into(), range_end: "\0".into(), ..RangeRequest::default() };
    assert_eq!(stand.view().range(&all).unwrap().count, 1);
    let old = RangeRequest { revision: 2, ..all };
    assert!(matches!(stand.view().range(&old), Err(Error::Compacted)));
    let put = PutRequest { key: "new".into(), ..PutRequest::default() };
    let applied = stand.store.put(&mut stand.backend, &put, &|_| true).unwrap();
    assert_eq!(applied.response.header.unwrap().revision, 1_000_000_003);
    let stand = committed(stand);
    assert_eq!(stand.store.revision(), 1_000_000_003);
}

#[test]
fn a_compacted_key_goes_on_where_it_was() {
    let mut stand = Stand::new();
    put_record(&mut stand, 9, kv("key", 3, 9, 7));
    delete_record(&mut stand, 10, "gone");
    mark(&mut stand, SCHEDULED, 10);
    mark(&mut stand, FINISHED, 10);
    let mut stand = committed(stand);
    for (key, create_revision, version) in [("key", 3, 8), ("gone", 12, 1)] {
        let put = PutRequest { key: key.into(), ..PutRequest::default() };
        stand.store.put(&mut stand.backend, &put, &|_| true).unwrap();
        let found = stand.view().get(key.as_bytes(), 0).unwrap().unwrap();
        let found = KeyValue::decode(found).unwrap();
        assert_eq!((found.create_revision, found.version), (create_revision, version));
    }
}

#[test]
fn a_damaged_record_is_told_with_its_place() {
    let cases: [(Bytes, &str); 4] = [
        (Bytes::from_static(&[0x0a, 0x7f, b'x']), "an encoded KeyValue"),
        (kv("key", 9, 2, 1), "a creation at or before the revision"),
        (kv("key", -1, 2, 1), "a creation at or before the revision"),
        (kv("key", 2, 2, -5), "a creation at or before the revision"),
    ];
    for (value, expected) in cases {
        let mut stand = Stand::new();
        put_record(&mut stand, 2, value);
        stand.commit();
        let error = Store::restore(stand.backend.last_committed()).err().unwrap().to_string();
        assert!(error.contains(support::PATH) && error.contains("bucket key"), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_write_and_a_deletion_at_one_revision_are_damage() {
    let mut stand = Stand::new();
    put_record(&mut stand, 2, kv("key", 2, 2, 1));
    delete_record(&mut stand, 2, "key");
    stand.commit();
    let error = Store::restore(stand.backend.last_committed()).err().unwrap().to_string();
    assert!(error.contains("a revision above the one before"), "{error}");
}

#[test]
fn marks_that_are_no_revisions_are_damage() {
    for key in [SCHEDULED, FINISHED] {
        let mut stand = Stand::new();
        stand.backend.put(Bucket::Meta, key, &b"no revision"[..]);
        stand.commit();
        let error = Store::restore(stand.backend.last_committed()).err().unwrap();
        assert!(matches!(error, backend::Error::Corrupted { .. }), "{error}");
    }
}

/// The index says which key a record has; a record of another key means that one of both is wrong.
#[test]
fn a_record_of_another_key_is_never_shown() {
    let mut stand = Stand::new();
    let put = PutRequest { key: "key".into(), ..PutRequest::default() };
    stand.store.put(&mut stand.backend, &put, &|_| true).unwrap();
    let index_of_key = Store::restore(stand.backend.last_committed()).unwrap().store;
    drop(index_of_key);
    let mut other = Stand::new();
    put_record(&mut other, 2, kv("other", 2, 2, 1));
    let view = stand.store.view(&other.backend);
    let request = RangeRequest { key: "key".into(), ..RangeRequest::default() };
    let error = view.range(&request).unwrap_err().to_string();
    assert!(error.contains("the key that the index has"), "{error}");
    let view = stand.store.view(&Stand::new().backend);
    let error = view.get(b"key", 0).unwrap_err().to_string();
    assert!(error.contains("a record that the index knows"), "{error}");
}
