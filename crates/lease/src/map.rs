//! An ordered map whose copies share what they have in common: cloning is O(1), and a change after
//! that copies one path from the root.
//!
//! A weight-balanced tree (Adams 1993) with the parameters (3, 2), which Hirai and Yamamoto (2011)
//! prove right. Knows nothing of leases.
//!
//! Invariants: keys ascend from left to right; for every node, with `weight = size + 1`, neither
//! subtree's weight is more than 3 times the other's.

use std::cmp::Ordering;
use std::sync::Arc;

/// How many times heavier than its sibling a subtree may be.
const DELTA: usize = 3;
/// How many times heavier than its sibling the inner grandchild may be for one rotation to do.
const GAMMA: usize = 2;

type Link<K, V> = Option<Arc<Node<K, V>>>;

#[derive(Clone)]
struct Node<K, V> {
    key: K,
    value: V,
    /// Entries in this subtree, this one included.
    size: usize,
    left: Link<K, V>,
    right: Link<K, V>,
}

/// The map.
#[derive(Clone)]
pub(crate) struct Map<K, V> {
    root: Link<K, V>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<K, V> Map<K, V> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        size(&self.root)
    }

    /// The entries from the first key on for which `reached` holds; `reached` must hold for all
    /// keys above one for which it does.
    pub(crate) fn iter_from(&self, reached: impl Fn(&K) -> bool) -> Iter<'_, K, V> {
        let mut path = Vec::new();
        let mut link = &self.root;
        while let Some(node) = link {
            if reached(&node.key) {
                path.push(&**node);
                link = &node.left;
            } else {
                link = &node.right;
            }
        }
        Iter { path }
    }

    /// All entries in order.
    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        self.iter_from(|_| true)
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The value at a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let mut link = &self.root;
        while let Some(node) = link {
            link = match key.cmp(&node.key) {
                Ordering::Less => &node.left,
                Ordering::Greater => &node.right,
                Ordering::Equal => return Some(&node.value),
            };
        }
        None
    }
}

impl<K: Ord + Clone, V: Clone> Map<K, V> {
    /// Sets a key's value.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        insert(&mut self.root, key, value);
    }

    /// Removes a key, if it is there.
    pub(crate) fn remove(&mut self, key: &K) {
        // The walk down copies shared nodes, so it has to be known that there is something to do.
        if self.get(key).is_some() {
            remove(&mut self.root, key);
        }
    }
}

/// The entries of a map, or of its upper part, in order.
pub(crate) struct Iter<'a, K, V> {
    /// Nodes that are still to come, the next one last; of each also its right subtree is.
    path: Vec<&'a Node<K, V>>,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.path.pop()?;
        let mut link = &next.right;
        while let Some(node) = link {
            self.path.push(node);
            link = &node.left;
        }
        Some((&next.key, &next.value))
    }
}

fn size<K, V>(link: &Link<K, V>) -> usize {
    link.as_ref().map_or(0, |node| node.size)
}

fn weight<K, V>(link: &Link<K, V>) -> usize {
    size(link) + 1
}

fn insert<K: Ord + Clone, V: Clone>(link: &mut Link<K, V>, key: K, value: V) {
    let Some(shared) = link else {
        *link = Some(Arc::new(Node { key, value, size: 1, left: None, right: None }));
        return;
    };
    let node = Arc::make_mut(shared);
    match key.cmp(&node.key) {
        Ordering::Less => insert(&mut node.left, key, value),
        Ordering::Greater => insert(&mut node.right, key, value),
        Ordering::Equal => {
            node.value = value;
            return;
        }
    }
    node.balance();
}

/// Removes a key that is there.
fn remove<K: Ord + Clone, V: Clone>(link: &mut Link<K, V>, key: &K) {
    let Some(shared) = link else { return };
    let node = Arc::make_mut(shared);
    match key.cmp(&node.key) {
        Ordering::Less => remove(&mut node.left, key),
        Ordering::Greater => remove(&mut node.right, key),
        Ordering::Equal => match (&node.left, &node.right) {
            (None, _) => {
                *link = node.right.take();
                return;
            }
            (_, None) => {
                *link = node.left.take();
                return;
            }
            _ => {
                let (key, value) = pop_first(&mut node.right).expect("the right subtree has nodes");
                (node.key, node.value) = (key, value);
            }
        },
    }
    node.balance();
}

/// Takes the first entry out.
fn pop_first<K: Clone, V: Clone>(link: &mut Link<K, V>) -> Option<(K, V)> {
    let node = Arc::make_mut(link.as_mut()?);
    let first = pop_first(&mut node.left);
    if first.is_some() {
        node.balance();
        return first;
    }
    let entry = (node.key.clone(), node.value.clone());
    *link = node.right.take();
    Some(entry)
}

impl<K: Clone, V: Clone> Node<K, V> {
    /// Restores size and balance after one entry came to or went from a subtree.
    fn balance(&mut self) {
        let (left, right) = (weight(&self.left), weight(&self.right));
        if right > DELTA * left {
            self.lean_left();
        } else if left > DELTA * right {
            self.lean_right();
        } else {
            self.count();
        }
    }

    fn count(&mut self) {
        self.size = size(&self.left) + size(&self.right) + 1;
    }

    fn lean_left(&mut self) {
        let right = Arc::make_mut(self.right.as_mut().expect("the heavier subtree has nodes"));
        if weight(&right.left) >= GAMMA * weight(&right.right) {
            right.rotate_right();
        }
        self.rotate_left();
    }

    fn lean_right(&mut self) {
        let left = Arc::make_mut(self.left.as_mut().expect("the heavier subtree has nodes"));
        if weight(&left.right) >= GAMMA * weight(&left.left) {
            left.rotate_left();
        }
        self.rotate_right();
    }

    /// Makes the right child the root of this subtree.
    fn rotate_left(&mut self) {
        let mut child = self.right.take().expect("the heavier subtree has nodes");
        let lower = Arc::make_mut(&mut child);
        std::mem::swap(self, lower);
        lower.right = self.left.take();
        lower.count();
        self.left = Some(child);
        self.count();
    }

    /// Makes the left child the root of this subtree.
    fn rotate_right(&mut self) {
        let mut child = self.left.take().expect("the heavier subtree has nodes");
        let lower = Arc::make_mut(&mut child);
        std::mem::swap(self, lower);
        lower.left = self.right.take();
        lower.count();
        self.right = Some(child);
        self.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::{Rng, SeededRng};
    use std::collections::BTreeMap;

    fn check<K: Ord, V>(link: &Link<K, V>) {
        let Some(node) = link else { return };
        let (left, right) = (weight(&node.left), weight(&node.right));
        assert!(left <= DELTA * right && right <= DELTA * left, "{left} beside {right}");
        assert_eq!(node.size, size(&node.left) + size(&node.right) + 1);
        check(&node.left);
        check(&node.right);
    }

    fn entries(map: &Map<u64, u64>) -> Vec<(u64, u64)> {
        map.iter().map(|(key, value)| (*key, *value)).collect()
    }

    #[test]
    fn agrees_with_the_standard_map_and_leaves_copies_alone() {
        for seed in 0..20 {
            let mut rng = SeededRng::new(seed);
            let mut map = Map::default();
            let mut model = BTreeMap::new();
            let mut copies = Vec::new();
            for step in 0..600 {
                let key = rng.below(150);
                if rng.below(5) < 3 {
                    map.insert(key, step);
                    model.insert(key, step);
                } else {
                    map.remove(&key);
                    model.remove(&key);
                }
                assert_eq!(map.get(&key), model.get(&key), "seed {seed}");
                assert_eq!(map.len(), model.len(), "seed {seed}");
                let from = rng.below(160);
                let first = map.iter_from(|key| *key >= from).next();
                assert_eq!(first, model.range(from..).next(), "seed {seed}");
                if step % 50 == 0 {
                    check(&map.root);
                    copies.push((map.clone(), model.clone()));
                }
            }
            for (map, model) in copies {
                assert_eq!(entries(&map), model.into_iter().collect::<Vec<_>>(), "seed {seed}");
            }
        }
    }

    #[test]
    fn ascending_keys_leave_a_shallow_tree() {
        fn depth<K, V>(link: &Link<K, V>) -> usize {
            link.as_ref().map_or(0, |node| 1 + depth(&node.left).max(depth(&node.right)))
        }
        let mut map = Map::default();
        for key in 0..10_000_u64 {
            map.insert(key, 0_u64);
        }
        check(&map.root);
        assert!(depth(&map.root) <= 24, "{}", depth(&map.root));
        for key in 0..9_990 {
            map.remove(&key);
        }
        check(&map.root);
        assert_eq!(entries(&map).len(), 10);
    }
}
