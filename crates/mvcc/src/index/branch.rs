//! An inner node: children, what is known of each, and the keys between them.

use std::sync::Arc;

use super::node::Node;
use super::summary::Summary;

/// Children of a branch at most.
pub(super) const CHILDREN_MAX: usize = 32;

/// A pointer to a node.
#[derive(Clone)]
pub(super) struct Child {
    pub(super) node: Arc<Node>,
    pub(super) summary: Summary,
}

/// Nodes side by side, each but the first with the separator before it: above all keys on the left,
/// at or below all on the right.
pub(super) struct Line<T> {
    pub(super) first: T,
    pub(super) others: Others<T>,
}

/// The nodes of a line behind the first.
pub(super) type Others<T> = Vec<(Box<[u8]>, T)>;

impl<T> Line<T> {
    /// The first, and what the others become.
    pub(super) fn map_others<U>(self, to: impl Fn(T) -> U) -> (T, Others<U>) {
        let others = self.others.into_iter().map(|(separator, node)| (separator, to(node)));
        (self.first, others.collect())
    }
}

/// See the module.
///
/// Invariants: there is one separator less than children; the keys below child `i` are at or above
/// separator `i - 1` and below separator `i`.
#[derive(Clone)]
pub(super) struct Branch {
    /// Shared with older copies: separators change only when nodes are split or joined.
    pub(super) separators: Arc<Separators>,
    pub(super) children: Vec<Child>,
}

impl Branch {
    /// A branch of children.
    pub(super) fn of(line: Line<Child>) -> Self {
        let Line { first, others } = line;
        let separators = Separators::of(others.iter().map(|(separator, _)| &**separator));
        let others = others.into_iter().map(|(_, child)| child);
        let children = [first].into_iter().chain(others).collect();
        Self { separators: Arc::new(separators), children }
    }

    /// The child below which a key is, if it is anywhere.
    pub(super) fn child_of(&self, key: &[u8]) -> usize {
        self.separators.at_or_below(key)
    }

    pub(super) fn summary(&self) -> Summary {
        self.children.iter().fold(Summary::EMPTY, |summary, child| summary.and(child.summary))
    }

    /// The children that a range of keys may lie below, each with the bounds that are left for it:
    /// only the first and the last have any.
    pub(super) fn overlapping<'b>(
        &self,
        bounds: Bounds<'b>,
    ) -> impl DoubleEndedIterator<Item = (&Child, Bounds<'b>)> {
        let first = bounds.start.map_or(0, |start| self.child_of(start));
        let last = bounds.end.map_or(self.children.len() - 1, |end| self.child_of(end));
        let range = first..(last + 1).max(first);
        self.children[range].iter().enumerate().map(move |(at, child)| {
            let start = bounds.start.filter(|_| at == 0);
            let end = bounds.end.filter(|_| first + at == last);
            (child, Bounds { start, end })
        })
    }
}

/// A range of keys: from `start` on and below `end`, where there is one.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) start: Option<&'a [u8]>,
    pub(super) end: Option<&'a [u8]>,
}

impl Bounds<'_> {
    /// All keys.
    pub(super) const NONE: Self = Self { start: None, end: None };

    pub(super) const fn are_none(&self) -> bool {
        self.start.is_none() && self.end.is_none()
    }
}

/// The keys between children, in one block.
pub(super) struct Separators {
    keys: Box<[u8]>,
    /// Where each key ends in `keys`.
    ends: Box<[u32]>,
}

impl Separators {
    pub(super) fn of<'k>(separators: impl Iterator<Item = &'k [u8]>) -> Self {
        let (mut keys, mut ends) = (Vec::new(), Vec::new());
        for separator in separators {
            keys.extend_from_slice(separator);
            ends.push(u32::try_from(keys.len()).expect("keys are below 4 GiB together"));
        }
        Self { keys: keys.into(), ends: ends.into() }
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.keys[start..self.ends[at] as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|at| self.get(at))
    }

    /// How many separators are at or below a key.
    fn at_or_below(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle) <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(super) fn heap_bytes(&self) -> usize {
        super::ARC_BYTES + size_of::<Self>() + self.keys.len() + size_of_val(&*self.ends)
    }
}
