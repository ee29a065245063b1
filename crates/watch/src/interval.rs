//! Which range watchers see a key: a treap of ranges, each node knowing the greatest end below it.
//!
//! Knows nothing of watchers beyond their ids. Watchers of one range share a node.
//!
//! Invariants: in-order by (start, end); a node's priority is at least its children's; a node's
//! `reach` is the greatest end in its subtree; a node has at least one id.

use std::collections::BTreeSet;

use bytes::Bytes;
use env::{Rng, SeededRng};

/// An exclusive end; no end is greater than any.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum End {
    At(Bytes),
    Never,
}

impl End {
    fn from_bound(end: Option<&Bytes>) -> Self {
        end.map_or(Self::Never, |end| Self::At(end.clone()))
    }

    fn is_behind(&self, key: &[u8]) -> bool {
        match self {
            Self::At(end) => key < &end[..],
            Self::Never => true,
        }
    }
}

type Link = Option<Box<Node>>;

#[derive(Debug)]
struct Node {
    start: Bytes,
    end: End,
    reach: End,
    priority: u64,
    ids: BTreeSet<u64>,
    left: Link,
    right: Link,
}

impl Node {
    fn update(&mut self) {
        let below = [&self.left, &self.right].into_iter().flatten().map(|child| &child.reach);
        self.reach = below.fold(&self.end, |reach, end| reach.max(end)).clone();
    }

    fn order(&self, start: &Bytes, end: &End) -> std::cmp::Ordering {
        (start, end).cmp(&(&self.start, &self.end))
    }
}

/// A multimap from ranges `[start, end)` to ids, asked for the ids whose range holds a key.
#[derive(Debug)]
pub(crate) struct IntervalTree {
    root: Link,
    /// Draws the priorities: the shape does not depend on keys that a client chooses, and a replay
    /// builds the same tree.
    priorities: SeededRng,
}

impl Default for IntervalTree {
    fn default() -> Self {
        Self { root: None, priorities: SeededRng::new(0) }
    }
}

impl IntervalTree {
    /// Adds an id to a range; no end means "to the last key".
    pub(crate) fn insert(&mut self, start: &Bytes, end: Option<&Bytes>, id: u64) {
        let priority = self.priorities.next_u64();
        let end = End::from_bound(end);
        self.root = Some(insert(self.root.take(), start, &end, id, priority));
    }

    /// Takes an id from a range; whether it was there.
    pub(crate) fn remove(&mut self, start: &Bytes, end: Option<&Bytes>, id: u64) -> bool {
        let end = End::from_bound(end);
        let (root, removed) = remove(self.root.take(), start, &end, id);
        self.root = root;
        removed
    }

    /// Calls `visit` with each id whose range holds the key, in the order of (start, end, id).
    pub(crate) fn stab(&self, key: &[u8], visit: &mut impl FnMut(u64)) {
        stab(&self.root, key, visit);
    }
}

fn insert(link: Link, start: &Bytes, end: &End, id: u64, priority: u64) -> Box<Node> {
    use std::cmp::Ordering;
    let Some(mut node) = link else {
        return Box::new(Node {
            start: start.clone(),
            end: end.clone(),
            reach: end.clone(),
            priority,
            ids: BTreeSet::from([id]),
            left: None,
            right: None,
        });
    };
    match node.order(start, end) {
        Ordering::Equal => {
            node.ids.insert(id);
            node
        }
        Ordering::Less => {
            let left = insert(node.left.take(), start, end, id, priority);
            if left.priority > node.priority {
                return rotate_right(node, left);
            }
            node.left = Some(left);
            node.update();
            node
        }
        Ordering::Greater => {
            let right = insert(node.right.take(), start, end, id, priority);
            if right.priority > node.priority {
                return rotate_left(node, right);
            }
            node.right = Some(right);
            node.update();
            node
        }
    }
}

fn rotate_right(mut node: Box<Node>, mut left: Box<Node>) -> Box<Node> {
    node.left = left.right.take();
    node.update();
    left.right = Some(node);
    left.update();
    left
}

fn rotate_left(mut node: Box<Node>, mut right: Box<Node>) -> Box<Node> {
    node.right = right.left.take();
    node.update();
    right.left = Some(node);
    right.update();
    right
}

fn remove(link: Link, start: &Bytes, end: &End, id: u64) -> (Link, bool) {
    use std::cmp::Ordering;
    let Some(mut node) = link else { return (None, false) };
    let removed = match node.order(start, end) {
        Ordering::Equal => {
            let removed = node.ids.remove(&id);
            if node.ids.is_empty() {
                return (merge(node.left.take(), node.right.take()), removed);
            }
            removed
        }
        Ordering::Less => {
            let (left, removed) = remove(node.left.take(), start, end, id);
            node.left = left;
            removed
        }
        Ordering::Greater => {
            let (right, removed) = remove(node.right.take(), start, end, id);
            node.right = right;
            removed
        }
    };
    node.update();
    (Some(node), removed)
}

/// One tree of two, all of `left` before all of `right`.
fn merge(left: Link, right: Link) -> Link {
    match (left, right) {
        (None, link) | (link, None) => link,
        (Some(mut left), Some(mut right)) => {
            if left.priority > right.priority {
                left.right = merge(left.right.take(), Some(right));
                left.update();
                Some(left)
            } else {
                right.left = merge(Some(left), right.left.take());
                right.update();
                Some(right)
            }
        }
    }
}

fn stab(link: &Link, key: &[u8], visit: &mut impl FnMut(u64)) {
    let Some(node) = link else { return };
    if !node.reach.is_behind(key) {
        return;
    }
    stab(&node.left, key, visit);
    if &node.start[..] > key {
        return;
    }
    if node.end.is_behind(key) {
        node.ids.iter().copied().for_each(&mut *visit);
    }
    stab(&node.right, key, visit);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Naive = BTreeSet<(Bytes, Option<Bytes>, u64)>;

    fn key(rng: &mut SeededRng) -> Bytes {
        let len = 1 + rng.below(2) as usize;
        (0..len).map(|_| b'a' + rng.below(5) as u8).collect()
    }

    fn expect(naive: &Naive, key: &[u8]) -> BTreeSet<u64> {
        let holds = |(start, end, _): &&(Bytes, Option<Bytes>, u64)| {
            &start[..] <= key && end.as_ref().is_none_or(|end| key < &end[..])
        };
        naive.iter().filter(holds).map(|(_, _, id)| *id).collect()
    }

    fn check_heap(link: &Link) {
        let Some(node) = link else { return };
        for child in [&node.left, &node.right].into_iter().flatten() {
            assert!(child.priority <= node.priority);
            assert!(child.reach <= node.reach);
        }
        check_heap(&node.left);
        check_heap(&node.right);
    }

    #[test]
    fn it_agrees_with_a_list_of_ranges() {
        for seed in 0..50 {
            let mut rng = SeededRng::new(seed);
            let mut tree = IntervalTree::default();
            let mut naive = Naive::new();
            for id in 0..300 {
                let start = key(&mut rng);
                let end = (rng.below(4) > 0).then(|| key(&mut rng));
                tree.insert(&start, end.as_ref(), id);
                naive.insert((start, end, id));
                if rng.below(2) == 0 {
                    let nth = rng.below(naive.len() as u64) as usize;
                    let victim = naive.iter().nth(nth).cloned().expect("not empty");
                    assert!(tree.remove(&victim.0, victim.1.as_ref(), victim.2), "seed {seed}");
                    assert!(!tree.remove(&victim.0, victim.1.as_ref(), victim.2), "seed {seed}");
                    naive.remove(&victim);
                }
                let probe = key(&mut rng);
                let mut found = BTreeSet::new();
                tree.stab(&probe, &mut |id| assert!(found.insert(id), "twice"));
                assert_eq!(found, expect(&naive, &probe), "seed {seed}, key {probe:?}");
                check_heap(&tree.root);
            }
        }
    }

    #[test]
    fn ten_thousand_sorted_ranges_stay_shallow() {
        fn depth(link: &Link) -> usize {
            link.as_ref().map_or(0, |node| 1 + depth(&node.left).max(depth(&node.right)))
        }
        let mut tree = IntervalTree::default();
        for id in 0..10_000u64 {
            let start = Bytes::from(format!("{id:06}"));
            tree.insert(&start, None, id);
        }
        assert!(depth(&tree.root) < 64, "{}", depth(&tree.root));
    }
}
