//! The file system as the layers above see it.
//!
//! Media assumptions: a write may be torn at any 512-byte sector and reordered with any other until
//! a sync of its file returns; a rename, creation or removal may be lost until the directory is
//! synced; after a failed sync nothing is known of the writes before it.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// How to open a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// To read and write; made with mode 0600 when absent.
    Create,
    /// To read and write; made with mode 0600, an error when it exists.
    CreateNew,
    /// To read and write; made with mode 0600 or cut to nothing.
    Truncate,
}

/// The kinds of advisory lock that etcd's files carry (spec/backend-bbolt.md 1.2, spec/wal.md 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// BSD `flock`, exclusive: the database file.
    FlockExclusive,
    /// BSD `flock`, shared: a read-only open of the database file.
    FlockShared,
    /// An open-file-description write lock on the whole file: WAL segments.
    OfdExclusive,
}

/// What is known of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// Bytes.
    pub len: u64,
    /// It is a directory.
    pub is_dir: bool,
    /// The permission bits (`0o777` part).
    pub mode: u32,
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DirEntry {
    /// The name, without the directory. Names that are not UTF-8 are not listed.
    pub name: String,
    /// It is a directory.
    pub is_dir: bool,
}

/// Files and directories.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file.
    ///
    /// # Errors
    /// As the system says; `AlreadyExists` for [`OpenMode::CreateNew`].
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// Makes a directory with mode 0700, and its parents; one that exists is left as it is.
    ///
    /// # Errors
    /// As the system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Renames a file or directory, over an existing file.
    ///
    /// # Errors
    /// As the system says. Not durable before [`sync_dir`](Self::sync_dir).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all that is in it.
    ///
    /// # Errors
    /// As the system says.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// As the system says; `NotFound` when there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// What a path is.
    ///
    /// # Errors
    /// As the system says; `NotFound` when there is nothing.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// Makes the names in a directory durable. The empty path, which is the parent of a bare name,
    /// is the working directory.
    ///
    /// # Errors
    /// As the system says; final.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Whether there is something at the path.
    ///
    /// # Errors
    /// As the system says, except `NotFound`.
    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// An open file. Closed, and its locks released, when the last reference goes.
pub trait File: Send + Sync + 'static {
    /// Reads at an offset; returns how many bytes, fewer only at the end of the file.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all buffers, one behind the other, at an offset.
    ///
    /// # Errors
    /// As the system says; any part may have been written.
    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Makes content (and the size) durable: `fdatasync`.
    ///
    /// # Errors
    /// As the system says; final: never call it again on this file.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes content and metadata durable: `fsync`.
    ///
    /// # Errors
    /// As the system says; final.
    fn sync_all(&self) -> io::Result<()>;

    /// The size in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether there are no bytes.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends (with zeros) to a size.
    ///
    /// # Errors
    /// As the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space up to a size, which the file then has; new bytes read as zeros. Falls back to
    /// [`set_len`](Self::set_len) where the file system has no such call.
    ///
    /// # Errors
    /// As the system says; `StorageFull` when there is no room.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Takes a lock without waiting; `false` if somebody else holds it.
    ///
    /// # Errors
    /// As the system says.
    fn try_lock(&self, lock: Lock) -> io::Result<bool>;

    /// Tells the system that a range read once will not be needed again.
    fn forget_cached(&self, _offset: u64, _len: u64) {}

    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// As [`write_vectored_at`](Self::write_vectored_at).
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_vectored_at(&[IoSlice::new(bytes)], offset)
    }

    /// Fills the buffer from an offset.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at); `UnexpectedEof` when the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_at(buffer, offset)? == buffer.len() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before the range does"))
    }
}
