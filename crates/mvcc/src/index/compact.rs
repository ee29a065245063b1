//! Compaction of the index: only subtrees that lose something are visited, and a call may end early.
//!
//! What is left is found again by the summaries: a subtree that is done loses nothing any more.
//!
//! Nodes that have become small are joined with their neighbours, so that the tree does not stay as
//! wide as it once was.

use std::sync::Arc;

use super::branch::{Branch, CHILDREN_MAX, Child, Line, Separators};
use super::leaf::{BYTES_MAX, KEYS_MAX, Leaf, Row};
use super::leaf_builder::{self, Item};
use super::node::{Node, replace};

/// Removes what a compaction at a revision removes, from so many leaves at most; returns whether
/// anything was.
pub(super) fn compact(child: &mut Child, at: i64, leaves_max: &mut usize) -> bool {
    if child.summary.lost_at > at || *leaves_max == 0 {
        return false;
    }
    if let Node::Leaf(leaf) = &*child.node {
        *leaves_max -= 1;
        let leaf = leaf_builder::build_smaller(surviving(leaf, at));
        child.summary = leaf.summary();
        replace(&mut child.node, Node::Leaf(leaf));
        return true;
    }
    let Node::Branch(branch) = Arc::make_mut(&mut child.node) else {
        unreachable!("a node is leaf or branch")
    };
    let children = branch.children.iter_mut();
    let changed: Vec<bool> = children.map(|child| compact(child, at, leaves_max)).collect();
    join(branch, &changed);
    child.summary = branch.summary();
    true
}

/// A leaf's rows after a compaction.
fn surviving(leaf: &Leaf, at: i64) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    let mut unchanged = 0;
    for slot in 0..leaf.len() {
        let Row { head, history } = leaf.row(slot);
        let lost_at = history.map_or_else(|| head.lost_at(None), |history| history.lost_at());
        if lost_at > at {
            continue;
        }
        items.push(Item::Rows(leaf, unchanged..slot));
        unchanged = slot + 1;
        if head.revision.main > at {
            let history = history.and_then(|history| history.compact(at)).map(Arc::new);
            items.push(Item::Row { key: leaf.key(slot), head, history });
        } else if head.is_live()
            || (head.revision.main == at && !env::planted!("compaction-takes-tombstone"))
        {
            items.push(Item::Row { key: leaf.key(slot), head, history: None });
        }
    }
    items.push(Item::Rows(leaf, unchanged..leaf.len()));
    items
}

/// Removes children without keys, and joins small neighbours of which one has changed.
fn join(branch: &mut Branch, changed: &[bool]) {
    let old = std::mem::take(&mut branch.children);
    let count = old.len();
    let mut children: Vec<(usize, Child, bool)> = Vec::with_capacity(count);
    for ((at, child), &changed) in old.into_iter().enumerate().zip(changed) {
        if child.summary.is_empty() {
            continue;
        }
        if let Some((_, left, left_changed)) = children.last_mut()
            && (changed || *left_changed)
            && let Some(joined) = joined(left, &child, || branch.separators.get(at - 1))
        {
            *left = joined;
            *left_changed = true;
            continue;
        }
        children.push((at, child, changed));
    }
    if children.len() < count {
        let kept = children.iter().skip(1).map(|(at, _, _)| branch.separators.get(at - 1));
        branch.separators = Arc::new(Separators::of(kept));
    }
    branch.children = children.into_iter().map(|(_, child, _)| child).collect();
}

/// Two neighbours in one node, if that is at most half full.
fn joined<'s>(left: &Child, right: &Child, separator: impl FnOnce() -> &'s [u8]) -> Option<Child> {
    let summary = left.summary.and(right.summary);
    let node = match (&*left.node, &*right.node) {
        (Node::Leaf(left), Node::Leaf(right)) => {
            let keys = left.len() + right.len();
            if keys > KEYS_MAX / 2 || left.block.len() + right.block.len() > BYTES_MAX / 2 {
                return None;
            }
            let rows = |leaf| Item::Rows(leaf, 0..leaf.len());
            let Line { first, others } = leaf_builder::build(vec![rows(left), rows(right)]);
            if !others.is_empty() {
                return None;
            }
            Node::Leaf(first)
        }
        (Node::Branch(left), Node::Branch(right)) => {
            if left.children.len() + right.children.len() > CHILDREN_MAX / 2 {
                return None;
            }
            let between = [separator()].into_iter();
            let separators = left.separators.iter().chain(between).chain(right.separators.iter());
            let separators = Arc::new(Separators::of(separators));
            let children = left.children.iter().chain(&right.children).cloned().collect();
            Node::Branch(Branch { separators, children })
        }
        _ => unreachable!("all leaves lie equally deep"),
    };
    Some(Child { node: Arc::new(node), summary })
}
