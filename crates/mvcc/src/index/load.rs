//! Building an index from the records of a file, which come in the order of revisions.
//!
//! Records are collected, sorted by key and put into the tree together, so that a leaf is written
//! once for many of them.
//!
//! Invariant: what is collected is bounded, in number and in bytes.

use types::Revision;

use super::Index;
use super::entry::Entry;
use super::node::Change;

/// Records collected at most.
const ROWS_MAX: usize = 1 << 16;
/// Bytes of keys collected, from which on no more are.
const KEY_BYTES_MAX: usize = 8 << 20;

/// Builds an index.
#[derive(Default)]
pub(crate) struct Loader {
    index: Index,
    last: Option<Revision>,
    keys: Vec<u8>,
    /// Where each record's key lies in `keys`, and its entry.
    rows: Vec<(u32, u32, Entry)>,
}

impl Loader {
    /// The last record's revision.
    pub(crate) const fn last(&self) -> Option<Revision> {
        self.last
    }

    /// Takes the record of a write. What the entry says of creation and version counts for a key's
    /// first record.
    pub(crate) fn put(&mut self, key: &[u8], entry: Entry) {
        self.push(key, entry);
    }

    /// Takes the record of a deletion.
    pub(crate) fn tombstone(&mut self, key: &[u8], revision: Revision) {
        self.push(key, Entry::tombstone(revision));
    }

    fn push(&mut self, key: &[u8], entry: Entry) {
        let start = self.keys.len() as u32;
        self.keys.extend_from_slice(key);
        self.rows.push((start, self.keys.len() as u32, entry));
        self.last = Some(entry.revision);
        if self.rows.len() >= ROWS_MAX || self.keys.len() >= KEY_BYTES_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        let key = |&(start, end, entry): &(u32, u32, Entry)| Change {
            key: &self.keys[start as usize..end as usize],
            entry,
        };
        let mut changes: Vec<Change<'_>> = self.rows.iter().map(key).collect();
        changes.sort_unstable_by(|a, b| {
            a.key.cmp(b.key).then(a.entry.revision.cmp(&b.entry.revision))
        });
        self.index.apply(&changes);
        self.keys.clear();
        self.rows.clear();
    }

    /// The index of all records taken.
    pub(crate) fn finish(mut self) -> Index {
        self.flush();
        self.index
    }
}
