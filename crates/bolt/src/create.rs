//! The first bytes of a new file, in place at once or not at all.
//!
//! bbolt writes the first four pages where they belong; a power loss in between leaves a file that
//! neither it nor anyone opens (etcd #16596). Here they are written and synced under another name
//! and renamed, so that the path shows nothing, an empty file or a whole one. A file that such a
//! torn first write of another program left behind is recognised and made again: every sector of it
//! is either zero or what the first write has there, so nothing was ever committed to it.
//!
//! Invariant: a file that holds anything else is never written over.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, File, Lock, OpenMode};

use crate::error::{Error, Result};
use crate::meta::Meta;
use crate::options::{Options, Sync};
use crate::page::{Header, Kind, PageId, Txid};

/// What a device writes whole.
const SECTOR_BYTES: usize = 512;
const FREELIST_PAGE: PageId = PageId(2);
const ROOT_PAGE: PageId = PageId(3);
const FIRST_PAGES: u64 = 4;

/// The content of a file to which nothing was committed, as bbolt makes it.
fn first_pages(page_size: usize) -> Vec<u8> {
    let meta = |txid| Meta {
        page_size: page_size as u32,
        root: ROOT_PAGE,
        sequence: 0,
        freelist: Some(FREELIST_PAGE),
        high_water: FIRST_PAGES,
        txid: Txid(txid),
    };
    let empty = |id, kind| {
        let mut page = vec![0; page_size];
        Header { id, kind, count: 0, overflow: 0 }.write(&mut page);
        page
    };
    let (freelist, root) = (empty(FREELIST_PAGE, Kind::Freelist), empty(ROOT_PAGE, Kind::Leaf));
    [meta(0).page(), meta(1).page(), freelist, root].concat()
}

/// Whether a file is empty or holds a part of its first write.
pub(crate) fn is_unfinished(file: &dyn File, page_size: usize) -> io::Result<bool> {
    let first = first_pages(page_size);
    let len = file.len()?;
    if len > first.len() as u64 {
        return Ok(false);
    }
    let mut found = vec![0; len as usize];
    file.read_exact_at(&mut found, 0)?;
    let whole = found == first;
    let mut sectors = found.chunks(SECTOR_BYTES).zip(first.chunks(SECTOR_BYTES));
    let torn = sectors.all(|(found, first)| {
        found == &first[..found.len()] || found.iter().all(|byte| *byte == 0)
    });
    Ok(torn && !whole)
}

/// Makes a new file at a path where there is none or an unfinished one; returns it locked.
pub(crate) fn create(disk: &dyn Disk, path: &Path, options: &Options) -> Result<Arc<dyn File>> {
    let aside = aside(path);
    let failed = |action| move |source| Error::io(path, action, source);
    let file = disk.open(&aside, OpenMode::Create).map_err(failed("create"))?;
    if !file.try_lock(Lock::FlockExclusive).map_err(failed("lock"))? {
        return Err(Error::Locked { file: path.to_path_buf() });
    }
    // Between the first look at the path and the lock another process may have made the file; the
    // one opened here may even be that one, under its former name.
    if is_made(disk, path, options).map_err(failed("look at"))? {
        return Err(Error::Locked { file: path.to_path_buf() });
    }
    file.set_len(0).map_err(failed("create"))?;
    file.write_at(&first_pages(options.page_size), 0).map_err(failed("write"))?;
    if options.sync == Sync::Required && !env::planted!("database-made-in-place") {
        file.sync_all().map_err(failed("sync"))?;
    }
    disk.rename(&aside, path).map_err(failed("rename"))?;
    if let (Sync::Required, Some(dir)) = (options.sync, path.parent()) {
        disk.sync_dir(dir).map_err(failed("sync the directory of"))?;
    }
    Ok(file)
}

fn is_made(disk: &dyn Disk, path: &Path, options: &Options) -> io::Result<bool> {
    match disk.open(path, OpenMode::Read) {
        Ok(file) => Ok(!is_unfinished(&*file, options.page_size)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where a new file is written first. etcd removes `db.tmp*` when it starts.
fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp.init");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pages_are_bbolts() {
        let first = first_pages(4096);
        assert_eq!(first.len(), 16384);
        let metas = [&first[..], &first[4096..]].map(|page| Meta::parse(page).unwrap());
        assert_eq!(metas.map(|meta| meta.txid), [Txid(0), Txid(1)]);
        assert_eq!(metas[0].freelist, Some(PageId(2)));
        assert_eq!(&first[8192..8202], [2, 0, 0, 0, 0, 0, 0, 0, 0x10, 0]);
        assert_eq!(&first[12288..12298], [3, 0, 0, 0, 0, 0, 0, 0, 0x02, 0]);
    }
}
