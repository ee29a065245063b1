//! The whole file against the rules of the format (spec/backend-bbolt.md 1.4).
//!
//! Reads every page that the state reaches, past the cache, and goes on after damage where it can.
//! Invariant: every page below the high-water mark is visited at most once.

use crate::bitmap::Bitmap;
use crate::bucket::Root;
use crate::cursor::Entry;
use crate::descent::{self, DEPTH_MAX};
use crate::error::{Error, Result};
use crate::free_pages::persisted_list;
use crate::page::{Page, PageId};
use crate::view::View;
use crate::writer::Writer;

/// A rule that a file breaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The page where it shows.
    pub page: PageId,
    /// What is wrong, in words.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "page {}: {}", self.page, self.text)
    }
}

/// The most problems that are listed; a damaged page can bring many.
const PROBLEMS_MAX: usize = 1000;

/// Lists the rules that the state of a view breaks; empty when the file is sound.
///
/// # Errors
/// When the file cannot be read. Damage is no error here.
pub fn check(view: &View) -> Result<Vec<Problem>> {
    let mut check =
        Check { view, reached: Bitmap::new(view.meta().high_water), problems: Vec::new() };
    check.reach(PageId(0), 2);
    check.visit(view.meta().root, Place::top(true))?;
    check.visit_freelist()?;
    Ok(check.problems)
}

impl Writer {
    /// Lists what is wrong with the newest committed state, and every page that is not exactly one
    /// of reachable, free, or kept for an older view. For tests: it reads the whole file.
    ///
    /// # Errors
    /// As [`check`].
    pub fn check_invariants(&self) -> Result<Vec<Problem>> {
        let problems = check(&self.view)?;
        let Some(freelist) = &self.freelist else { return Ok(problems) };
        if !problems.is_empty() {
            return Ok(problems);
        }
        let mut check = Check {
            view: &self.view,
            reached: Bitmap::new(self.view.meta().high_water),
            problems: Vec::new(),
        };
        check.reach(PageId(0), 2);
        check.visit(self.view.meta().root, Place::top(true))?;
        // A list that the file came with is in use until the first commit.
        if let Some(list) = persisted_list(&self.view)? {
            check.reach(list.run.start, list.run.pages);
        }
        for run in freelist.unreachable() {
            check.reach(PageId(run.start), run.end - run.start);
        }
        let lost: Vec<u64> = check.reached.gaps(2).flatten().collect();
        lost.into_iter().for_each(|page| check.report(PageId(page), "neither in use nor free"));
        for name in self.view.bucket_names() {
            if let Some(top) = self.view.top(name)? {
                check.visit_shape(top)?;
            }
        }
        Ok(check.problems)
    }
}

struct Check<'a> {
    view: &'a View,
    reached: Bitmap,
    problems: Vec<Problem>,
}

/// What a page has to be, from the pages above it.
#[derive(Clone, Copy)]
struct Place<'a> {
    depth: usize,
    lower: &'a [u8],
    upper: Option<&'a [u8]>,
    over_buckets: bool,
}

impl Place<'_> {
    const fn top(over_buckets: bool) -> Self {
        Self { depth: 0, lower: &[], upper: None, over_buckets }
    }
}

impl Check<'_> {
    fn report(&mut self, page: PageId, text: impl ToString) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { page, text: text.to_string() });
        }
    }

    /// Keeps damage as a problem; gives other errors on.
    fn sound<T>(&mut self, page: PageId, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ Error::Corrupted { .. }) => {
                self.report(page, error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn reach(&mut self, id: PageId, pages: u64) -> bool {
        let added = self.reached.add(id, pages);
        if let Err(twice) = added {
            self.report(twice, "multiple references");
        }
        added.is_ok()
    }

    fn visit(&mut self, id: PageId, place: Place<'_>) -> Result<()> {
        let read = self.view.file().read(id, self.view.meta().high_water);
        let Some(page) = self.sound(id, read)? else { return Ok(()) };
        if !self.reach(id, page.pages()) {
            return Ok(());
        }
        let keys = descent::check_keys(self.view.file(), place.lower, place.upper, &page);
        self.sound(id, keys)?;
        if page.is_leaf() {
            return self.visit_leaf(&page, place.over_buckets);
        }
        if place.depth >= DEPTH_MAX {
            self.report(id, descent::too_deep(self.view.file(), &page));
            return Ok(());
        }
        for index in 0..page.count() {
            let upper = (index + 1 < page.count()).then(|| page.key(index + 1)).or(place.upper);
            let depth = place.depth + 1;
            self.visit(page.child(index), Place { depth, lower: page.key(index), upper, ..place })?;
        }
        Ok(())
    }

    fn visit_leaf(&mut self, page: &Page, over_buckets: bool) -> Result<()> {
        for index in 0..page.count() {
            if page.is_bucket(index) != over_buckets {
                self.report(page.id(), descent::wrong_element(self.view.file(), page, index));
                continue;
            }
            if !over_buckets {
                continue;
            }
            let bucket = Entry::new(page, index).bucket(self.view.file());
            let Some(bucket) = self.sound(page.id(), bucket)? else { continue };
            match bucket.root {
                Root::Page(root) => self.visit(root, Place::top(false))?,
                Root::Inline(inline) => self.visit_leaf(&inline, false)?,
            }
        }
        Ok(())
    }

    /// What bbolt relies on when it writes to a tree, though its check does not look at it: a branch
    /// has two children or more, and each separator is the first key of its child.
    fn visit_shape(&mut self, page: &Page) -> Result<()> {
        if page.is_leaf() {
            return Ok(());
        }
        if page.count() < 2 {
            self.report(page.id(), "a branch with a single child");
        }
        for index in 0..page.count() {
            let read = self.view.file().read(page.child(index), self.view.meta().high_water);
            let Some(child) = self.sound(page.child(index), read)? else { continue };
            if child.first_key() != Some(page.key(index)) {
                self.report(child.id(), "a first key other than its separator");
            }
            self.visit_shape(&child)?;
        }
        Ok(())
    }

    /// A list that is part of the file has to name exactly the pages that nothing reaches.
    fn visit_freelist(&mut self) -> Result<()> {
        let Some(id) = self.view.meta().freelist else { return Ok(()) };
        let read = persisted_list(self.view);
        let Some(Some(list)) = self.sound(id, read)? else { return Ok(()) };
        self.reach(list.run.start, list.run.pages);
        let mut free = Bitmap::new(self.view.meta().high_water);
        for page in list.free {
            if free.add(page, 1).is_err() {
                self.report(page, "freed twice or not below the high-water mark");
            } else if self.reached.contains(page) {
                self.report(page, "reachable freed");
            }
        }
        let lost: Vec<u64> = self.reached.gaps(2).flatten().collect();
        for page in lost.into_iter().map(PageId) {
            if !free.contains(page) {
                self.report(page, "unreachable unfreed");
            }
        }
        Ok(())
    }
}
