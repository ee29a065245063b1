//! The key index: which revisions each key has, as a copy-on-write, counted B-tree.
//!
//! Knows neither values nor files. Whoever clones an [`Index`] has a snapshot: changes of the other
//! clone copy the path that they touch.
//!
//! Costs, with n keys: a write O(log n), whatever the number of the key's revisions; a count
//! O(log n) at the newest revision, and as much more at an older one as there are leaves with
//! creations or deletions since; a page of a range O(log n + page); a compaction as much as there
//! are leaves that lose something.
//!
//! Invariants: keys ascend; a key's entries descend by revision, newest first, and no deletion
//! follows another; a key without entries is not in the index; every child pointer's summary is that
//! of the subtree below it.

mod branch;
mod chunk_tree;
mod compact;
mod entry;
mod history;
mod key;
mod leaf;
mod leaf_builder;
mod load;
mod node;
mod summary;
mod walk;

#[cfg(test)]
mod invariants;
#[cfg(test)]
#[path = "model_test.rs"]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

use types::{KeyRange, Revision};

use branch::{Bounds, Branch, Child, Line, Others};
pub(crate) use entry::Entry;
pub(crate) use key::Key;
pub(crate) use load::Loader;
use node::{Change, Effect, Node};
use summary::Summary;

/// What an [`Arc`]'s allocation has beside its content.
const ARC_BYTES: usize = 16;

/// In which order keys are visited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// The index; see the module.
#[derive(Clone)]
pub(crate) struct Index {
    root: Child,
}

impl Default for Index {
    fn default() -> Self {
        let node = Arc::new(Node::Leaf(leaf::Leaf::default()));
        Self { root: Child { node, summary: Summary::EMPTY } }
    }
}

impl Index {
    /// How many keys are there now.
    pub(crate) const fn live(&self) -> i64 {
        self.root.summary.live
    }

    /// The newest entry of a key with `main <= at`.
    pub(crate) fn newest(&self, key: &[u8], at: i64) -> Option<Entry> {
        let (_, row) = walk::find(&self.root.node, key)?;
        row.newest_at(at)
    }

    /// The entry that shows a key at a revision: none if it was not there.
    pub(crate) fn get(&self, key: &[u8], at: i64) -> Option<Entry> {
        self.newest(key, at).filter(Entry::is_live)
    }

    /// How many keys of a range were there at a revision.
    pub(crate) fn count(&self, range: &KeyRange, at: i64) -> i64 {
        match bounds(range) {
            Some(bounds) => walk::count(&self.root, bounds, at),
            None => i64::from(self.get(range.start(), at).is_some()),
        }
    }

    /// Shows the keys of a range that were there at a revision, in order.
    pub(crate) fn visit<'a>(
        &'a self,
        range: &KeyRange,
        at: i64,
        direction: Direction,
        show: &mut dyn FnMut(Key<'a>, Entry) -> ControlFlow<()>,
    ) {
        if let Some(bounds) = bounds(range) {
            let _ = walk::visit(&self.root, bounds, at, direction, show);
        } else if let Some((key, row)) = walk::find(&self.root.node, range.start())
            && let Some(entry) = row.newest_at(at).filter(Entry::is_live)
        {
            let _ = show(key, entry);
        }
    }

    /// Whether any key at all was there at a revision.
    pub(crate) fn has_live(&self, at: i64) -> bool {
        walk::count(&self.root, Bounds::NONE, at) > 0
    }

    /// Whether any entry, a deletion too, has `main <= at`.
    pub(crate) fn has_any(&self, at: i64) -> bool {
        walk::has_any(&self.root, at)
    }

    /// Writes a key; returns what it is now.
    ///
    /// # Panics
    /// When the revision is not above the key's.
    pub(crate) fn put(&mut self, key: &[u8], revision: Revision) -> Entry {
        let change = Change { key, entry: Entry::created(revision) };
        self.apply(&[change]).expect("a change has an outcome")
    }

    /// Deletes keys, which ascend: the first at a revision, each further one at the next sub-revision.
    ///
    /// # Panics
    /// When one is not there, or its revision is not above the key's.
    pub(crate) fn delete<K: AsRef<[u8]>>(&mut self, keys: &[K], first: Revision) {
        let revisions = (first.sub..).map(|sub| Revision::new(first.main, sub));
        let changes = keys.iter().zip(revisions);
        let changes = changes
            .map(|(key, revision)| Change { key: key.as_ref(), entry: Entry::tombstone(revision) });
        let changes: Vec<Change<'_>> = changes.collect();
        let before = self.live();
        self.apply(&changes);
        assert!(before - self.live() == keys.len() as i64, "deleted a key that is not there");
    }

    /// Carries out changes, which ascend by key and then by revision; returns what the last one's
    /// key is now.
    fn apply(&mut self, changes: &[Change<'_>]) -> Option<Entry> {
        let mut effect = Effect::NONE;
        let others = node::apply(&mut self.root.node, changes, &mut effect);
        if others.is_empty() {
            self.root.summary = self.root.summary.and(effect.summary);
        } else {
            self.root.summary = self.root.node.summary();
            self.grow(others);
        }
        effect.last
    }

    /// Makes new roots until one has all nodes below it.
    fn grow(&mut self, mut others: Others<Child>) {
        while !others.is_empty() {
            let line = node::split(Line { first: self.root.clone(), others });
            let (first, above) = line.map_others(|branch| Child::of(Node::Branch(branch)));
            self.root = Child::of(Node::Branch(first));
            others = above;
        }
    }

    /// Removes what a compaction at a revision removes: of each key all entries behind the newest
    /// with `main <= at`, and that one too if it is a deletion with `main < at`. Rewrites so many
    /// leaves at most; what is left is removed by further calls.
    pub(crate) fn compact(&mut self, at: i64, mut leaves_max: usize) {
        compact::compact(&mut self.root, at, &mut leaves_max);
        loop {
            let Node::Branch(Branch { children, .. }) = &*self.root.node else { return };
            match &children[..] {
                [] => *self = Self::default(),
                [only] => self.root = only.clone(),
                _ => return,
            }
        }
    }

    /// Whether nothing is left to remove for a compaction at a revision.
    pub(crate) const fn is_compacted(&self, at: i64) -> bool {
        self.root.summary.lost_at > at
    }

    /// Bytes of all allocations that the index is. Visits everything.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.root.node.heap_bytes()
    }
}

/// A range's bounds; none for a single key.
fn bounds(range: &KeyRange) -> Option<Bounds<'_>> {
    let bounds = match range {
        KeyRange::Key(_) => return None,
        // Go takes "all keys" for those from "\0" on, which the empty key is not among. Only the
        // record that `etcdutl snapshot restore --bump-revision` leaves behind has that key.
        KeyRange::All => Bounds { start: Some(b"\0"), end: None },
        KeyRange::Range(start, end) if end <= start => {
            Bounds { start: Some(start), end: Some(start) }
        }
        KeyRange::Range(..) | KeyRange::From(_) => {
            Bounds { start: Some(range.start()), end: range.end() }
        }
    };
    Some(bounds)
}
