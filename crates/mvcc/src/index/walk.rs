//! Reading the tree: one key, counts, and visits in either direction.

use std::ops::ControlFlow;

use super::branch::{Bounds, Child};
use super::entry::Entry;
use super::leaf::Row;
use super::node::Node;
use super::{Direction, Key};

/// A key's row.
pub(super) fn find<'a>(mut node: &'a Node, key: &[u8]) -> Option<(Key<'a>, Row<'a>)> {
    loop {
        match node {
            Node::Branch(branch) => node = &branch.children[branch.child_of(key)].node,
            Node::Leaf(leaf) => {
                let slot = leaf.search(key).ok()?;
                return Some((leaf.key(slot), leaf.row(slot)));
            }
        }
    }
}

/// How many keys were there at a revision. Visits the nodes at the bounds, and those with creations
/// or deletions after it.
pub(super) fn count(child: &Child, bounds: Bounds<'_>, at: i64) -> i64 {
    if child.summary.is_unseen(at) {
        return 0;
    }
    if bounds.are_none() && child.summary.is_settled(at) {
        return child.summary.live;
    }
    match &*child.node {
        Node::Branch(branch) => {
            branch.overlapping(bounds).map(|(child, bounds)| count(child, bounds, at)).sum()
        }
        Node::Leaf(leaf) => leaf.live_at(leaf.slots(bounds.start, bounds.end), at),
    }
}

/// What a visit calls for each key.
pub(super) type Visit<'a, 'v> = &'v mut dyn FnMut(Key<'a>, Entry) -> ControlFlow<()>;

/// Shows the keys that were there at a revision, in order.
pub(super) fn visit<'a>(
    child: &'a Child,
    bounds: Bounds<'_>,
    at: i64,
    direction: Direction,
    show: Visit<'a, '_>,
) -> ControlFlow<()> {
    if child.summary.is_unseen(at) {
        return ControlFlow::Continue(());
    }
    match &*child.node {
        Node::Branch(branch) => {
            let mut children = branch.overlapping(bounds);
            let mut each = |(child, bounds)| visit(child, bounds, at, direction, show);
            match direction {
                Direction::Ascending => children.try_for_each(&mut each),
                Direction::Descending => children.rev().try_for_each(&mut each),
            }
        }
        Node::Leaf(leaf) => {
            let mut slots = leaf.slots(bounds.start, bounds.end);
            let mut each = |slot| match leaf.row(slot).newest_at(at) {
                Some(entry) if entry.is_live() => show(leaf.key(slot), entry),
                _ => ControlFlow::Continue(()),
            };
            match direction {
                Direction::Ascending => slots.try_for_each(&mut each),
                Direction::Descending => slots.rev().try_for_each(&mut each),
            }
        }
    }
}

/// Whether any entry, a deletion too, has `main <= at`.
pub(super) fn has_any(child: &Child, at: i64) -> bool {
    if child.summary.birth > at {
        return false;
    }
    match &*child.node {
        Node::Branch(branch) => branch.children.iter().any(|child| has_any(child, at)),
        Node::Leaf(leaf) => (0..leaf.len()).any(|slot| leaf.row(slot).newest_at(at).is_some()),
    }
}
