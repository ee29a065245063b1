//! What must hold in an index, checked by visiting all of it.

use super::branch::Child;
use super::history::CHUNK_ENTRIES_MAX;
use super::leaf::{KEYS_MAX, Leaf};
use super::leaf_builder;
use super::node::Node;
use super::summary::Summary;
use super::{Entry, Index, branch};

impl Index {
    /// Panics where an invariant does not hold.
    pub(crate) fn check_invariants(&self) {
        let mut keys = Vec::new();
        check(&self.root, Root::Yes, &mut keys);
        assert!(keys.is_sorted_by(|a, b| a < b), "keys do not ascend");
    }

    /// How many nodes there are from the root to a leaf.
    pub(crate) fn depth(&self) -> usize {
        check(&self.root, Root::Yes, &mut Vec::new())
    }

    /// How many nodes this index does not share with another.
    pub(crate) fn nodes_not_in(&self, other: &Self) -> usize {
        let (mut mine, mut its) = (Vec::new(), Vec::new());
        nodes(&self.root, &mut mine);
        nodes(&other.root, &mut its);
        mine.iter().filter(|node| !its.contains(node)).count()
    }

    /// Every key with its entries, newest first.
    pub(crate) fn dump(&self) -> Vec<(Vec<u8>, Vec<Entry>)> {
        let mut rows = Vec::new();
        dump(&self.root.node, &mut rows);
        rows
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Root {
    Yes,
    No,
}

/// Checks a subtree; returns its depth.
fn check(child: &Child, root: Root, keys: &mut Vec<Vec<u8>>) -> usize {
    assert_eq!(child.summary, child.node.summary(), "a summary is not that of its subtree");
    match &*child.node {
        Node::Leaf(leaf) => {
            assert!(root == Root::Yes || leaf.len() > 0, "an empty leaf");
            check_leaf(leaf);
            keys.extend((0..leaf.len()).map(|slot| leaf.key(slot).to_vec()));
            1
        }
        Node::Branch(branch) => {
            let count = branch.children.len();
            assert!((1..=branch::CHILDREN_MAX).contains(&count), "{count} children");
            assert!(root == Root::No || count > 1, "a root with one child");
            assert_eq!(branch.separators.iter().count() + 1, count);
            let mut depths = Vec::new();
            for (at, child) in branch.children.iter().enumerate() {
                let before = keys.len();
                depths.push(check(child, Root::No, keys));
                let (first, last) = (&keys[before], &keys[keys.len() - 1]);
                assert!(at == 0 || branch.separators.get(at - 1) <= &first[..], "separator");
                assert!(at + 1 == count || &last[..] < branch.separators.get(at), "separator");
            }
            depths.dedup();
            assert_eq!(depths.len(), 1, "leaves do not lie equally deep");
            depths[0] + 1
        }
    }
}

fn check_leaf(leaf: &Leaf) {
    assert!(leaf.len() <= KEYS_MAX, "{} keys in a leaf", leaf.len());
    let rebuilt = leaf_builder::build_smaller(vec![leaf_builder::Item::Rows(leaf, 0..leaf.len())]);
    assert_eq!(rebuilt.prefix_len, leaf.prefix_len, "the prefix is not the longest");
    let with_history = (0..leaf.len()).filter(|&slot| leaf.row(slot).history.is_some());
    assert!(with_history.eq(leaf.histories.iter().map(|(slot, _)| *slot as usize)));
    for slot in 0..leaf.len() {
        check_row(leaf, slot);
    }
}

fn check_row(leaf: &Leaf, slot: usize) {
    let row = leaf.row(slot);
    let Some(history) = row.history else { return };
    let entries = history.entries();
    let mut newer = row.head;
    for (entry, superseded_by) in &entries {
        assert!(entry.revision < newer.revision, "{entry:?} behind {newer:?}");
        assert!(entry.is_live() || newer.is_live(), "a deletion follows another");
        assert_eq!(*superseded_by, newer.revision.main);
        newer = *entry;
    }
    let (oldest, by) = entries.last().expect("a history is not empty");
    let whole =
        Summary { birth: oldest.create, lost_at: oldest.lost_at(Some(*by)), ..Summary::EMPTY };
    assert_eq!((history.birth(), history.lost_at()), (whole.birth, whole.lost_at));
    assert!(entries.len() <= usize::MAX / CHUNK_ENTRIES_MAX as usize);
}

fn dump(node: &Node, rows: &mut Vec<(Vec<u8>, Vec<Entry>)>) {
    match node {
        Node::Leaf(leaf) => {
            for slot in 0..leaf.len() {
                let row = leaf.row(slot);
                let older = row.history.map(|history| history.entries()).unwrap_or_default();
                let older = older.into_iter().map(|(entry, _)| entry);
                rows.push((leaf.key(slot).to_vec(), [row.head].into_iter().chain(older).collect()));
            }
        }
        Node::Branch(branch) => branch.children.iter().for_each(|child| dump(&child.node, rows)),
    }
}

fn nodes(child: &Child, found: &mut Vec<*const Node>) {
    found.push(std::sync::Arc::as_ptr(&child.node));
    if let Node::Branch(branch) = &*child.node {
        branch.children.iter().for_each(|child| nodes(child, found));
    }
}
