//! States of the buffer stay as they were taken; revisions never go back.

use env::{Rng, SeededRng};

use super::*;

fn key(main: i64, sub: i64, tombstone: bool) -> RecordKey {
    RecordKey { revision: Revision::new(main, sub), tombstone }
}

fn value(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}

#[test]
fn states_taken_earlier_survive_appends_and_cuts() {
    for seed in 0..12 {
        let mut rng = SeededRng::new(seed);
        let mut records = Records::default();
        let mut model: Vec<Record> = Vec::new();
        let mut taken: Vec<(Prefix, Vec<Record>)> = Vec::new();
        let mut revision = 1;
        for _ in 0..150 {
            match rng.below(10) {
                0..=6 => {
                    for _ in 0..rng.below(40) {
                        revision += 1;
                        let record = (key(revision, 0, rng.below(4) == 0), value(rng.next_u64()));
                        records.push(record.0, record.1.clone());
                        model.push(record);
                    }
                }
                7 => {
                    let length = records.length();
                    let kept = model.len();
                    for sub in 0..rng.below(300) as i64 {
                        let record = (key(revision + 1, sub, false), value(rng.next_u64()));
                        records.push(record.0, record.1.clone());
                        model.push(record);
                    }
                    if rng.below(2) == 0 {
                        taken.push((records.prefix().clone(), model.clone()));
                    }
                    records.truncate(length);
                    model.truncate(kept);
                }
                _ => taken.push((records.prefix().clone(), model.clone())),
            }
        }
        taken.push((records.prefix().clone(), model.clone()));
        let bytes: usize = model.iter().map(|(key, value)| row_bytes(key.len(), value.len())).sum();
        assert_eq!(records.bytes(), bytes, "seed {seed}");
        for (prefix, expected) in taken {
            let found: Vec<Record> = prefix.iter().cloned().collect();
            assert_eq!(found, expected, "seed {seed}");
            assert_eq!(prefix.first(), expected.first().map(|(key, _)| *key));
            assert_eq!(prefix.last(), expected.last().map(|(key, _)| *key));
            for (position, (key, value)) in expected.iter().enumerate().step_by(7) {
                assert_eq!(prefix.position(key.revision), position, "seed {seed}");
                assert_eq!(prefix.get(*key), Some(value), "seed {seed}");
                let other = RecordKey { tombstone: !key.tombstone, ..*key };
                assert_eq!(prefix.get(other), None, "seed {seed}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "does not follow")]
fn revisions_never_go_back() {
    let mut records = Records::default();
    records.push(key(3, 0, false), Bytes::new());
    records.push(key(2, 9, false), Bytes::new());
}
