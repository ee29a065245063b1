//! An open file as a row of pages, shared by its writer and its views.
//!
//! Knows the page cache and which transactions are still being read, not what the pages mean.
//!
//! Invariants: a page below a view's high-water mark that the view can reach never changes while
//! the view is in [`PageFile::live`].

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::cache::Cache;
use crate::error::{Error, Fault, Result};
use crate::page::{Header, Page, PageId, Txid};

/// The file and what is remembered of it.
pub(crate) struct PageFile {
    file: Arc<dyn env::File>,
    path: PathBuf,
    page_size: usize,
    cache: Cache,
    live: Mutex<BTreeSet<Txid>>,
}

impl PageFile {
    pub(crate) fn new(
        file: Arc<dyn env::File>,
        path: PathBuf,
        page_size: usize,
        cache_bytes: usize,
    ) -> Self {
        let cache = Cache::new(cache_bytes);
        Self { file, path, page_size, cache, live: Mutex::default() }
    }

    pub(crate) const fn page_size(&self) -> usize {
        self.page_size
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The transactions that some view shows.
    pub(crate) fn live(&self) -> MutexGuard<'_, BTreeSet<Txid>> {
        // The set is never left half changed.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn offset(&self, id: PageId) -> u64 {
        id.0 * self.page_size as u64
    }

    /// The error for damage inside a page.
    pub(crate) fn damaged(&self, id: PageId, fault: Fault) -> Error {
        fault.at(&self.path, id.0.saturating_mul(self.page_size as u64))
    }

    /// The tree page with an id, from the cache or the file.
    pub(crate) fn load(&self, id: PageId, high_water: u64) -> Result<Arc<Page>> {
        if let Some(page) = self.cache.get(id) {
            return Ok(page);
        }
        let page = Arc::new(self.read(id, high_water)?);
        self.cache.insert(&page);
        Ok(page)
    }

    /// The tree page with an id, past the cache except that a page in it is taken from there.
    pub(crate) fn load_once(&self, id: PageId, high_water: u64) -> Result<Arc<Page>> {
        match self.cache.get(id) {
            Some(page) => Ok(page),
            None => Ok(Arc::new(self.read(id, high_water)?)),
        }
    }

    /// The tree page with an id, from the file.
    pub(crate) fn read(&self, id: PageId, high_water: u64) -> Result<Page> {
        let bytes = self.read_run(id, high_water)?;
        Page::parse(bytes, id).map_err(|fault| self.damaged(id, fault))
    }

    /// A page of any kind with its overflow pages.
    pub(crate) fn read_run(&self, id: PageId, high_water: u64) -> Result<Bytes> {
        self.check_inside(id, 1, high_water)?;
        let mut first = vec![0; self.page_size];
        self.read_bytes(id, self.offset(id), &mut first)?;
        self.complete_run(first.into(), id, high_water)
    }

    /// Adds the overflow pages to a page's first bytes.
    pub(crate) fn complete_run(&self, first: Bytes, id: PageId, high_water: u64) -> Result<Bytes> {
        let header = Header::parse(&first, id).map_err(|fault| self.damaged(id, fault))?;
        if header.overflow == 0 {
            return Ok(first);
        }
        let pages = u64::from(header.overflow) + 1;
        self.check_inside(id, pages, high_water)?;
        let mut run = Vec::with_capacity(pages as usize * self.page_size);
        run.extend_from_slice(&first);
        run.resize(pages as usize * self.page_size, 0);
        let rest = self.offset(id) + self.page_size as u64;
        self.read_bytes(id, rest, &mut run[self.page_size..])?;
        Ok(run.into())
    }

    /// The high-water mark bounds every run, and with it every allocation, by the file's size.
    fn check_inside(&self, id: PageId, pages: u64, high_water: u64) -> Result<()> {
        if id.0 < 2 || id.0.checked_add(pages).is_none_or(|end| end > high_water) {
            let expected = format!("pages from 2 up to {high_water}");
            let found = format!("{pages} pages from {id}");
            return Err(self.damaged(id, Fault::new(12, expected, found)));
        }
        Ok(())
    }

    /// Fills the buffer from an offset; a file that ends before is damaged.
    pub(crate) fn read_bytes(&self, id: PageId, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let read = self
            .file
            .read_at(buffer, offset)
            .map_err(|source| Error::io(&self.path, "read", source))?;
        if read < buffer.len() {
            let expected = format!("{} bytes of page {id}", buffer.len());
            return Err(Fault::new(0, expected, format!("{read}")).at(&self.path, offset));
        }
        Ok(())
    }

    /// Writes buffers that lie one behind the other from a page on.
    pub(crate) fn write(&self, id: PageId, buffers: &[IoSlice<'_>]) -> Result<()> {
        self.file
            .write_vectored_at(buffers, self.offset(id))
            .map_err(|source| Error::io(&self.path, "write", source))
    }

    /// Makes the writes durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|source| Error::io(&self.path, "sync", source))
    }

    /// Grows the file to `wanted` bytes, or where that fails to the `needed` ones.
    pub(crate) fn grow(&self, needed: u64, wanted: u64) -> Result<()> {
        let grown = self.file.set_len(wanted).or_else(|_| self.file.set_len(needed));
        grown.map_err(|source| Error::io(&self.path, "grow", source))
    }

    /// The size in bytes.
    pub(crate) fn len(&self) -> Result<u64> {
        self.file.len().map_err(|source| Error::io(&self.path, "look up the size of", source))
    }
}
