//! Opening a file: lock, page size, the newer valid meta page.
//!
//! There is no log to replay: a commit that did not come to its end left the older meta page valid,
//! and that is the whole recovery (spec/backend-bbolt.md 1.2). Knows no trees beyond the root's.
//!
//! Invariant of an opened file: `high water * page size <= file size`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use env::{Disk, File, Lock, OpenMode};

use crate::create::{create, is_unfinished};
use crate::error::{Error, Fault, Result};
use crate::file::PageFile;
use crate::meta::{META_BYTES, Meta, PAGE_SIZES, is_page_size};
use crate::options::{Options, Sync};
use crate::page::PageId;
use crate::view::View;
use crate::writer::Writer;

/// Opens a file to read and write, or makes it where there is none (or an empty one).
///
/// Takes the exclusive `flock` that Go's etcd takes, without waiting: on [`Error::Locked`] the
/// caller tries again later, each time by a new call. Reads two meta pages and the root tree.
///
/// # Errors
/// [`Error::Locked`]; [`Error::Corrupted`] when there is no valid meta page, the file is shorter
/// than its meta page says, or the root tree is damaged; [`Error::PageSize`]; [`Error::Io`].
pub fn open(disk: &dyn Disk, path: &Path, options: &Options) -> Result<(Writer, View)> {
    if !is_page_size(options.page_size) {
        return Err(Error::PageSize(options.page_size));
    }
    let file = open_or_create(disk, path, options)?;
    let view = read(file, path, options)?;
    let file_bytes = view.file().len()?;
    let writer = Writer::new(Arc::clone(view.file()), options.sync, view.clone(), file_bytes);
    Ok((writer, view))
}

/// Opens an existing file to read. Takes the shared `flock`, without waiting.
///
/// # Errors
/// As [`open`]; [`Error::Io`] with `NotFound` when there is no file.
pub fn open_read_only(disk: &dyn Disk, path: &Path, options: &Options) -> Result<View> {
    let failed = |action| move |source| Error::io(path, action, source);
    let file = disk.open(path, OpenMode::Read).map_err(failed("open"))?;
    lock(&*file, path, Lock::FlockShared)?;
    read(file, path, options)
}

fn lock(file: &dyn File, path: &Path, lock: Lock) -> Result<()> {
    match file.try_lock(lock) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Locked { file: path.to_path_buf() }),
        Err(source) => Err(Error::io(path, "lock", source)),
    }
}

fn open_or_create(disk: &dyn Disk, path: &Path, options: &Options) -> Result<Arc<dyn File>> {
    let file = match disk.open(path, OpenMode::Write) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return create(disk, path, options);
        }
        Err(error) => return Err(Error::io(path, "open", error)),
    };
    lock(&*file, path, Lock::FlockExclusive)?;
    let unfinished = is_unfinished(&*file, options.page_size);
    if unfinished.map_err(|source| Error::io(path, "read", source))? {
        return create(disk, path, options);
    }
    if options.sync == Sync::Required {
        settle(&*file).map_err(|source| Error::io(path, "sync", source))?;
    }
    Ok(file)
}

/// Lets the meta pages be read from the disk and not from the system's memory of it.
///
/// An earlier process may have written one and not lived to sync it, or ended because that failed:
/// then the system takes it for written, and no later sync writes it. Behind a meta page that the
/// disk never had, the next commit would use the pages that the older one needs.
fn settle(file: &dyn File) -> io::Result<()> {
    // Only what is written can be forgotten.
    file.sync_data()?;
    file.forget_cached(0, 2 * *PAGE_SIZES.end() as u64);
    Ok(())
}

fn read(file: Arc<dyn File>, path: &Path, options: &Options) -> Result<View> {
    let shown = options.reported_path.as_deref().unwrap_or(path);
    let meta = newest_meta(&*file, shown)?;
    let page_size = meta.page_size as usize;
    let pages = PageFile::new(file, shown.to_path_buf(), page_size, options.cache_bytes);
    let len = pages.len()?;
    if meta.high_water * page_size as u64 > len {
        let expected = format!("{} pages of {page_size} bytes", meta.high_water);
        let fault = Fault::new(0, expected, format!("a file of {len} bytes"));
        return Err(fault.at(shown, pages.offset(meta.page_id())));
    }
    View::read(&Arc::new(pages), meta)
}

/// The valid meta page with the higher transaction.
fn newest_meta(file: &dyn File, path: &Path) -> Result<Meta> {
    let first = read_meta(file, path, 0)?;
    let second = match &first {
        Ok(meta) => {
            let offset = u64::from(meta.page_size);
            read_meta(file, path, offset)?.ok().filter(|second| second.page_size == meta.page_size)
        }
        Err(_) => find_second(file, path)?,
    };
    match (first, second) {
        (Ok(first), Some(second)) if second.txid > first.txid => Ok(second),
        (Ok(first), _) => Ok(first),
        (Err(_), Some(second)) => Ok(second),
        (Err(fault), None) => Err(fault.at(path, 0)),
    }
}

/// Looks for the second meta page where no first one tells the page size.
fn find_second(file: &dyn File, path: &Path) -> Result<Option<Meta>> {
    let mut page_size = *PAGE_SIZES.start();
    while page_size <= *PAGE_SIZES.end() {
        let found = read_meta(file, path, page_size as u64)?;
        if let Ok(meta) = found
            && meta.page_size as usize == page_size
        {
            return Ok(Some(meta));
        }
        page_size *= 2;
    }
    Ok(None)
}

/// Reads the meta page at an offset; the inner error says why it is none.
fn read_meta(file: &dyn File, path: &Path, offset: u64) -> Result<Result<Meta, Fault>> {
    let mut page = [0; META_BYTES];
    let read = file.read_at(&mut page, offset).map_err(|source| Error::io(path, "read", source))?;
    if read < page.len() {
        return Ok(Err(Fault::new(0, "a meta page", format!("{read} bytes"))));
    }
    let meta = Meta::parse(&page);
    let expected = |meta: &Meta| PageId(offset / u64::from(meta.page_size));
    // The page id is outside of the checksum; a meta page that says it is another one was copied
    // here or written over in part.
    Ok(meta.and_then(|meta| {
        let header = crate::page::Header::parse(&page, expected(&meta))?;
        match header.kind {
            crate::page::Kind::Meta => Ok(meta),
            kind => Err(Fault::new(8, "a meta page", format!("{kind:?}"))),
        }
    }))
}
