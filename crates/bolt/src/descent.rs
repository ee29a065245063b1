//! The rules that a child page has to keep towards the pages above it.
//!
//! Checked at every step down, so that a damaged file can send no one in circles: with disjoint
//! key ranges a page with keys cannot be met twice on one level, and the depth is bounded.
//!
//! Invariants: `separator <= first key`, `last key < next separator`, `depth <= DEPTH_MAX`.

use crate::error::{Error, Fault, Result};
use crate::file::PageFile;
use crate::page::Page;

/// More levels than any tree has: with two children per branch this would be 2^48 leaves.
pub(crate) const DEPTH_MAX: usize = 48;

/// A branch page and the child that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Frame<P> {
    pub(crate) page: P,
    pub(crate) index: usize,
}

/// The first key that no longer belongs below the last of these frames.
pub(crate) fn upper_bound<P: AsRef<Page>>(frames: &[Frame<P>]) -> Option<&[u8]> {
    frames.iter().rev().find_map(|frame| {
        let page = frame.page.as_ref();
        (frame.index + 1 < page.count()).then(|| page.key(frame.index + 1))
    })
}

/// Checks a child that was read for the last of the frames.
pub(crate) fn check<P: AsRef<Page>>(
    file: &PageFile,
    frames: &[Frame<P>],
    child: &Page,
) -> Result<()> {
    let Some(frame) = frames.last() else { return Ok(()) };
    if frames.len() > DEPTH_MAX {
        return Err(too_deep(file, child));
    }
    check_keys(file, frame.page.as_ref().key(frame.index), upper_bound(frames), child)
}

/// Checks a page's keys against the range that its parents give it.
pub(crate) fn check_keys(
    file: &PageFile,
    lower: &[u8],
    upper: Option<&[u8]>,
    child: &Page,
) -> Result<()> {
    let (Some(first), Some(last)) = (child.first_key(), child.last_key()) else { return Ok(()) };
    if first < lower {
        let found = "a first key below it";
        let fault = Fault::new(Page::element_offset(0), "keys from the parent's separator", found);
        return Err(file.damaged(child.id(), fault));
    }
    if upper.is_some_and(|upper| last >= upper) {
        let element = Page::element_offset(child.count() - 1);
        let fault = Fault::new(element, "keys below the next separator", "a last key not below it");
        return Err(file.damaged(child.id(), fault));
    }
    Ok(())
}

/// The error for a path that is too long.
pub(crate) fn too_deep(file: &PageFile, page: &Page) -> Error {
    let expected = format!("a tree of at most {DEPTH_MAX} levels");
    file.damaged(page.id(), Fault::new(0, expected, "more"))
}

/// The error for an element that is a bucket where a value is expected, or the other way round.
pub(crate) fn wrong_element(file: &PageFile, page: &Page, index: usize) -> Error {
    let (expected, found) = if page.is_bucket(index) {
        ("a value", "a bucket inside a bucket")
    } else {
        ("a bucket", "a value among the buckets")
    };
    file.damaged(page.id(), Fault::new(Page::element_offset(index), expected, found))
}
