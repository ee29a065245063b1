//! A place in the ordered keys of one bucket of a view.
//!
//! Reads through the page cache and checks every page against those above it (module `descent`).
//! Knows no edits: what it shows is the committed state of its view.
//!
//! Invariants: the frames are a path from the root; all but the last are branches; the last one, if
//! there is any, is a leaf and its index is below its count.

use std::sync::Arc;

use bytes::Bytes;

use crate::bucket::Bucket;
use crate::descent::{self, Frame};
use crate::error::Result;
use crate::file::PageFile;
use crate::page::Page;
use crate::view::View;

/// Walks a bucket in the order of its keys. Made by [`View::cursor`]; holds the view.
///
/// A new cursor stands before the first key. After an error it stands there again.
pub struct Cursor {
    view: View,
    /// The elements are buckets: the cursor walks the root tree.
    over_buckets: bool,
    root: Option<Arc<Page>>,
    frames: Vec<Frame<Arc<Page>>>,
    edge: Edge,
}

/// Where a cursor without a path stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    BeforeFirst,
    AfterLast,
}

/// Which way to go, and so at which end a subtree is entered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// A key and its value where they lie: in a page that the cursor holds.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    page: &'a Page,
    index: usize,
}

impl<'a> Entry<'a> {
    pub(crate) const fn new(page: &'a Page, index: usize) -> Self {
        Self { page, index }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        self.page.key(self.index)
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.page.value(self.index)
    }

    /// The bucket that this element of the root tree describes.
    pub(crate) fn bucket(&self, file: &PageFile) -> Result<Bucket> {
        Bucket::parse(self.value()).map_err(|mut fault| {
            fault.offset += self.page.value_offset(self.index);
            file.damaged(self.page.id(), fault)
        })
    }

    /// The key as a slice of its page, without a copy. It keeps the whole page in memory: copy it
    /// where it outlives the request.
    #[must_use]
    pub fn shared_key(&self) -> Bytes {
        self.page.shared_key(self.index)
    }

    /// The value as a slice of its page, without a copy. It keeps the whole page in memory: copy
    /// it where it outlives the request.
    #[must_use]
    pub fn shared_value(&self) -> Bytes {
        self.page.shared_value(self.index)
    }
}

impl Cursor {
    pub(crate) const fn new(view: View, root: Option<Arc<Page>>, over_buckets: bool) -> Self {
        Self { view, over_buckets, root, frames: Vec::new(), edge: Edge::BeforeFirst }
    }

    /// Goes to the first key.
    ///
    /// # Errors
    /// When a page cannot be read or is damaged; so for every move.
    pub fn first(&mut self) -> Result<Option<Entry<'_>>> {
        self.move_by(|cursor| cursor.go_to_end(Direction::Forward))
    }

    /// Goes to the last key.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub fn last(&mut self) -> Result<Option<Entry<'_>>> {
        self.move_by(|cursor| cursor.go_to_end(Direction::Backward))
    }

    /// Goes to the first key that is not below the given one. Pages on the way that the cursor
    /// already holds are not looked up again, so that seeking ascending keys visits each page once.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Entry<'_>>> {
        self.move_by(|cursor| cursor.go_to(key))
    }

    /// Goes to the next key; from before the first key to the first one.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    #[expect(clippy::should_implement_trait, reason = "an entry borrows from the cursor")]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        self.move_by(|cursor| cursor.step(Direction::Forward))
    }

    /// Goes to the key before; from behind the last key to the last one.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub fn prev(&mut self) -> Result<Option<Entry<'_>>> {
        self.move_by(|cursor| cursor.step(Direction::Backward))
    }

    /// The key and value where the cursor stands.
    #[must_use]
    pub fn entry(&self) -> Option<Entry<'_>> {
        self.frames.last().map(|frame| Entry::new(&frame.page, frame.index))
    }

    fn move_by(&mut self, go: impl FnOnce(&mut Self) -> Result<()>) -> Result<Option<Entry<'_>>> {
        let result = go(self).and_then(|()| self.check_element());
        if let Err(error) = result {
            self.frames.clear();
            self.edge = Edge::BeforeFirst;
            return Err(error);
        }
        Ok(self.entry())
    }

    fn check_element(&self) -> Result<()> {
        match self.frames.last() {
            Some(leaf) if leaf.page.is_bucket(leaf.index) != self.over_buckets => {
                Err(descent::wrong_element(self.view.file(), &leaf.page, leaf.index))
            }
            _ => Ok(()),
        }
    }

    fn go_to_end(&mut self, direction: Direction) -> Result<()> {
        self.frames.clear();
        let Some(root) = self.root.clone() else { return Ok(()) };
        self.push(root, direction);
        self.enter(direction)?;
        self.skip_empty(direction)
    }

    fn step(&mut self, direction: Direction) -> Result<()> {
        let Some(leaf) = self.frames.last_mut() else {
            let at_the_end = match direction {
                Direction::Forward => Edge::AfterLast,
                Direction::Backward => Edge::BeforeFirst,
            };
            return if self.edge == at_the_end { Ok(()) } else { self.go_to_end(direction) };
        };
        if !advance(leaf, direction) {
            self.frames.pop();
            self.climb(direction)?;
        }
        Ok(())
    }

    fn go_to(&mut self, key: &[u8]) -> Result<()> {
        let Some(root) = self.root.clone() else { return Ok(()) };
        if self.frames.is_empty() {
            self.push(root, Direction::Forward);
        }
        let mut depth = 0;
        loop {
            let held = self.frames.len();
            let frame = &mut self.frames[depth];
            if frame.page.is_leaf() {
                frame.index = frame.page.search(key).unwrap_or_else(|index| index);
                return self.skip_empty(Direction::Forward);
            }
            let index = frame.page.child_for(key);
            if frame.index != index || depth + 1 == held {
                frame.index = index;
                self.frames.truncate(depth + 1);
                self.push_child(Direction::Forward)?;
            }
            depth += 1;
        }
    }

    /// From a leaf, possibly past its keys, to the next key in a direction.
    fn skip_empty(&mut self, direction: Direction) -> Result<()> {
        match self.frames.last() {
            Some(leaf) if leaf.index >= leaf.page.count() => {
                self.frames.pop();
                self.climb(direction)
            }
            _ => Ok(()),
        }
    }

    /// From a branch whose current child is done to the next key in a direction.
    fn climb(&mut self, direction: Direction) -> Result<()> {
        while let Some(branch) = self.frames.last_mut() {
            if !advance(branch, direction) {
                self.frames.pop();
                continue;
            }
            self.enter(direction)?;
            match self.frames.last() {
                Some(leaf) if leaf.page.count() == 0 => self.frames.pop(),
                _ => return Ok(()),
            };
        }
        self.edge = match direction {
            Direction::Forward => Edge::AfterLast,
            Direction::Backward => Edge::BeforeFirst,
        };
        Ok(())
    }

    /// Goes down to a leaf along one side.
    fn enter(&mut self, direction: Direction) -> Result<()> {
        while self.frames.last().is_some_and(|frame| !frame.page.is_leaf()) {
            self.push_child(direction)?;
        }
        Ok(())
    }

    fn push_child(&mut self, direction: Direction) -> Result<()> {
        let Some(parent) = self.frames.last() else { return Ok(()) };
        let child = self.view.load(parent.page.child(parent.index))?;
        descent::check(self.view.file(), &self.frames, &child)?;
        self.push(child, direction);
        Ok(())
    }

    fn push(&mut self, page: Arc<Page>, direction: Direction) {
        let index = match direction {
            Direction::Forward => 0,
            Direction::Backward => page.count().saturating_sub(1),
        };
        self.frames.push(Frame { page, index });
    }
}

/// Moves to the neighbouring element of the same page; `false` if there is none.
fn advance(frame: &mut Frame<Arc<Page>>, direction: Direction) -> bool {
    match direction {
        Direction::Forward if frame.index + 1 < frame.page.count() => frame.index += 1,
        Direction::Backward if frame.index > 0 => frame.index -= 1,
        _ => return false,
    }
    true
}
