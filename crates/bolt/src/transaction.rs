//! One commit's new pages: edits are merged into the tree from the leaves up.
//!
//! Each leaf that an edit falls into is rebuilt once, however many edits there are; nodes that lost
//! keys are merged with a neighbour (module `settle`), full ones are cut, and every page of a level
//! is numbered and written to memory before the level above is built. Pages of the base state are
//! never touched: they are listed as freed. Knows no file but to read, and nothing of meta pages.
//!
//! Invariants of the trees that are written: all leaves lie at one depth; a branch has at least two
//! children; a separator is the first key of its child; keys ascend strictly along every level; a
//! page is freed at most once. bbolt ends with a failed assertion when it writes to a tree that
//! breaks the second or third (node.go, `rebalance`), though it can read it.

use std::sync::Arc;

use bytes::Bytes;

use crate::descent::{self, DEPTH_MAX, Frame};
use crate::error::{Error, Result};
use crate::free_pages::freed_twice;
use crate::freelist::Freelist;
use crate::node::{Item, Link, Node};
use crate::options::Fill;
use crate::page::{Page, PageId};
use crate::settle::{Settled, Shaped, Slot};
use crate::sweep::{Run, Sweep};
use crate::view::View;

/// What becomes of one key.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) key: Bytes,
    /// `None` deletes.
    pub(crate) value: Option<Bytes>,
    pub(crate) is_bucket: bool,
}

/// A run of pages to be written.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) id: PageId,
    pub(crate) bytes: Bytes,
}

/// The pages that a commit takes and gives back.
pub(crate) struct Transaction<'a> {
    pub(crate) base: &'a View,
    freelist: &'a mut Freelist,
    pub(crate) high_water: u64,
    pub(crate) fresh: Vec<Fresh>,
    pub(crate) freed: Vec<Run>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(base: &'a View, freelist: &'a mut Freelist) -> Self {
        let high_water = base.meta().high_water;
        Self { base, freelist, high_water, fresh: Vec::new(), freed: Vec::new() }
    }

    /// Merges edits, sorted by key, into a bucket's tree (`None`: into an empty one). Returns the
    /// new top, or `None` if nothing changes.
    pub(crate) fn update(
        &mut self,
        top: Option<&Arc<Page>>,
        edits: &[Edit],
        fill: Fill,
    ) -> Result<Option<Node>> {
        let Some(top) = top else {
            let items = edits.iter().filter_map(Edit::item).collect();
            return Ok(Some(Node::Leaf(items)));
        };
        let shaped = self.apply(top, &mut Vec::new(), edits, fill)?;
        Ok(shaped.map(|shaped| shaped.node))
    }

    /// Writes the pages of a tree whose top is this node; returns the root page.
    pub(crate) fn write_tree(&mut self, top: Node, fill: Fill) -> Result<PageId> {
        let mut node = top;
        loop {
            node = match node {
                Node::Branch(links) if links.is_empty() => Node::Leaf(Vec::new()),
                Node::Branch(links) if links.len() == 1 => return Ok(links[0].child),
                node => {
                    let links = self.write(&node, fill)?;
                    if let [only] = links.as_slice() {
                        return Ok(only.child);
                    }
                    Node::Branch(links)
                }
            }
        }
    }

    /// Gives back all pages of a bucket.
    pub(crate) fn free_bucket(&mut self, bucket: &[u8]) -> Result<()> {
        let mut sweep = Sweep::of_bucket(self.base, bucket)?;
        while let Some(leaf) = sweep.next()? {
            self.free(&leaf);
        }
        self.freed.extend_from_slice(sweep.branches());
        Ok(())
    }

    fn apply(
        &mut self,
        page: &Arc<Page>,
        path: &mut Vec<Frame<Arc<Page>>>,
        edits: &[Edit],
        fill: Fill,
    ) -> Result<Option<Shaped>> {
        if page.is_leaf() {
            Ok(self.apply_leaf(page, edits))
        } else {
            self.apply_branch(page, path, edits, fill)
        }
    }

    /// Merges sorted edits into a leaf.
    fn apply_leaf(&mut self, page: &Page, edits: &[Edit]) -> Option<Shaped> {
        let mut items = Vec::with_capacity(page.count() + edits.len());
        let (mut changed, mut shrunk) = (false, false);
        let mut index = 0;
        for edit in edits {
            while index < page.count() && page.key(index) < &edit.key[..] {
                items.push(Item::of_page(page, index));
                index += 1;
            }
            let existed = index < page.count() && page.key(index) == &edit.key[..];
            match edit.item() {
                Some(item) => {
                    changed |= !(existed && page.value(index) == &item.value[..]);
                    items.push(item);
                }
                None => shrunk |= existed,
            }
            index += usize::from(existed);
        }
        items.extend((index..page.count()).map(|index| Item::of_page(page, index)));
        if !changed && !shrunk {
            return None;
        }
        self.free(page);
        Some(Shaped::new(Node::Leaf(items), shrunk))
    }

    /// Hands the edits to the children in whose ranges they fall, and rebuilds the branch.
    fn apply_branch(
        &mut self,
        page: &Arc<Page>,
        path: &mut Vec<Frame<Arc<Page>>>,
        edits: &[Edit],
        fill: Fill,
    ) -> Result<Option<Shaped>> {
        if path.len() >= DEPTH_MAX {
            return Err(descent::too_deep(self.base.file(), page));
        }
        let mut slots = Vec::with_capacity(page.count());
        let mut rest = edits;
        let mut changed = false;
        path.push(Frame { page: Arc::clone(page), index: 0 });
        for index in 0..page.count() {
            let is_last = index + 1 == page.count();
            let mine = if is_last { rest.len() } else { below(rest, page.key(index + 1)) };
            let (mine, others) = rest.split_at(mine);
            rest = others;
            let shaped = self.apply_child(page.child(index), index, path, mine, fill)?;
            changed |= shaped.is_some();
            let kept = || Link { key: page.shared_key(index), child: page.child(index) };
            slots.push(shaped.map_or_else(|| Slot::Kept(kept()), Slot::New));
        }
        path.pop();
        if !changed {
            return Ok(None);
        }
        self.free(page);
        match self.settle(slots, fill)? {
            Settled::Lone(shaped) => Ok(Some(shaped)),
            Settled::Links(links) => {
                let shrunk = links.len() < page.count();
                Ok(Some(Shaped::new(Node::Branch(links), shrunk)))
            }
        }
    }

    fn apply_child(
        &mut self,
        child: PageId,
        index: usize,
        path: &mut Vec<Frame<Arc<Page>>>,
        edits: &[Edit],
        fill: Fill,
    ) -> Result<Option<Shaped>> {
        if edits.is_empty() {
            return Ok(None);
        }
        if let Some(parent) = path.last_mut() {
            parent.index = index;
        }
        let child = self.read(child)?;
        descent::check(self.base.file(), path, &child)?;
        self.apply(&child, path, edits, fill)
    }

    /// Cuts a node into pages and writes them to memory.
    pub(crate) fn write(&mut self, node: &Node, fill: Fill) -> Result<Vec<Link>> {
        let page_size = self.base.page_size();
        let mut links = Vec::new();
        for piece in node.pieces(page_size, fill.split_bytes(page_size)) {
            let pages = node.piece_pages(piece.clone(), page_size) as u64;
            let id = self.allocate(pages)?;
            // Only an empty root leaf has no key, and no branch names that.
            let key = if piece.is_empty() { Bytes::new() } else { node.key(piece.start).clone() };
            self.fresh.push(Fresh { id, bytes: node.encode(piece, id, page_size).into() });
            links.push(Link { key, child: id });
        }
        Ok(links)
    }

    fn allocate(&mut self, pages: u64) -> Result<PageId> {
        let id = match self.freelist.take(pages) {
            Some(id) => id,
            None => {
                let id = PageId(self.high_water);
                self.high_water = self.grown(pages)?;
                id
            }
        };
        // From here on the id means something else than what may still be kept of it.
        self.base.file().cache().forget(id);
        Ok(id)
    }

    /// The high-water mark with more pages.
    fn grown(&self, pages: u64) -> Result<u64> {
        let high_water = self.high_water + pages;
        match high_water.checked_mul(self.base.page_size() as u64) {
            Some(_) => Ok(high_water),
            None => {
                let source = std::io::Error::from(std::io::ErrorKind::FileTooLarge);
                Err(Error::io(self.base.file().path(), "grow", source))
            }
        }
    }

    /// The node of a page that is to be written anew: one of the base state, or one that this
    /// transaction wrote already, whose pages can be taken again at once.
    pub(crate) fn reopen(&mut self, id: PageId) -> Result<Node> {
        let Some(index) = self.fresh.iter().position(|fresh| fresh.id == id) else {
            let page = self.read(id)?;
            self.free(&page);
            return Ok(Node::of_page(&page));
        };
        let fresh = self.fresh.swap_remove(index);
        let file = self.base.file();
        let page = Page::parse(fresh.bytes, id).map_err(|fault| file.damaged(id, fault))?;
        let given_back = self.freelist.give_back(page.run());
        given_back.map_err(|page| freed_twice(self.base, page))?;
        Ok(Node::of_page(&page))
    }

    pub(crate) fn free(&mut self, page: &Page) {
        if page.id() != PageId(0) {
            self.freed.push(page.run());
        }
    }

    pub(crate) fn read(&self, id: PageId) -> Result<Arc<Page>> {
        self.base.file().load_once(id, self.base.meta().high_water)
    }
}

impl Edit {
    fn item(&self) -> Option<Item> {
        let value = self.value.clone()?;
        Some(Item { key: self.key.clone(), value, is_bucket: self.is_bucket })
    }
}

/// How many of the sorted edits are below a key.
fn below(edits: &[Edit], key: &[u8]) -> usize {
    edits.partition_point(|edit| edit.key[..] < *key)
}
