//! A committed state, readable for as long as somebody holds it.
//!
//! Knows nothing of the writer but the promise that pages reachable from a live view stay as they
//! are. Invariants: one `Snapshot` per transaction, in `PageFile::live` from before it is published
//! until it is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::bucket::Bucket;
use crate::cursor::Cursor;
use crate::descent::{self, Frame};
use crate::error::Result;
use crate::file::PageFile;
use crate::image::Image;
use crate::meta::Meta;
use crate::page::{Page, PageId, Txid};
use crate::sweep::{Footprint, Sweep};

/// A stable state of the file: that of one committed transaction.
///
/// Cheap to clone and good for any thread. It stays readable whatever is committed later, and keeps
/// the pages that it can reach from being used again: hold it no longer than its use takes. The
/// file stays open, and its lock held, until the writer and the last view are gone.
///
/// A bucket that is not there reads as an empty one.
#[derive(Clone)]
pub struct View {
    state: Arc<Snapshot>,
}

/// The buckets of a state, by name.
pub(crate) type Buckets = BTreeMap<Bytes, Arc<Bucket>>;

struct Snapshot {
    file: Arc<PageFile>,
    meta: Meta,
    buckets: Buckets,
    free_pages: OnceLock<u64>,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.file.live().remove(&self.meta.txid);
    }
}

impl View {
    /// The view of a state whose buckets are known.
    pub(crate) fn new(file: Arc<PageFile>, meta: Meta, buckets: Buckets) -> Self {
        file.live().insert(meta.txid);
        let free_pages = OnceLock::new();
        Self { state: Arc::new(Snapshot { file, meta, buckets, free_pages }) }
    }

    /// The view of the state that a meta page describes: reads the root tree.
    pub(crate) fn read(file: &Arc<PageFile>, meta: Meta) -> Result<Self> {
        let bare = Self::new(Arc::clone(file), meta, Buckets::new());
        let mut cursor = bare.root_cursor()?;
        let mut buckets = Buckets::new();
        while let Some(entry) = cursor.next()? {
            let name = Bytes::copy_from_slice(entry.key());
            let bucket = entry.bucket(file)?;
            buckets.insert(name, Arc::new(bucket));
        }
        // The registration of the first snapshot goes with it; this one is made after that.
        drop(cursor);
        drop(bare);
        Ok(Self::new(Arc::clone(file), meta, buckets))
    }

    /// A cursor over the elements of the root tree.
    pub(crate) fn root_cursor(&self) -> Result<Cursor> {
        let root = self.load(self.meta().root)?;
        Ok(Cursor::new(self.clone(), Some(root), true))
    }

    pub(crate) fn file(&self) -> &Arc<PageFile> {
        &self.state.file
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.state.meta
    }

    pub(crate) fn buckets(&self) -> &Buckets {
        &self.state.buckets
    }

    pub(crate) fn load(&self, id: PageId) -> Result<Arc<Page>> {
        self.state.file.load(id, self.state.meta.high_water)
    }

    /// The root page of a bucket; `None` when there is no such bucket.
    pub(crate) fn top(&self, bucket: &[u8]) -> Result<Option<&Arc<Page>>> {
        let Some(bucket) = self.state.buckets.get(bucket) else { return Ok(None) };
        bucket.top(&self.state.file, self.state.meta.high_water).map(Some)
    }

    /// The transaction that this is the state of.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.state.meta.txid
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.state.file.page_size()
    }

    /// Bytes up to the high-water mark: exactly what [`image`](Self::image) gives. The file may be
    /// longer.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.state.meta.high_water * self.page_size() as u64
    }

    /// [`size_bytes`](Self::size_bytes) without the pages that were free for the next commit. Until
    /// the free pages of a file just opened have been looked for
    /// ([`Writer::find_free_pages`](crate::Writer::find_free_pages)) it is all of the bytes.
    #[must_use]
    pub fn size_in_use(&self) -> u64 {
        let free = self.state.free_pages.get().copied().unwrap_or(0);
        self.size_bytes().saturating_sub(free * self.page_size() as u64)
    }

    /// Remembers how many pages are free, the first time it is known.
    pub(crate) fn set_free_pages(&self, pages: u64) {
        // Known from before: the number of a state does not change.
        let _ = self.state.free_pages.set(pages);
    }

    /// The names of the buckets, ascending.
    pub fn bucket_names(&self) -> impl Iterator<Item = &Bytes> {
        self.state.buckets.keys()
    }

    /// Whether there is such a bucket.
    #[must_use]
    pub fn has_bucket(&self, bucket: &[u8]) -> bool {
        self.state.buckets.contains_key(bucket)
    }

    /// The value of a key, as a slice of its page without a copy. It keeps that page (a long value:
    /// its whole run of pages) in memory: copy it where it outlives the request.
    ///
    /// # Errors
    /// When a page cannot be read or is damaged.
    pub fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Bytes>> {
        let Some(top) = self.top(bucket)? else { return Ok(None) };
        let mut frames: Vec<Frame<Arc<Page>>> = Vec::new();
        let mut page = Arc::clone(top);
        while !page.is_leaf() {
            let index = page.child_for(key);
            let child = self.load(page.child(index))?;
            frames.push(Frame { page, index });
            descent::check(self.file(), &frames, &child)?;
            page = child;
        }
        let Ok(index) = page.search(key) else { return Ok(None) };
        if page.is_bucket(index) {
            return Err(descent::wrong_element(self.file(), &page, index));
        }
        Ok(Some(page.shared_value(index)))
    }

    /// A cursor before the first key of a bucket.
    ///
    /// # Errors
    /// When the root page cannot be read or is damaged.
    pub fn cursor(&self, bucket: &[u8]) -> Result<Cursor> {
        let root = self.top(bucket)?.cloned();
        Ok(Cursor::new(self.clone(), root, false))
    }

    /// Shows every key and value of a bucket in order, reading its leaves past the page cache in
    /// big, mostly sequential reads: for start-up and hashes. Memory stays below a few MiB and one
    /// page run. Stops at the first error of the visitor.
    ///
    /// The footprint that comes back spares
    /// [`Writer::find_free_pages`](crate::Writer::find_free_pages) the way through this bucket.
    ///
    /// # Errors
    /// When a page cannot be read or is damaged, or as the visitor says.
    pub fn scan<E: From<crate::Error>>(
        &self,
        bucket: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<Footprint, E> {
        let mut footprint = Footprint::new(self);
        let mut sweep = Sweep::of_bucket(self, bucket)?;
        while let Some(leaf) = sweep.next()? {
            footprint.add(self, leaf.run())?;
            for index in 0..leaf.count() {
                visit(leaf.key(index), leaf.value(index))?;
            }
        }
        footprint.add_branches(self, &sweep)?;
        footprint.set_bucket(bucket);
        Ok(footprint)
    }

    /// A consistent copy of the whole file, for a snapshot.
    #[must_use]
    pub fn image(&self) -> Image {
        Image::new(self.clone())
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("meta", &self.state.meta).finish_non_exhaustive()
    }
}
