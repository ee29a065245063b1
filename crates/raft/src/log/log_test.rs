//! Where logs part, and what is read across the border of stored and unstored entries.

use std::sync::Arc;

use super::*;
use crate::MemoryStorage;
use crate::logger::NoLogger;
use crate::testing::entries;

/// A log with entries of these terms from 1 on, the first few of them stored.
fn log(terms: &[u64], stored: usize) -> RaftLog<MemoryStorage> {
    let mut storage = MemoryStorage::new();
    let all = entries(1, terms);
    storage.append(&all[..stored]);
    let mut log = RaftLog::new(storage, u64::MAX, Log(Arc::new(NoLogger)));
    log.append(all[stored..].to_vec());
    log
}

fn conflict(log: &RaftLog<MemoryStorage>, index: u64, term: u64) -> (u64, u64) {
    let found = log.find_conflict_by_term(Index(index), Term(term));
    (found.index.0, found.term.0)
}

#[test]
fn a_refused_append_skips_whole_terms() {
    let log = log(&[1, 3, 3, 3, 5, 5], 3);
    assert_eq!(conflict(&log, 6, 5), (6, 5));
    assert_eq!(conflict(&log, 6, 4), (4, 3));
    assert_eq!(conflict(&log, 6, 2), (1, 1));
    assert_eq!(conflict(&log, 6, 0), (0, 0));
    assert_eq!(conflict(&log, 9, 5), (9, 0), "behind the end nothing is known");
}

#[test]
fn reads_cross_the_border_within_their_size() {
    let all = entries(1, &[1; 6]);
    let size = entry_size(&all[0]);
    let log = log(&[1; 6], 3);
    let read = |low, high, size_max| log.slice(Index(low), Index(high), size_max).unwrap();
    assert_eq!(read(1, 7, u64::MAX), all);
    assert_eq!(read(2, 6, 3 * size), all[1..4]);
    assert_eq!(read(2, 6, 3 * size - 1), all[1..3]);
    assert_eq!(read(3, 6, size), all[2..3]);
    assert_eq!(read(3, 6, 0), all[2..3], "never none");
    assert_eq!(read(4, 7, 2 * size), all[3..5]);
    assert_eq!(read(4, 4, size), []);
}

#[test]
fn a_longer_log_of_an_older_term_is_not_up_to_date() {
    let log = log(&[1, 2, 2], 3);
    let theirs = |term, index| EntryId { term: Term(term), index: Index(index) };
    assert!(log.is_up_to_date(theirs(2, 3)) && log.is_up_to_date(theirs(3, 1)));
    assert!(!log.is_up_to_date(theirs(1, 9)) && !log.is_up_to_date(theirs(2, 2)));
}

#[test]
fn committed_entries_are_handed_out_within_the_bound_until_they_are_applied() {
    let mut log = log(&[1; 6], 6);
    let size = entry_size(&entries(1, &[1])[0]);
    log.applying = Applying::new(Index(0), 2 * size);
    log.commit_to(Index(5));
    let first = log.next_committed(Apply::Stored).unwrap();
    assert_eq!(first.len(), 2);
    log.accept_applying(&first, Apply::Stored);
    assert!(!log.has_next_committed(Apply::Stored), "as much as allowed is being applied");
    log.applied_to(Index(2), 2 * size);
    assert_eq!(log.next_committed(Apply::Stored).unwrap()[0].index, 3);
}

#[test]
fn only_stored_entries_are_applied_if_asked_so() {
    let mut log = log(&[1; 4], 2);
    log.commit_to(Index(4));
    assert_eq!(log.next_committed(Apply::Stored).unwrap().len(), 2);
    assert_eq!(log.next_committed(Apply::Committed).unwrap().len(), 4);
}
