//! The machine's disk, with one fault to order.
//!
//! The order is a file with one line, `<file> <operation> <error> <count>`: from its appearance on,
//! the operation of that number on such a file fails. `<file>` is `wal`, `db`, `copy` (what a
//! defragmentation writes) or `snap`; `<operation>` is `read`, `write`, `sync`, `resize`, `rename`
//! or `sync_dir`; `<error>` is:
//!
//! - `EIO`: this operation fails, and all others go on as if nothing were wrong, as Linux has it.
//!   What was written and not synced stays in the file.
//! - `LOST`: as `EIO`, but what was written to the file since its last sync is gone.
//! - `ENOSPC`: this operation and all like it fail.
//!
//! A write that fails has written its first half, to the last sector's end.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use env::{DirEntry, Disk, File, Lock, Metadata, OpenMode, RealDisk};

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// Of [`Order::left`]: the operation has failed.
const DONE: u64 = u64::MAX;

/// Linux's numbers of the errors.
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// The disk.
#[derive(Clone)]
pub struct FaultyDisk {
    faults: Arc<Faults>,
}

struct Faults {
    control: PathBuf,
    order: Mutex<Option<Order>>,
    /// The open files, which may be renamed.
    open: Mutex<Vec<Weak<Opened>>>,
}

/// What is known of an open file.
struct Opened {
    /// Its name now.
    path: Mutex<PathBuf>,
    /// What stood where something was written that is not synced, newest last.
    before: Mutex<Vec<Before>>,
}

/// The bytes and length of a part of a file before a write.
struct Before {
    offset: u64,
    bytes: Vec<u8>,
    len: u64,
}

struct Order {
    file: String,
    operation: String,
    error: Error,
    /// How many more of them go well.
    left: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Error {
    Eio,
    Lost,
    Enospc,
}

impl Order {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (file, operation) = (words.next()?.to_owned(), words.next()?.to_owned());
        let error = match words.next()? {
            "EIO" => Error::Eio,
            "LOST" => Error::Lost,
            "ENOSPC" => Error::Enospc,
            _ => return None,
        };
        let count: u64 = words.next()?.parse().ok()?;
        Some(Self { file, operation, error, left: count.checked_sub(1)? })
    }
}

impl FaultyDisk {
    /// The machine's disk; `control` is where an order is looked for.
    pub fn new(control: PathBuf) -> Self {
        let (order, open) = (Mutex::default(), Mutex::default());
        Self { faults: Arc::new(Faults { control, order, open }) }
    }
}

fn locked<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faults {
    /// The error that is ordered for this operation, if it is its turn.
    fn due(&self, operation: &str, path: &Path) -> Option<Error> {
        let mut order = locked(&self.order);
        if order.is_none() {
            let line = std::fs::read_to_string(&self.control).ok()?;
            // The line is there in one piece, or not at all.
            *order = Some(Order::parse(&line).expect("an order is a line of four words"));
        }
        let order = order.as_mut()?;
        if order.operation != operation || order.file != kind(path) {
            return None;
        }
        if order.left == DONE {
            return (order.error == Error::Enospc).then_some(order.error);
        }
        if order.left > 0 {
            order.left -= 1;
            return None;
        }
        order.left = DONE;
        Some(order.error)
    }

    /// Open files keep what they are under a new name.
    fn renamed(&self, from: &Path, to: &Path) {
        let mut open = locked(&self.open);
        open.retain(|opened| opened.strong_count() > 0);
        for opened in open.iter().filter_map(Weak::upgrade) {
            let mut path = locked(&opened.path);
            if let Ok(rest) = path.strip_prefix(from) {
                let new =
                    if rest.as_os_str().is_empty() { to.to_path_buf() } else { to.join(rest) };
                *path = new;
            }
        }
    }

    fn check(&self, operation: &str, path: &Path) -> io::Result<()> {
        self.due(operation, path).map_or(Ok(()), |error| Err(error.into()))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::from_raw_os_error(match error {
            Error::Eio | Error::Lost => EIO,
            Error::Enospc => ENOSPC,
        })
    }
}

/// What a file is to the server.
fn kind(path: &Path) -> &'static str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_in = |dir: &str| path.components().any(|part| part.as_os_str() == dir);
    if name.starts_with("db.tmp.") {
        "copy"
    } else if name == "db" {
        "db"
    } else if is_in("wal") || is_in("wal.tmp") {
        "wal"
    } else if is_in("snap") {
        "snap"
    } else {
        "other"
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = RealDisk.open(path, mode)?;
        let path = Mutex::new(path.to_path_buf());
        let opened = Arc::new(Opened { path, before: Mutex::default() });
        locked(&self.faults.open).push(Arc::downgrade(&opened));
        Ok(Arc::new(FaultyFile { file, opened, faults: Arc::clone(&self.faults) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.check("rename", from)?;
        RealDisk.rename(from, to)?;
        self.faults.renamed(from, to);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        RealDisk.list(dir)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        RealDisk.metadata(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.faults.check("sync_dir", path)?;
        RealDisk.sync_dir(path)
    }
}

struct FaultyFile {
    file: Arc<dyn File>,
    opened: Arc<Opened>,
    faults: Arc<Faults>,
}

impl FaultyFile {
    fn due(&self, operation: &str) -> Option<Error> {
        let path = locked(&self.opened.path).clone();
        self.faults.due(operation, &path)
    }

    fn check(&self, operation: &str) -> io::Result<()> {
        self.due(operation).map_or(Ok(()), |error| Err(error.into()))
    }

    fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let due = self.due("sync");
        let before = std::mem::take(&mut *locked(&self.opened.before));
        let Some(error) = due else { return sync() };
        if error == Error::Lost {
            for before in before.iter().rev() {
                self.file.write_at(&before.bytes, before.offset)?;
                self.file.set_len(before.len)?;
            }
        }
        Err(error.into())
    }

    fn remember(&self, offset: u64, len: usize) -> io::Result<()> {
        let mut bytes = vec![0; len];
        let filled = self.file.read_at(&mut bytes, offset)?;
        bytes.truncate(filled);
        locked(&self.opened.before).push(Before { offset, bytes, len: self.file.len()? });
        Ok(())
    }
}

impl File for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.check("read")?;
        self.file.read_at(buffer, offset)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let len: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        self.remember(offset, len)?;
        let Some(error) = self.due("write") else {
            return self.file.write_vectored_at(buffers, offset);
        };
        let mut bytes = Vec::with_capacity(len);
        buffers.iter().for_each(|buffer| bytes.extend_from_slice(buffer));
        let half = (offset + len as u64 / 2) / SECTOR * SECTOR;
        bytes.truncate(half.saturating_sub(offset) as usize);
        self.file.write_at(&bytes, offset)?;
        Err(error.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(|| self.file.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(|| self.file.sync_all())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check("resize")?;
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.check("resize")?;
        self.file.allocate(len)
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        self.file.try_lock(lock)
    }

    fn forget_cached(&self, offset: u64, len: u64) {
        self.file.forget_cached(offset, len);
    }
}
