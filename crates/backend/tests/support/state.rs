//! A plain model of what a file holds.

use std::collections::BTreeMap;

use backend::{Bucket, Committed, Position};
use bytes::Bytes;
use types::RecordKey;

pub type Records = BTreeMap<RecordKey, Bytes>;
pub type Rows = BTreeMap<(Bucket, Vec<u8>), Bytes>;

/// What a committed state should hold.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct State {
    pub records: Records,
    pub rows: Rows,
    pub position: Position,
}

/// A buffer: records, and rows with their deletions.
#[derive(Clone, Default)]
pub struct Buffer {
    pub records: Records,
    pub rows: BTreeMap<(Bucket, Vec<u8>), Option<Bytes>>,
}

/// The buckets of which a model knows every row.
pub const MODELLED: [Bucket; 3] = [Bucket::Lease, Bucket::AuthUsers, Bucket::Cluster];

const FINISHED: &[u8] = b"finishedCompactRev";

impl State {
    pub fn add(&mut self, buffer: &Buffer, position: Position) {
        self.records.extend(buffer.records.clone());
        for (key, value) in &buffer.rows {
            match value {
                Some(value) => self.rows.insert(key.clone(), value.clone()),
                None => self.rows.remove(key),
            };
        }
        self.position = position;
    }

    /// Notes that a compaction has ended.
    pub fn set_finished(&mut self, compact_revision: i64) {
        let mark = RecordKey::revision_bytes(types::Revision::new(compact_revision, 0));
        let key = (Bucket::Meta, FINISHED.to_vec());
        self.rows.insert(key, Bytes::copy_from_slice(&mark));
    }

    /// Reads what is modelled from a file.
    pub fn read(committed: &Committed) -> Self {
        let mut state = Self { position: committed.position().clone(), ..Self::default() };
        committed
            .scan_records(|key, value| {
                state.records.insert(key, Bytes::copy_from_slice(value));
                Ok(())
            })
            .unwrap();
        for bucket in MODELLED {
            for (key, value) in committed.rows(bucket).unwrap() {
                state.rows.insert((bucket, key.to_vec()), value);
            }
        }
        if let Some(mark) = committed.get(Bucket::Meta, FINISHED).unwrap() {
            state.rows.insert((Bucket::Meta, FINISHED.to_vec()), mark);
        }
        state
    }
}

pub fn rows_of(rows: &Rows, bucket: Bucket) -> Vec<(Bytes, Bytes)> {
    let of = rows.iter().filter(|((of, _), _)| *of == bucket);
    of.map(|((_, key), value)| (Bytes::from(key.clone()), value.clone())).collect()
}

pub fn check_committed(committed: &Committed, expected: &State) {
    let found = State::read(committed);
    assert_eq!(found.position, expected.position);
    assert!(found.records == expected.records, "records differ");
    assert_eq!(found.rows, expected.rows);
}
