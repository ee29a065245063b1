//! Segments as the writer holds them, and making the next one ahead of time.
//!
//! A finished segment ends with its last record; the tail is as long as a segment is to become, so
//! that appending does not change its size. The next tail waits as `0.tmp` or `1.tmp`.
//!
//! Knows files, not records. Invariant: a segment in a writer's hands is locked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, File, Lock, OpenMode};

use crate::error::{Context, Error, Result};
use crate::name::SegmentName;
use crate::record::Source;

/// The size of a segment: 64 * 1000 * 1000 bytes, as etcd has it.
pub const SEGMENT_BYTES: u64 = 64_000_000;

/// How many zeros one write lays down.
const ZEROS_BYTES: usize = 1024 * 1024;

/// What fills a segment that is made ahead of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fill {
    /// Reserved space, as etcd does it. The first sync after a write into it has to record that the
    /// space is used now.
    #[default]
    Reserve,
    /// Zeros that were really written: each byte of the log is written twice, but a sync of the log
    /// needs no change of metadata and takes about half the time.
    Zeros,
}

/// A locked segment.
pub(crate) struct Segment {
    pub(crate) name: SegmentName,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
}

impl Segment {
    /// Opens and locks a segment that is there.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, name: SegmentName) -> Result<Self> {
        let path = dir.join(name.to_string());
        let file = disk.open(&path, OpenMode::Write).context("open", &path)?;
        lock(&*file, &path)?;
        Ok(Self { name, path, file })
    }

    /// The segment as something to read, up to `len`.
    pub(crate) fn source(&self, len: u64) -> Source {
        let (path, file) = (self.path.clone(), Arc::clone(&self.file));
        Source { path, sequence: self.name.sequence, file, len }
    }
}

/// Takes a segment's lock.
pub(crate) fn lock(file: &dyn File, path: &Path) -> Result<()> {
    if file.try_lock(Lock::OfdExclusive).context("lock", path)? {
        return Ok(());
    }
    Err(Error::Locked { path: path.to_path_buf() })
}

/// Makes the next segment: a job for another thread. It talks only to the disk.
pub struct PrepareJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
    pub(crate) fill: Fill,
}

impl PrepareJob {
    /// Does the work.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`], [`Error::Locked`]. Nothing is lost by it: the log makes
    /// the segment itself when it needs it.
    pub fn run(self) -> Result<Prepared> {
        // A crash can leave half a segment under this name, hence Truncate.
        let file = self.disk.open(&self.path, OpenMode::Truncate).context("create", &self.path)?;
        let prepared = Prepared { disk: self.disk, path: self.path, file };
        match prepare(&prepared, self.len, self.fill) {
            Ok(()) => Ok(prepared),
            Err(error) => {
                // The error says more than a second one about the remains would.
                let _ = prepared.discard();
                Err(error)
            }
        }
    }
}

/// A segment made ahead of time, for [`Wal::accept`](crate::Wal::accept).
pub struct Prepared {
    disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
}

impl Prepared {
    /// Removes the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn discard(self) -> Result<()> {
        self.disk.remove_file(&self.path).context("remove", &self.path)
    }
}

fn prepare(prepared: &Prepared, len: u64, fill: Fill) -> Result<()> {
    let Prepared { path, file, .. } = prepared;
    lock(&**file, path)?;
    file.allocate(len).context("allocate", path)?;
    if fill == Fill::Zeros {
        let zeros = vec![0; ZEROS_BYTES];
        let mut offset = 0;
        while offset < len {
            let count = (len - offset).min(ZEROS_BYTES as u64) as usize;
            file.write_at(&zeros[..count], offset).context("write", path)?;
            offset += count as u64;
        }
        file.sync_all().context("sync", path)?;
    }
    Ok(())
}

/// Makes sure that everything behind `offset` is zero, and that the file is as long as a segment is
/// to become. Remains of a write that never finished must not meet the records to come: half
/// overwritten, they would look like damage. Not synced.
pub(crate) fn clear_tail(file: &dyn File, path: &Path, offset: u64, len_min: u64) -> Result<()> {
    let len = file.len().context("read the size of", path)?;
    let mut wanted = len;
    if offset < len_min {
        wanted = wanted.max(len_min);
    }
    let dirty = !is_zero(file, path, offset, len)?;
    if dirty {
        file.set_len(offset).context("truncate", path)?;
    }
    if dirty || wanted > len {
        match file.allocate(wanted).context("allocate", path) {
            // The records to come may still fit.
            Ok(()) | Err(Error::DiskFull { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_zero(file: &dyn File, path: &Path, mut offset: u64, len: u64) -> Result<bool> {
    let mut buffer = vec![0; ZEROS_BYTES.min(len.saturating_sub(offset) as usize)];
    let zeros = buffer.clone();
    while offset < len {
        let read = file.read_at(&mut buffer, offset).context("read", path)?;
        if read == 0 || buffer[..read] != zeros[..read] {
            return Ok(read == 0);
        }
        offset += read as u64;
    }
    Ok(true)
}
