//! Cutting off a record that was not written whole (spec/wal.md 3.7).

use std::path::{Path, PathBuf};

use env::{Disk, File, OpenMode};
use types::Index;

use crate::error::{Context, Error, Result};
use crate::name;
use crate::record::{End, Records};
use crate::segment::Segment;

/// How many bytes one step of copying moves.
const COPY_BYTES: usize = 1024 * 1024;

/// What a repair did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repaired {
    /// The segment.
    pub file: PathBuf,
    /// Where it ends now.
    pub offset: u64,
    /// What it was before.
    pub broken: PathBuf,
}

/// Cuts the last segment off behind its last whole record, if its end is torn; the segment as it was
/// is kept as `<name>.broken`. `None` if there is nothing to repair.
///
/// # Errors
/// [`Error::Corrupted`] for damage that is no torn end; [`Error::Locked`]; [`Error::NotFound`]
/// without segments; [`Error::DiskFull`], [`Error::Io`].
pub fn repair(disk: &dyn Disk, dir: &Path) -> Result<Option<Repaired>> {
    let last = name::list(disk, dir)?.pop().ok_or_else(|| Error::not_found(dir, Index(0)))?;
    let segment = Segment::open(disk, dir, last)?;
    let len = segment.file.len().context("read the size of", &segment.path)?;
    let mut records = Records::new(vec![segment.source(len)], End::MayBeTorn);
    let offset = loop {
        match records.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(Error::Torn { offset, .. }) => break offset,
            Err(error) => return Err(error),
        }
    };
    let broken = dir.join(format!("{last}.broken"));
    let copy = disk.open(&broken, OpenMode::Truncate).context("create", &broken)?;
    copy_all(&segment, &*copy, &broken, len)?;
    copy.sync_all().context("sync", &broken)?;
    disk.sync_dir(dir).context("sync", dir)?;
    segment.file.set_len(offset).context("truncate", &segment.path)?;
    segment.file.sync_all().context("sync", &segment.path)?;
    Ok(Some(Repaired { file: segment.path, offset, broken }))
}

fn copy_all(from: &Segment, to: &dyn File, to_path: &Path, len: u64) -> Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < len {
        let read = from.file.read_at(&mut buffer, offset).context("read", &from.path)?;
        if read == 0 {
            break;
        }
        to.write_at(&buffer[..read], offset).context("write", to_path)?;
        offset += read as u64;
    }
    Ok(())
}
