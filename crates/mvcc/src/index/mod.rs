//! The key index: which revisions each key has (design: a copy-on-write, counted B-tree).
//!
//! Knows neither values nor files. Whoever clones an [`Index`] has a snapshot: changes of the other
//! clone copy the path that they touch.
//!
//! Invariants: keys ascend; a key's entries descend by revision, newest first, and alternate as its
//! history did: a tombstone follows a put; a key without entries is not in the index; every child
//! pointer's summary is that of the subtree below it.

mod entry;

use std::ops::ControlFlow;

use types::{KeyRange, Revision};

pub(crate) use entry::{Entry, Kind};

/// In which order keys are visited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// A key in the index, borrowed from it.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    prefix: &'a [u8],
    suffix: &'a [u8],
}

impl Key<'_> {
    /// An owned copy.
    pub(crate) fn to_vec(self) -> Vec<u8> {
        [self.prefix, self.suffix].concat()
    }

    /// Whether it is this key.
    pub(crate) fn is(self, key: &[u8]) -> bool {
        key.strip_prefix(self.prefix) == Some(self.suffix)
    }
}

/// The index; see the module.
#[derive(Clone, Default)]
pub(crate) struct Index {}

impl Index {
    /// How many keys are there now.
    pub(crate) fn live(&self) -> u64 {
        unimplemented!()
    }

    /// The newest entry of a key with `main <= at`.
    pub(crate) fn newest(&self, _key: &[u8], _at: i64) -> Option<Entry> {
        unimplemented!()
    }

    /// The entry that shows a key at a revision: none if it was not there.
    pub(crate) fn get(&self, key: &[u8], at: i64) -> Option<Entry> {
        self.newest(key, at).filter(Entry::is_live)
    }

    /// How many keys of a range were there at a revision.
    pub(crate) fn count(&self, _range: &KeyRange, _at: i64) -> u64 {
        unimplemented!()
    }

    /// Shows the keys of a range that were there at a revision, in order.
    pub(crate) fn visit<'a>(
        &'a self,
        _range: &KeyRange,
        _at: i64,
        _direction: Direction,
        _visit: &mut dyn FnMut(Key<'a>, Entry) -> ControlFlow<()>,
    ) {
        unimplemented!()
    }

    /// Writes a key; returns what it is now.
    pub(crate) fn put(&mut self, _key: &[u8], _revision: Revision) -> Entry {
        unimplemented!()
    }

    /// Deletes a key that is there.
    pub(crate) fn delete(&mut self, _key: &[u8], _revision: Revision) {
        unimplemented!()
    }

    /// Removes what a compaction at a revision removes.
    pub(crate) fn compact(&mut self, _at: i64) {
        unimplemented!()
    }

    /// Whether any entry has `main <= at`.
    pub(crate) fn has_live(&self, _at: i64) -> bool {
        unimplemented!()
    }

    pub(crate) fn has_any(&self, _at: i64) -> bool {
        unimplemented!()
    }
}

/// Builds an index from records in the order of their revisions.
#[derive(Default)]
pub(crate) struct Loader {}

impl Loader {
    pub(crate) fn last(&self) -> Option<Revision> {
        unimplemented!()
    }
    pub(crate) fn put(&mut self, _key: &[u8], _entry: Entry) {
        unimplemented!()
    }
    pub(crate) fn tombstone(&mut self, _key: &[u8], _revision: Revision) {
        unimplemented!()
    }
    pub(crate) fn finish(self) -> Index {
        unimplemented!()
    }
}
