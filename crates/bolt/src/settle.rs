//! The children of one branch before they are written: which of them become one.
//!
//! Empty nodes go, small ones join a neighbour. A branch may not keep a single child, so one that
//! has no more always joins a neighbour; where it has none beside it under the same parent it takes
//! the parent's place, one level up, and is grafted into the edge of a neighbour's subtree there.
//! Knows nodes and pages, no edits.
//!
//! Invariants of what is written: a branch has at least two children; all leaves below a branch lie
//! at one depth.

use std::sync::Arc;

use crate::error::{Error, Fault, Result};
use crate::node::{Link, Node};
use crate::options::Fill;
use crate::page::Page;
use crate::transaction::Transaction;

/// A rebuilt node.
pub(crate) struct Shaped {
    pub(crate) node: Node,
    /// It lost keys, so it may be too small.
    shrunk: bool,
    /// By how many levels it is lower than the nodes beside it.
    lower_by: usize,
}

/// A child of a branch that is being rebuilt.
pub(crate) enum Slot {
    Kept(Link),
    New(Shaped),
}

/// What the children of a branch became.
pub(crate) enum Settled {
    /// Pages, written.
    Links(Vec<Link>),
    /// A branch with one child and nothing beside it, to stand where its parent stood.
    Lone(Shaped),
}

impl Shaped {
    pub(crate) const fn new(node: Node, shrunk: bool) -> Self {
        Self { node, shrunk, lower_by: 0 }
    }

    const fn is_lone(&self) -> bool {
        self.lower_by > 0 || (!self.node.is_leaf() && self.node.len() == 1)
    }
}

impl Transaction<'_> {
    /// Turns the children of one branch into pages: drops empty ones, merges small ones, cuts full
    /// ones.
    pub(crate) fn settle(&mut self, slots: Vec<Slot>, fill: Fill) -> Result<Settled> {
        let mut merged: Vec<Slot> = Vec::with_capacity(slots.len());
        for slot in slots {
            if matches!(&slot, Slot::New(shaped) if shaped.node.len() == 0) {
                continue;
            }
            let rest = match merged.pop() {
                Some(left) => {
                    let (left, right) = self.merge(left, slot, fill)?;
                    merged.push(left);
                    right
                }
                None => Some(slot),
            };
            merged.extend(rest);
        }
        if merged.len() == 1 {
            match merged.pop() {
                Some(Slot::New(lone)) if lone.is_lone() => {
                    return Ok(Settled::Lone(Shaped { lower_by: lone.lower_by + 1, ..lone }));
                }
                only => merged.extend(only),
            }
        }
        let mut links = Vec::with_capacity(merged.len());
        for slot in merged {
            match slot {
                Slot::Kept(link) => links.push(link),
                Slot::New(shaped) => links.extend(self.write(&shaped.node, fill)?),
            }
        }
        Ok(Settled::Links(links))
    }

    /// Merges two neighbours where one of them cannot stand alone, or where that saves a page: both
    /// are rebuilt anyway, one lost keys, and together they leave room for what comes; or one of
    /// them is too small and both fit a page. Else gives both back.
    fn merge(&mut self, left: Slot, right: Slot, fill: Fill) -> Result<(Slot, Option<Slot>)> {
        if left.lower_by() != right.lower_by() {
            return Ok((self.graft_slots(left, right, fill)?, None));
        }
        let page_size = self.base.page_size();
        let small = fill.merge_bytes(page_size);
        let bytes_max = match (&left, &right) {
            _ if left.is_lone() || right.is_lone() => usize::MAX,
            _ if left.is_shrunk_to(small) || right.is_shrunk_to(small) => page_size,
            (Slot::New(one), Slot::New(other)) if one.shrunk || other.shrunk => {
                fill.split_bytes(page_size).max(page_size / 4 * 3)
            }
            _ => return Ok((left, Some(right))),
        };
        let (left_page, right_page) = (self.kept_page(&left)?, self.kept_page(&right)?);
        let bytes = left.bytes(left_page.as_deref()) + right.bytes(right_page.as_deref());
        if bytes > bytes_max {
            return Ok((left, Some(right)));
        }
        let lower_by = left.lower_by();
        let node = self.open(left)?;
        let more = self.open(right)?;
        let node = self.join(node, more)?;
        Ok((Slot::New(Shaped { node, shrunk: true, lower_by }), None))
    }

    /// Puts the lower one of two neighbours into the subtree of the higher one.
    fn graft_slots(&mut self, left: Slot, right: Slot, fill: Fill) -> Result<Slot> {
        let (left_by, right_by) = (left.lower_by(), right.lower_by());
        let (left, right) = (self.open(left)?, self.open(right)?);
        let node = if left_by < right_by {
            self.graft(left, right, right_by - left_by, Edge::Last, fill)?
        } else {
            self.graft(right, left, left_by - right_by, Edge::First, fill)?
        };
        Ok(Slot::New(Shaped { node, shrunk: true, lower_by: left_by.min(right_by) }))
    }

    /// Joins a node with the one at its level at an edge of a higher node's subtree.
    fn graft(
        &mut self,
        high: Node,
        low: Node,
        levels: usize,
        edge: Edge,
        fill: Fill,
    ) -> Result<Node> {
        let Node::Branch(mut links) = high else { return Err(self.uneven()) };
        let at = match edge {
            Edge::First => 0,
            Edge::Last => links.len() - 1,
        };
        let child = self.reopen(links[at].child)?;
        let joined = match (levels, edge) {
            (1, Edge::First) => self.join(low, child)?,
            (1, Edge::Last) => self.join(child, low)?,
            _ => self.graft(child, low, levels - 1, edge, fill)?,
        };
        let written = self.write(&joined, fill)?;
        links.splice(at..=at, written);
        Ok(Node::Branch(links))
    }

    /// One node of two neighbours.
    fn join(&self, mut left: Node, right: Node) -> Result<Node> {
        if left.is_leaf() != right.is_leaf() {
            return Err(self.uneven());
        }
        if left.last_key() >= right.first_key() {
            let found = "a last key that is not below the next page's first";
            let fault = Fault::new(0, "keys in strict order from page to page", found);
            return Err(self.base.file().damaged(self.base.meta().root, fault));
        }
        left.append(right);
        Ok(left)
    }

    fn uneven(&self) -> Error {
        let fault = Fault::new(0, "a tree with all leaves at one depth", "another");
        self.base.file().damaged(self.base.meta().root, fault)
    }

    /// The page behind a kept child.
    fn kept_page(&self, slot: &Slot) -> Result<Option<Arc<Page>>> {
        match slot {
            Slot::Kept(link) => self.read(link.child).map(Some),
            Slot::New(_) => Ok(None),
        }
    }

    /// The node of a child that will be written anew.
    fn open(&mut self, slot: Slot) -> Result<Node> {
        match slot {
            Slot::New(shaped) => Ok(shaped.node),
            Slot::Kept(link) => self.reopen(link.child),
        }
    }
}

/// The end of a subtree that a neighbour is joined to.
#[derive(Clone, Copy)]
enum Edge {
    First,
    Last,
}

impl Slot {
    const fn lower_by(&self) -> usize {
        match self {
            Self::New(shaped) => shaped.lower_by,
            Self::Kept(_) => 0,
        }
    }

    /// A rebuilt node that cannot be written as it is.
    const fn is_lone(&self) -> bool {
        matches!(self, Self::New(shaped) if shaped.is_lone())
    }

    /// A rebuilt node that lost keys and has few left.
    fn is_shrunk_to(&self, limit: usize) -> bool {
        matches!(self, Self::New(shaped) if shaped.shrunk && shaped.node.bytes() <= limit)
    }

    fn bytes(&self, page: Option<&Page>) -> usize {
        match self {
            Self::New(shaped) => shaped.node.bytes(),
            Self::Kept(_) => page.map_or(0, Page::used),
        }
    }
}
