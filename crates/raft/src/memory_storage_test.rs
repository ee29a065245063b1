//! The mirror of a stored log, compared with a plain list.

use env::{Rng, SeededRng};

use super::*;

fn entries(from: u64, terms: &[u64]) -> Vec<Entry> {
    let entry = |(index, term): (u64, &u64)| Entry {
        index,
        term: *term,
        data: Bytes::from(vec![b'x'; 10]),
        ..Entry::default()
    };
    (from..).zip(terms).map(entry).collect()
}

#[test]
fn random_writes_cuts_and_compactions_answer_as_a_list_would() {
    for seed in 0..100 {
        let mut rng = SeededRng::new(seed);
        let (mut storage, mut list, mut start) = (MemoryStorage::new(), entries(0, &[0]), 0_u64);
        let mut term = 1;
        for _ in 0..60 {
            let last = list.last().unwrap().index;
            match rng.below(4) {
                0 if last > start => {
                    let at = start + 1 + rng.below(last - start);
                    storage.compact(Index(at)).unwrap();
                    list.retain(|entry| entry.index >= at);
                    start = at;
                }
                1 => {
                    term += 1;
                    let from = start + 1 + rng.below(last - start + 1);
                    list.retain(|entry| entry.index < from);
                    let new = entries(from, &[term]);
                    storage.append(&new);
                    list.extend(new);
                }
                _ => {
                    let new = entries(last + 1, &vec![term; rng.below(4) as usize]);
                    storage.append(&new);
                    list.extend(new);
                }
            }
            check(&storage, &list, seed);
        }
    }
}

fn check(storage: &MemoryStorage, list: &[Entry], seed: u64) {
    let (first, last) = (list[0].index, list[list.len() - 1].index);
    assert_eq!((storage.first_index().0, storage.last_index().0), (first + 1, last), "seed {seed}");
    for entry in list {
        assert_eq!(storage.term(Index(entry.index)), Ok(Term(entry.term)), "seed {seed}");
    }
    assert_eq!(storage.term(Index(last + 1)), Err(StorageError::Unavailable));
    let all = storage.entries(Index(first + 1), Index(last + 1), u64::MAX);
    assert_eq!(all.unwrap(), list[1..], "seed {seed}");
}

#[test]
fn contents_beyond_the_bound_leave_and_can_be_put_back() {
    let size = entry_size(&entries(1, &[1])[0]);
    let mut storage = MemoryStorage::bounded(3 * size);
    let all = entries(1, &[1, 1, 2, 2, 2]);
    storage.append(&all);
    assert_eq!(storage.size(), 3 * size);
    let read =
        |storage: &MemoryStorage, low, high| storage.entries(Index(low), Index(high), u64::MAX);
    assert_eq!(read(&storage, 3, 6).unwrap(), all[2..]);
    assert_eq!(read(&storage, 2, 6), Err(StorageError::Unavailable));
    assert_eq!(storage.term(Index(1)), Ok(Term(1)), "terms stay");
    storage.insert_fetched(all[..3].to_vec());
    assert_eq!(read(&storage, 2, 6).unwrap(), all[1..3]);
    storage.append(&entries(3, &[3]));
    assert_eq!(read(&storage, 2, 4), Err(StorageError::Unavailable), "the piece was cut");
}

#[test]
fn contents_read_before_they_were_replaced_are_not_put_back() {
    let size = entry_size(&entries(1, &[1])[0]);
    let mut storage = MemoryStorage::bounded(size);
    let old = entries(1, &[1, 1, 1]);
    storage.append(&old);
    storage.append(&entries(2, &[2, 2]));
    storage.insert_fetched(old);
    let read = |low, high| storage.entries(Index(low), Index(high), u64::MAX);
    assert_eq!(read(1, 3).unwrap(), entries(1, &[1]));
    assert_eq!(read(2, 3), Err(StorageError::Unavailable));
}

#[test]
fn compacted_entries_are_told_apart_from_missing_ones() {
    let mut storage = MemoryStorage::new();
    storage.append(&entries(1, &[1, 1, 1]));
    storage.compact(Index(2)).unwrap();
    assert_eq!(storage.compact(Index(2)), Err(StorageError::Compacted));
    assert_eq!(storage.compact(Index(9)), Err(StorageError::Unavailable));
    assert_eq!(storage.term(Index(1)), Err(StorageError::Compacted));
    let low = storage.entries(Index(2), Index(4), u64::MAX);
    assert_eq!(low, Err(StorageError::Compacted));
}

#[test]
fn an_older_snapshot_is_refused() {
    let mut storage = MemoryStorage::new();
    storage.append(&entries(1, &[1, 1, 1]));
    assert_eq!(storage.snapshot(), Err(StorageError::SnapshotTemporarilyUnavailable));
    let made = storage.create_snapshot(Index(2), ConfState::default(), Bytes::new()).unwrap();
    assert_eq!((made.metadata.index, made.metadata.term), (2, 1));
    assert_eq!(storage.apply_snapshot(made), Err(StorageError::SnapshotOutOfDate));
}

#[test]
fn entries_that_were_left_out_have_terms_and_no_contents_until_they_are_fetched() {
    let mut storage = MemoryStorage::bounded(1 << 20);
    storage.leave_out(Index(3), Term(1));
    storage.leave_out(Index(5), Term(2));
    storage.leave_out(Index(5), Term(2));
    let new = entries(6, &[2, 3]);
    storage.append(&new);
    let terms: Vec<u64> = (1..=7).map(|index| storage.term(Index(index)).unwrap().0).collect();
    assert_eq!(terms, [1, 1, 1, 2, 2, 2, 3]);
    assert_eq!(storage.entries(Index(6), Index(8), u64::MAX), Ok(new));
    assert_eq!(storage.entries(Index(5), Index(8), u64::MAX), Err(StorageError::Unavailable));
    let older = entries(4, &[2, 2]);
    storage.insert_fetched(older.clone());
    assert_eq!(storage.entries(Index(4), Index(6), u64::MAX), Ok(older));
    storage.append(&entries(4, &[4]));
    assert_eq!(storage.last_index(), Index(4));
    assert_eq!(storage.entries(Index(4), Index(5), u64::MAX), Ok(entries(4, &[4])));
}
