//! The write buffer of all buckets but `key`: the last write of each row, deletions included.
//!
//! Never read through views: whoever owns these rows has them in memory in a form of its own, and
//! reads them here at start only.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;

use crate::records::row_bytes;
use crate::schema::Bucket;

/// The rows, in the order of bucket and key; `None` is a deletion.
#[derive(Default)]
pub(crate) struct Rows {
    map: BTreeMap<(Bucket, Bytes), Option<Bytes>>,
    bytes: usize,
}

impl Rows {
    /// Writes or, with `None`, deletes a row.
    pub(crate) fn set(&mut self, bucket: Bucket, key: Bytes, value: Option<Bytes>) {
        let len = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let key_len = key.len();
        let new = len(&value);
        match self.map.entry((bucket, key)) {
            Entry::Vacant(entry) => {
                self.bytes += row_bytes(key_len, new);
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => {
                self.bytes = self.bytes + new - len(entry.get());
                entry.insert(value);
            }
        }
    }

    /// What the buffer says of a row: nothing, its deletion, or its value.
    pub(crate) fn get(&self, bucket: Bucket, key: &[u8]) -> Option<Option<&Bytes>> {
        // The map's keys own their bytes, so a look-up needs an owned key too; rows are small and
        // read at start only.
        self.map.get(&(bucket, Bytes::copy_from_slice(key))).map(Option::as_ref)
    }

    /// All rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Bucket, &Bytes, Option<&Bytes>)> {
        self.map.iter().map(|((bucket, key), value)| (*bucket, key, value.as_ref()))
    }

    /// The rows of one bucket in order.
    pub(crate) fn of(&self, bucket: Bucket) -> impl Iterator<Item = (&Bytes, Option<&Bytes>)> {
        self.map
            .range((bucket, Bytes::new())..)
            .take_while(move |((of, _), _)| *of == bucket)
            .map(|((_, key), value)| (key, value.as_ref()))
    }

    /// What the rows take in the file, without pages' own overhead.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn the_last_write_of_a_row_counts_and_deletions_stay() {
        let mut rows = Rows::default();
        rows.set(Bucket::Meta, bytes("a"), Some(bytes("1")));
        rows.set(Bucket::Meta, bytes("a"), None);
        rows.set(Bucket::Lease, bytes("b"), None);
        rows.set(Bucket::Lease, bytes("b"), Some(bytes("2345")));
        assert_eq!(rows.get(Bucket::Meta, b"a"), Some(None));
        assert_eq!(rows.get(Bucket::Lease, b"b"), Some(Some(&bytes("2345"))));
        assert_eq!(rows.get(Bucket::Lease, b"a"), None);
        assert_eq!(rows.of(Bucket::Lease).count(), 1);
        let order: Vec<Bucket> = rows.iter().map(|(bucket, _, _)| bucket).collect();
        assert_eq!(order, [Bucket::Lease, Bucket::Meta]);
        assert_eq!(rows.bytes(), row_bytes(1, 0) + row_bytes(1, 4));
    }
}
