//! Buckets: what the root tree's values say.
//!
//! A value is a 16-byte header (root page, sequence), followed by a whole leaf page when the root
//! page is 0: an inline bucket (spec/backend-bbolt.md 1.1). Buckets inside buckets, which the format
//! allows and etcd never makes, are refused as damage.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::error::{Fault, Result};
use crate::file::PageFile;
use crate::page::{BUCKET_HEADER_BYTES, Page, PageId, u64_at};

/// A bucket of a committed state.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) root: Root,
    /// Kept as found: etcd never uses it.
    pub(crate) sequence: u64,
    /// The root page, once it was read: every lookup begins there.
    top: OnceLock<Arc<Page>>,
}

/// Where a bucket's tree begins.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// In a page of its own.
    Page(PageId),
    /// In the bucket's value. The page has id 0.
    Inline(Arc<Page>),
}

impl Bucket {
    pub(crate) const fn new(root: Root, sequence: u64) -> Self {
        Self { root, sequence, top: OnceLock::new() }
    }

    /// Reads the value of an element of the root tree.
    pub(crate) fn parse(value: &[u8]) -> Result<Self, Fault> {
        if value.len() < BUCKET_HEADER_BYTES {
            let found = format!("{} bytes", value.len());
            return Err(Fault::new(0, "a bucket header of 16 bytes", found));
        }
        let sequence = u64_at(value, 8);
        let id = PageId(u64_at(value, 0));
        if id.0 != 0 {
            return Ok(Self::new(Root::Page(id), sequence));
        }
        // A copy: the value is a slice of a page that this bucket must not keep in memory.
        let bytes = Bytes::copy_from_slice(&value[BUCKET_HEADER_BYTES..]);
        let page = Page::parse(bytes, PageId(0))?;
        if !page.is_leaf() {
            return Err(Fault::new(8, "a leaf inside the bucket", "a branch"));
        }
        Ok(Self::new(Root::Inline(Arc::new(page)), sequence))
    }

    /// The root page.
    pub(crate) fn top(&self, file: &PageFile, high_water: u64) -> Result<&Arc<Page>> {
        if let Some(page) = self.top.get() {
            return Ok(page);
        }
        let page = match &self.root {
            Root::Page(id) => file.load(*id, high_water)?,
            Root::Inline(page) => Arc::clone(page),
        };
        Ok(self.top.get_or_init(|| page))
    }
}

/// The first bytes of a bucket's value.
pub(crate) fn header(root: PageId, sequence: u64) -> [u8; BUCKET_HEADER_BYTES] {
    let mut bytes = [0; BUCKET_HEADER_BYTES];
    bytes[..8].copy_from_slice(&root.0.to_le_bytes());
    bytes[8..].copy_from_slice(&sequence.to_le_bytes());
    bytes
}
