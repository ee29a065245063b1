//! A disk whose log can be made to hang in a sync.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use env::{DirEntry, Disk, File, Lock, Metadata, OpenMode, RealDisk};

/// Whether syncs of the log hang.
#[derive(Default)]
pub struct Switch {
    stalled: Mutex<bool>,
    changed: Condvar,
}

impl Switch {
    pub fn set(&self, stalled: bool) {
        *self.stalled.lock().unwrap() = stalled;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let stalled = self.stalled.lock().unwrap();
        drop(self.changed.wait_while(stalled, |stalled| *stalled).unwrap());
    }
}

/// The real disk behind a switch.
pub struct StallingDisk(pub Arc<Switch>);

struct LogFile {
    file: Arc<dyn File>,
    switch: Arc<Switch>,
}

impl Disk for StallingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = RealDisk.open(path, mode)?;
        // The log is made in a folder of another name first.
        let is_log = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("wal");
        if path.parent().and_then(Path::file_name).is_some_and(is_log) {
            return Ok(Arc::new(LogFile { file, switch: Arc::clone(&self.0) }));
        }
        Ok(file)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
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
        RealDisk.sync_dir(path)
    }
}

impl File for LogFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.file.write_vectored_at(buffers, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.switch.wait();
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        self.file.try_lock(lock)
    }
}
