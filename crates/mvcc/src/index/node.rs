//! The tree of nodes, and writing into it.
//!
//! Invariants: all leaves lie equally deep; no node but the root is without keys.

use std::sync::Arc;

use super::branch::{Branch, CHILDREN_MAX, Child, Line, Others};
use super::entry::{Entry, Kind};
use super::history::History;
use super::leaf::{Leaf, Row};
use super::leaf_builder::{self, Item};
use super::summary::Summary;
use super::{ARC_BYTES, Key};

/// A node.
#[derive(Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    Branch(Branch),
}

/// A write of a key, or its deletion.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) key: &'a [u8],
    /// What the key is if it was not known before; of a known key that is written, only the revision
    /// counts.
    pub(super) entry: Entry,
}

/// What changes did to the keys below a node.
pub(super) struct Effect {
    /// To be added to the node's summary: the difference in live keys, the rest of the keys written.
    pub(super) summary: Summary,
    /// What the key written last is now.
    pub(super) last: Option<Entry>,
}

impl Effect {
    pub(super) const NONE: Self = Self { summary: Summary::EMPTY, last: None };

    fn add(&mut self, other: &Self) {
        self.summary = self.summary.and(other.summary);
        self.last = other.last.or(self.last);
    }
}

impl Node {
    pub(super) fn summary(&self) -> Summary {
        match self {
            Self::Leaf(leaf) => leaf.summary(),
            Self::Branch(branch) => branch.summary(),
        }
    }

    /// Bytes of the allocations that the subtree is.
    pub(super) fn heap_bytes(&self) -> usize {
        let below: usize = match self {
            Self::Leaf(leaf) => leaf.heap_bytes(),
            Self::Branch(branch) => {
                let children = branch.children.iter().map(|child| child.node.heap_bytes());
                let list = branch.children.capacity() * size_of::<Child>();
                branch.separators.heap_bytes() + list + children.sum::<usize>()
            }
        };
        ARC_BYTES + size_of::<Self>() + below
    }
}

impl Child {
    pub(super) fn of(node: Node) -> Self {
        let summary = node.summary();
        Self { node: Arc::new(node), summary }
    }
}

/// Puts a node in the place of another.
pub(super) fn replace(node: &mut Arc<Node>, new: Node) {
    match Arc::get_mut(node) {
        Some(old) => *old = new,
        None => *node = Arc::new(new),
    }
}

/// Carries out changes, which ascend by key and then by revision. A node that becomes too large is
/// split: it keeps the leftmost part, and the others are returned.
pub(super) fn apply(
    node: &mut Arc<Node>,
    changes: &[Change<'_>],
    effect: &mut Effect,
) -> Others<Child> {
    if let Node::Leaf(leaf) = &**node {
        let line = leaf_builder::build(merge(leaf, changes, effect));
        let (first, others) = line.map_others(|leaf| Child::of(Node::Leaf(leaf)));
        replace(node, Node::Leaf(first));
        return others;
    }
    let Node::Branch(branch) = Arc::make_mut(node) else {
        unreachable!("a node is leaf or branch")
    };
    let new = apply_below(branch, changes, effect);
    if new.is_empty() {
        return Vec::new();
    }
    let line = split(with_new(branch, new));
    let (first, others) = line.map_others(|branch| Child::of(Node::Branch(branch)));
    *branch = first;
    others
}

/// Carries out changes below a branch; returns the children that are new, by the position of the one
/// to the left.
fn apply_below(
    branch: &mut Branch,
    mut changes: &[Change<'_>],
    effect: &mut Effect,
) -> Vec<(usize, Others<Child>)> {
    let mut new = Vec::new();
    while let Some(change) = changes.first() {
        let at = branch.child_of(change.key);
        let mine = if changes.len() == 1 || at + 1 == branch.children.len() {
            changes.len()
        } else {
            let end = branch.separators.get(at);
            changes.partition_point(|change| change.key < end)
        };
        let (below, rest) = changes.split_at(mine);
        changes = rest;
        let child = &mut branch.children[at];
        let mut done = Effect::NONE;
        let others = apply(&mut child.node, below, &mut done);
        if others.is_empty() {
            child.summary = child.summary.and(done.summary);
        } else {
            child.summary = child.node.summary();
            new.push((at, others));
        }
        effect.add(&done);
    }
    new
}

/// The children of a branch with the new ones.
fn with_new(branch: &mut Branch, new: Vec<(usize, Others<Child>)>) -> Line<Child> {
    let separators = Arc::clone(&branch.separators);
    let mut old = std::mem::take(&mut branch.children).into_iter().enumerate();
    let mut new = new.into_iter().peekable();
    let (_, first) = old.next().expect("a branch has children");
    let mut others = Vec::new();
    let mut new_behind = |at: usize, others: &mut Others<Child>| {
        if let Some((_, new)) = new.next_if(|(behind, _)| *behind == at) {
            others.extend(new);
        }
    };
    new_behind(0, &mut others);
    for (at, child) in old {
        others.push((separators.get(at - 1).into(), child));
        new_behind(at, &mut others);
    }
    Line { first, others }
}

/// One branch of the children, or several if they are too many, of about the same size.
pub(super) fn split(line: Line<Child>) -> Line<Branch> {
    let Line { first, mut others } = line;
    let children = others.len() + 1;
    let each = children.div_ceil(children.div_ceil(CHILDREN_MAX));
    let mut rest = others.split_off(each - 1);
    let first = Branch::of(Line { first, others });
    let mut siblings = Vec::new();
    while !rest.is_empty() {
        let further = rest.split_off(each.min(rest.len()));
        let mut piece = rest.into_iter();
        let (separator, first) = piece.next().expect("the rest is not empty");
        siblings.push((separator, Branch::of(Line { first, others: piece.collect() })));
        rest = further;
    }
    Line { first, others: siblings }
}

/// A leaf's rows with the changes.
fn merge<'a>(leaf: &'a Leaf, changes: &[Change<'a>], effect: &mut Effect) -> Vec<Item<'a>> {
    let mut items = Vec::with_capacity(2 * changes.len() + 1);
    let mut slot = 0;
    for of_key in changes.chunk_by(|a, b| a.key == b.key) {
        let key = of_key[0].key;
        let (old, place, next) = match leaf.search(key) {
            Ok(found) => (Some(leaf.row(found)), found, found + 1),
            Err(place) => (None, place, place),
        };
        items.push(Item::Rows(leaf, slot..place));
        slot = next;
        let (head, history) = change(old, of_key, effect);
        items.push(Item::Row { key: Key { prefix: b"", suffix: key }, head, history });
    }
    items.push(Item::Rows(leaf, slot..leaf.len()));
    items
}

/// Carries out changes of one key.
fn change(
    old: Option<Row<'_>>,
    changes: &[Change<'_>],
    effect: &mut Effect,
) -> (Entry, Option<Arc<History>>) {
    let live_before = old.as_ref().is_some_and(|row| row.head.is_live());
    let mut changes = changes.iter().map(|change| change.entry);
    let (mut head, mut history) = match old {
        Some(Row { head, history }) => (head, history.cloned()),
        None => (changes.next().expect("a key has changes"), None),
    };
    for change in changes {
        assert!(head.revision < change.revision, "{change:?} follows {head:?}");
        let next = match change.kind {
            Kind::Put => head.rewritten(change.revision),
            Kind::Tombstone => change,
        };
        if !head.is_live() && !next.is_live() {
            // A second deletion: only a damaged file has it. Go passes over it too.
            continue;
        }
        let by = next.revision.main;
        let longer = match &history {
            Some(history) => history.push(&head, by),
            None => History::begin(&head, by),
        };
        history = Some(Arc::new(longer));
        head = next;
    }
    let mut summary = Summary::of(&head, history.as_deref());
    summary.live -= i64::from(live_before);
    effect.add(&Effect { summary, last: Some(head) });
    (head, history)
}
