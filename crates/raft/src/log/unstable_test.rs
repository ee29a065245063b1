//! Writes under way, and what replaces them meanwhile.

use std::sync::Arc;

use proto::raftpb::SnapshotMetadata;

use super::*;
use crate::logger::NoLogger;

fn entries(from: u64, terms: &[u64]) -> Vec<Entry> {
    let indexes = from..;
    let entry = |(index, term): (u64, &u64)| Entry {
        index,
        term: *term,
        data: bytes::Bytes::from_static(b"abc"),
        ..Entry::default()
    };
    indexes.zip(terms).map(entry).collect()
}

fn unstable(from: u64, terms: &[u64]) -> Unstable {
    let mut unstable = Unstable::new(Index(from), Log(Arc::new(NoLogger)));
    unstable.truncate_and_append(entries(from, terms));
    unstable
}

fn id(term: u64, index: u64) -> EntryId {
    EntryId { term: Term(term), index: Index(index) }
}

#[test]
fn stored_entries_leave_and_their_bytes_with_them() {
    let mut unstable = unstable(5, &[1, 1, 1]);
    assert_eq!(unstable.bytes(), 9);
    unstable.accept_in_progress();
    unstable.stable_to(id(1, 6));
    assert_eq!((unstable.offset(), unstable.len(), unstable.bytes()), (Index(7), 1, 3));
    assert!(!unstable.has_next_entries(), "entry 7 is still being written");
}

#[test]
fn an_acknowledgement_of_a_replaced_entry_is_ignored() {
    let mut unstable = unstable(5, &[1, 1]);
    unstable.accept_in_progress();
    unstable.truncate_and_append(entries(5, &[2]));
    unstable.stable_to(id(1, 5));
    unstable.stable_to(id(1, 6));
    assert_eq!((unstable.offset(), unstable.len()), (Index(5), 1));
    assert_eq!(unstable.next_entries().len(), 1, "the replacement is not being written yet");
}

#[test]
fn cutting_in_the_middle_keeps_what_is_being_written_before_it() {
    let mut unstable = unstable(5, &[1, 1, 1]);
    unstable.accept_in_progress();
    unstable.truncate_and_append(entries(7, &[2, 2]));
    assert_eq!(unstable.in_progress(), Index(7));
    assert_eq!(unstable.next_entries(), entries(7, &[2, 2]));
    assert_eq!(unstable.bytes(), 12);
}

#[test]
fn entries_before_the_offset_replace_everything() {
    let mut unstable = unstable(5, &[1, 1]);
    unstable.accept_in_progress();
    unstable.stable_to(id(1, 6));
    unstable.truncate_and_append(entries(4, &[2]));
    assert_eq!((unstable.offset(), unstable.in_progress()), (Index(4), Index(4)));
    assert_eq!(unstable.last_index(), Some(Index(4)));
}

#[test]
fn a_snapshot_gives_the_first_and_the_last_index_until_it_is_stored() {
    let mut unstable = unstable(5, &[1]);
    let metadata = SnapshotMetadata { index: 9, term: 3, ..SnapshotMetadata::default() };
    unstable.restore(Snapshot { metadata, ..Snapshot::default() });
    assert_eq!((unstable.first_index(), unstable.last_index()), (Some(Index(10)), Some(Index(9))));
    assert_eq!(unstable.term(Index(9)), Some(Term(3)));
    unstable.stable_to(id(3, 9));
    unstable.stable_snapshot_to(Index(8));
    assert!(unstable.next_snapshot().is_some());
    unstable.accept_in_progress();
    assert!(unstable.next_snapshot().is_none() && unstable.snapshot().is_some());
    unstable.stable_snapshot_to(Index(9));
    assert_eq!(unstable.last_index(), None);
}
