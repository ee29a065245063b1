//! All leaves of a tree in key order, read in few big reads past the page cache.
//!
//! The lowest branches name the leaves ahead; a window of them is read in the order in which they
//! lie in the file. Only branch pages go through the cache. Knows no keys' meaning.
//!
//! Invariants: all leaves lie at one depth; every page is checked against those above it; the
//! window's buffers hold at most `WINDOW_BYTES` (or sixteen pages, if that is more).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::bitmap::Bitmap;
use crate::descent::{self, DEPTH_MAX, Frame};
use crate::error::{Error, Fault, Result};
use crate::page::{Page, PageId};
use crate::view::View;

/// How far leaves are read ahead.
const WINDOW_BYTES: usize = 2 << 20;
/// Foreign pages between two leaves that are read over rather than around.
const GAP_PAGES_MAX: u64 = 8;

/// Consecutive pages of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) start: PageId,
    pub(crate) pages: u64,
}

impl Page {
    pub(crate) const fn run(&self) -> Run {
        Run { start: self.id(), pages: self.pages() }
    }
}

/// A walk over the leaves of one tree.
pub(crate) struct Sweep {
    view: View,
    over_buckets: bool,
    /// The path to the lowest branch in hand, or the root alone before the start.
    frames: Vec<Frame<Arc<Page>>>,
    /// How many levels of branches there are.
    branch_levels: usize,
    ahead: VecDeque<Ahead>,
    branches: Vec<Run>,
    /// The root, while it is a leaf and was not given out.
    only_leaf: Option<Arc<Page>>,
}

/// A leaf that will be given out.
struct Ahead {
    id: PageId,
    lower: Bytes,
    upper: Option<Bytes>,
    /// Its first page.
    bytes: Bytes,
}

impl Sweep {
    /// The leaves of a bucket; none if there is no such bucket.
    pub(crate) fn of_bucket(view: &View, bucket: &[u8]) -> Result<Self> {
        let root = view.top(bucket)?.cloned();
        Self::new(view, root, false)
    }

    /// The leaves of the root tree.
    pub(crate) fn of_root(view: &View) -> Result<Self> {
        let root = view.load(view.meta().root)?;
        Self::new(view, Some(root), true)
    }

    fn new(view: &View, root: Option<Arc<Page>>, over_buckets: bool) -> Result<Self> {
        let mut sweep = Self {
            view: view.clone(),
            over_buckets,
            frames: Vec::new(),
            branch_levels: 0,
            ahead: VecDeque::new(),
            branches: Vec::new(),
            only_leaf: None,
        };
        match root {
            Some(root) if root.is_leaf() => sweep.only_leaf = Some(root),
            Some(root) => {
                sweep.branch_levels = sweep.count_levels(&root)?;
                sweep.push(root)?;
            }
            None => {}
        }
        Ok(sweep)
    }

    /// Levels of branches along the left edge.
    fn count_levels(&self, root: &Arc<Page>) -> Result<usize> {
        let mut page = Arc::clone(root);
        for level in 1..=DEPTH_MAX {
            let high_water = self.view.meta().high_water;
            let child = self.view.file().load_once(page.child(0), high_water)?;
            if child.is_leaf() {
                return Ok(level);
            }
            page = child;
        }
        Err(descent::too_deep(self.view.file(), &page))
    }

    /// The branch pages that were passed so far. Inline pages are none.
    pub(crate) fn branches(&self) -> &[Run] {
        &self.branches
    }

    /// The next leaf. An inline bucket's has id 0.
    pub(crate) fn next(&mut self) -> Result<Option<Arc<Page>>> {
        let leaf = match self.only_leaf.take() {
            Some(leaf) => leaf,
            None => match self.next_ahead()? {
                Some(leaf) => Arc::new(leaf),
                None => return Ok(None),
            },
        };
        let wrong = (0..leaf.count()).find(|index| leaf.is_bucket(*index) != self.over_buckets);
        match wrong {
            Some(index) => Err(descent::wrong_element(self.view.file(), &leaf, index)),
            None => Ok(Some(leaf)),
        }
    }

    fn next_ahead(&mut self) -> Result<Option<Page>> {
        if self.ahead.is_empty() {
            self.look_ahead()?;
        }
        let Some(next) = self.ahead.pop_front() else { return Ok(None) };
        let file = self.view.file();
        let bytes = file.complete_run(next.bytes, next.id, self.view.meta().high_water)?;
        let leaf = Page::parse(bytes, next.id).map_err(|fault| file.damaged(next.id, fault))?;
        if !leaf.is_leaf() {
            return Err(self.uneven(next.id, "a leaf", "a branch"));
        }
        descent::check_keys(file, &next.lower, next.upper.as_deref(), &leaf)?;
        Ok(Some(leaf))
    }

    /// Collects the next window of leaves and reads their first pages.
    fn look_ahead(&mut self) -> Result<()> {
        let window = (WINDOW_BYTES / self.view.page_size()).max(16);
        while self.ahead.len() < window && self.collect()? {}
        let mut order: Vec<usize> = (0..self.ahead.len()).collect();
        order.sort_by_key(|index| self.ahead[*index].id);
        let mut from = 0;
        while from < order.len() {
            let first = self.ahead[order[from]].id;
            let mut last = first;
            let near = |index: &&usize| {
                let id = self.ahead[**index].id;
                let fits = id.0 - first.0 < window as u64;
                let close = fits && id.0 - last.0 <= GAP_PAGES_MAX;
                if close {
                    last = id;
                }
                close
            };
            let count = order[from..].iter().take_while(near).count();
            self.read_group(&order[from..from + count], first, last)?;
            from += count;
        }
        Ok(())
    }

    /// Reads the pages from `first` to `last` at once and hands them to the leaves in them.
    fn read_group(&mut self, group: &[usize], first: PageId, last: PageId) -> Result<()> {
        let page_size = self.view.page_size();
        let file = self.view.file();
        let high_water = self.view.meta().high_water;
        if first.0 < 2 || last.0 >= high_water {
            let wrong = if first.0 < 2 { first } else { last };
            let expected = format!("a child page from 2 up to {high_water}");
            return Err(file.damaged(wrong, Fault::new(0, expected, wrong)));
        }
        let mut buffer = vec![0; (last.0 - first.0 + 1) as usize * page_size];
        file.read_bytes(first, file.offset(first), &mut buffer)?;
        let buffer = Bytes::from(buffer);
        for index in group {
            let leaf = &mut self.ahead[*index];
            let start = (leaf.id.0 - first.0) as usize * page_size;
            leaf.bytes = buffer.slice(start..start + page_size);
        }
        Ok(())
    }

    /// Takes the next leaf's place from the branches; `false` at the end.
    fn collect(&mut self) -> Result<bool> {
        while let Some(frame) = self.frames.last() {
            if frame.index >= frame.page.count() {
                self.frames.pop();
                if let Some(parent) = self.frames.last_mut() {
                    parent.index += 1;
                }
                continue;
            }
            if self.frames.len() < self.branch_levels {
                let branch = self.view.load(frame.page.child(frame.index))?;
                descent::check(self.view.file(), &self.frames, &branch)?;
                self.push(branch)?;
                continue;
            }
            let id = frame.page.child(frame.index);
            let lower = frame.page.shared_key(frame.index);
            let upper = descent::upper_bound(&self.frames).map(Bytes::copy_from_slice);
            self.ahead.push_back(Ahead { id, lower, upper, bytes: Bytes::new() });
            if let Some(frame) = self.frames.last_mut() {
                frame.index += 1;
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn push(&mut self, branch: Arc<Page>) -> Result<()> {
        if branch.is_leaf() {
            return Err(self.uneven(branch.id(), "a branch", "a leaf"));
        }
        self.branches.push(branch.run());
        self.frames.push(Frame { page: branch, index: 0 });
        Ok(())
    }

    fn uneven(&self, id: PageId, expected: &'static str, found: &str) -> Error {
        let expected = format!("{expected}, as the tree is elsewhere at this depth");
        self.view.file().damaged(id, Fault::new(8, expected, found))
    }
}

/// The pages that a bucket takes, learned on the way by [`View::scan`].
#[derive(Clone, Debug)]
pub struct Footprint {
    pub(crate) txid: crate::Txid,
    pub(crate) bucket: Vec<u8>,
    pub(crate) pages: Bitmap,
}

impl Footprint {
    pub(crate) fn new(view: &View) -> Self {
        let pages = Bitmap::new(view.meta().high_water);
        Self { txid: view.txid(), bucket: Vec::new(), pages }
    }

    pub(crate) fn set_bucket(&mut self, bucket: &[u8]) {
        self.bucket = bucket.to_vec();
    }

    /// Adds a run; a page met twice is damage. An inline page (id 0) takes none.
    pub(crate) fn add(&mut self, view: &View, run: Run) -> Result<()> {
        if run.start.0 == 0 {
            return Ok(());
        }
        self.pages.add(run.start, run.pages).map_err(|twice| met_twice(view, twice))
    }

    pub(crate) fn add_branches(&mut self, view: &View, sweep: &Sweep) -> Result<()> {
        sweep.branches().iter().try_for_each(|run| self.add(view, *run))
    }
}

/// The error for a page that two parents name.
pub(crate) fn met_twice(view: &View, id: PageId) -> Error {
    view.file().damaged(id, Fault::new(0, "a page with one parent", "a second one"))
}
