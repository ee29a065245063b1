//! Removing segments that nobody holds any more.

use std::path::{Path, PathBuf};

use env::{Disk, Lock, OpenMode};

use crate::error::{Context, Result};
use crate::name;

/// Removes the oldest segments while there are more than `keep_max`, up to the first that is locked:
/// a log holds the locks of those that it may still need. Returns what was removed.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io).
pub fn purge(disk: &dyn Disk, dir: &Path, keep_max: usize) -> Result<Vec<PathBuf>> {
    let names = name::list(disk, dir)?;
    let mut removed = Vec::new();
    for name in &names[..names.len().saturating_sub(keep_max)] {
        let path = dir.join(name.to_string());
        let file = disk.open(&path, OpenMode::Write).context("open", &path)?;
        if !file.try_lock(Lock::OfdExclusive).context("lock", &path)? {
            break;
        }
        disk.remove_file(&path).context("remove", &path)?;
        removed.push(path);
    }
    Ok(removed)
}
