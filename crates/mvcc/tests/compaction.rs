//! Compactions: what is refused, what goes, what stays readable, and the hashes they leave.
#![allow(clippy::unwrap_used)]

mod support;

use mvcc::Error;
use proto::etcdserverpb::{DeleteRangeRequest, PutRequest};
use support::Stand;

fn put(stand: &mut Stand, key: &'static str) {
    let request = PutRequest { key: key.into(), ..PutRequest::default() };
    stand.store.put(&mut stand.backend, &request, &|_| true).unwrap();
}

fn delete(stand: &mut Stand, key: &'static str) {
    let request = DeleteRangeRequest { key: key.into(), ..DeleteRangeRequest::default() };
    stand.store.delete_range(&mut stand.backend, &request).unwrap();
}

/// Revisions 2 to 5: a key written twice, deleted, and another one written.
fn history() -> Stand {
    let mut stand = Stand::new();
    put(&mut stand, "key");
    put(&mut stand, "key");
    delete(&mut stand, "key");
    put(&mut stand, "other");
    stand
}

#[test]
fn revisions_that_cannot_be_compacted_at() {
    let mut stand = history();
    assert!(matches!(stand.compact(6), Err(Error::FutureRevision)));
    assert!(matches!(stand.compact(-1), Err(Error::Compacted)));
    stand.compact(0).unwrap();
    assert!(matches!(stand.compact(0), Err(Error::Compacted)));
    stand.compact(5).unwrap();
    assert!(matches!(stand.compact(5), Err(Error::Compacted)));
    assert!(matches!(stand.compact(6), Err(Error::FutureRevision)));
}

#[test]
fn views_are_compacted_at_once_and_older_ones_never() {
    let mut stand = history();
    let before = stand.view();
    stand.compact(4).unwrap();
    let after = stand.view();
    stand.finish_compactions();
    for revision in [2, 3] {
        assert!(matches!(after.get(b"key", revision), Err(Error::Compacted)));
        assert!(before.get(b"key", revision).unwrap().is_some());
    }
    assert_eq!(after.get(b"key", 4).unwrap(), None);
    assert_eq!(before.compact_revision(), -1);
    assert_eq!(after.compact_revision(), 4);
}

/// A watcher that starts at the compact revision has to see the deletion
/// (<https://github.com/etcd-io/etcd/issues/18089>).
#[test]
fn a_deletion_at_the_compact_revision_stays_an_event() {
    let mut stand = history();
    stand.compact(4).unwrap();
    for _ in 0..2 {
        stand.finish_compactions();
        let view = stand.view();
        let events: Vec<_> = view.events(4, 10).unwrap().map(Result::unwrap).collect();
        let revisions: Vec<i64> = events.iter().map(|event| event.revision.main).collect();
        assert_eq!(revisions, [4, 5]);
        assert!(matches!(view.events(3, 10), Err(Error::Compacted)));
        stand.commit();
        stand.reopen();
    }
    stand.compact(5).unwrap();
    stand.finish_compactions();
    assert_eq!(stand.record_count(), 1);
}

#[test]
fn a_compaction_is_taken_up_where_a_restart_left_it() {
    let mut stand = Stand::new();
    for _ in 0..50 {
        put(&mut stand, "key");
    }
    stand.compact(40).unwrap();
    stand.step(10);
    stand.reopen();
    assert_eq!(stand.compactions.len(), 1);
    assert_eq!(stand.store.compact_revision(), 40);
    assert!(matches!(stand.view().get(b"key", 39), Err(Error::Compacted)));
    stand.finish_compactions();
    assert_eq!(stand.record_count(), 12);
    assert_eq!(stand.hashes.all(), []);
    // The next one hashes everything since again.
    stand.compact(51).unwrap();
    stand.finish_compactions();
    let hash = stand.hashes.get(51).unwrap();
    assert_eq!((hash.compact_revision, hash.revision), (40, 51));
}

#[test]
fn compactions_in_a_row_each_leave_a_hash() {
    let mut stand = history();
    stand.compact(2).unwrap();
    stand.compact(4).unwrap();
    let whole = stand.view().hash(5).unwrap();
    stand.finish_compactions();
    assert_eq!(stand.hashes.get(2).unwrap().compact_revision, -1);
    assert_eq!(stand.hashes.get(4).unwrap().compact_revision, 2);
    assert_eq!(stand.view().hash(5).unwrap(), whole, "the hash does not depend on the progress");
}

#[test]
fn a_hash_at_a_compaction_with_nothing_left_passes_over_the_last_deletion() {
    let mut stand = Stand::new();
    put(&mut stand, "key");
    delete(&mut stand, "key");
    stand.compact(3).unwrap();
    stand.finish_compactions();
    assert_eq!(stand.record_count(), 1, "the deletion itself");
    assert_eq!(stand.view().hash(0).unwrap().hash, crc32c::crc32c(b"key"));
}

#[test]
fn the_first_view_after_a_compaction_has_all_events_still() {
    let mut stand = history();
    stand.compact(4).unwrap();
    let view = stand.view();
    stand.finish_compactions();
    let revisions = |view: &mvcc::ReadView| -> Vec<i64> {
        view.all_events(2, 9).map(|event| event.unwrap().revision.main).collect()
    };
    assert_eq!(revisions(&view), [2, 3, 4, 5]);
    assert_eq!(revisions(&stand.view()), [4, 5]);
}
