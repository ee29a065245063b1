//! A disk in memory that records what is done to it, fails when told to, and can be cut off.
//!
//! [`MemoryDisk::after_crash`] makes the disk that a power loss after the n-th operation may leave:
//! what was synced is there; each later write is there, missing or torn at a sector; later changes
//! of names are there up to a point.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use env::{DirEntry, Disk, File, Lock, Metadata, OpenMode, Rng, SeededRng};

const SECTOR: usize = 512;

/// One change, as it was asked for.
#[derive(Clone, Debug)]
enum Op {
    Write { file: usize, offset: u64, bytes: Vec<u8> },
    SetLen { file: usize, len: u64 },
    Sync { file: usize },
    Create { path: PathBuf, file: usize },
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
    SyncDir,
}

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    contents: Vec<Vec<u8>>,
    log: Vec<Op>,
    /// Open handles that hold a lock: file, handle.
    locks: Vec<(usize, u64)>,
    handles: u64,
    /// Operations from this one on fail.
    fails_from: Option<usize>,
    /// Lengths beyond this one are refused.
    len_max: Option<u64>,
}

/// The disk; clones share it.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

struct MemoryFile {
    state: Arc<Mutex<State>>,
    file: usize,
    handle: u64,
}

impl State {
    fn record(&mut self, op: Op) -> io::Result<()> {
        if self.fails_from.is_some_and(|from| self.log.len() >= from) {
            return Err(io::Error::other("the disk was told to fail"));
        }
        if let (Op::SetLen { len, .. }, Some(len_max)) = (&op, self.len_max)
            && *len > len_max
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.apply(&op);
        self.log.push(op);
        Ok(())
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Write { file, offset, bytes } => {
                let content = &mut self.contents[*file];
                let end = *offset as usize + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset as usize..end].copy_from_slice(bytes);
            }
            Op::SetLen { file, len } => self.contents[*file].resize(*len as usize, 0),
            Op::Create { path, file } => {
                self.contents.resize(self.contents.len().max(file + 1), Vec::new());
                self.names.insert(path.clone(), *file);
            }
            Op::Rename { from, to } => {
                if let Some(file) = self.names.remove(from) {
                    self.names.insert(to.clone(), file);
                }
            }
            Op::Remove { path } => {
                self.names.remove(path);
            }
            Op::Sync { .. } | Op::SyncDir => {}
        }
    }
}

impl MemoryDisk {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// How many changes were made.
    pub fn operations(&self) -> usize {
        self.state().log.len()
    }

    /// How many syncs of files were made.
    pub fn syncs(&self) -> usize {
        self.state().log.iter().filter(|op| matches!(op, Op::Sync { .. })).count()
    }

    /// Where and how long the writes were.
    pub fn writes(&self) -> Vec<(u64, usize)> {
        let write = |op: &Op| match op {
            Op::Write { offset, bytes, .. } => Some((*offset, bytes.len())),
            _ => None,
        };
        self.state().log.iter().filter_map(write).collect()
    }

    /// Lets every change fail after as many more.
    pub fn fail_after(&self, operations: usize) {
        let mut state = self.state();
        state.fails_from = Some(state.log.len() + operations);
    }

    /// Refuses to make a file longer than this.
    pub fn limit_len(&self, len_max: u64) {
        self.state().len_max = Some(len_max);
    }

    /// Puts a file there, synced.
    pub fn put_file(&self, path: &Path, content: Vec<u8>) {
        let mut state = self.state();
        let file = state.contents.len();
        let ops = [
            Op::Create { path: path.to_path_buf(), file },
            Op::Write { file, offset: 0, bytes: content },
            Op::Sync { file },
            Op::SyncDir,
        ];
        ops.into_iter().for_each(|op| state.record(op).unwrap());
    }

    /// The bytes of a file.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).map(|file| state.contents[*file].clone())
    }

    /// A disk that a power loss behind the first `operations` may leave.
    pub fn after_crash(&self, operations: usize, rng: &mut SeededRng) -> Self {
        let state = self.state();
        let log = &state.log[..operations];
        let last_sync = |wanted: &dyn Fn(&Op) -> bool| log.iter().rposition(wanted).unwrap_or(0);
        let names_synced = last_sync(&|op| matches!(op, Op::SyncDir));
        let names_kept = names_synced + rng.below((operations - names_synced) as u64 + 1) as usize;
        let mut left = State::default();
        left.contents.resize(state.contents.len(), Vec::new());
        for (at, op) in log.iter().enumerate() {
            let synced =
                |file: usize| last_sync(&|op| matches!(op, Op::Sync { file: one } if *one == file));
            match op {
                Op::Write { file, .. } | Op::SetLen { file, .. } if at >= synced(*file) => {
                    if let Some(op) = torn(op, rng) {
                        left.apply(&op);
                    }
                }
                Op::Create { .. } | Op::Rename { .. } | Op::Remove { .. } if at >= names_kept => {}
                op => left.apply(op),
            }
        }
        Self(Arc::new(Mutex::new(left)))
    }
}

/// What may be left of a change that was not synced.
fn torn(op: &Op, rng: &mut SeededRng) -> Option<Op> {
    match (op, rng.below(3)) {
        (_, 0) => None,
        (Op::Write { file, offset, bytes }, 1) => {
            // Any of its sectors, not only the first ones, may be missing.
            let start = rng.below((bytes.len() / SECTOR) as u64 + 1) as usize * SECTOR;
            let len = rng.below(((bytes.len() - start) / SECTOR) as u64 + 1) as usize * SECTOR;
            let part = bytes[start..start + len].to_vec();
            Some(Op::Write { file: *file, offset: offset + start as u64, bytes: part })
        }
        (op, _) => Some(op.clone()),
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let found = state.names.get(path).copied();
        let file = match (found, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(file), OpenMode::Truncate) => {
                state.record(Op::SetLen { file, len: 0 })?;
                file
            }
            (Some(file), _) => file,
            (None, OpenMode::Read | OpenMode::Write) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            (None, _) => {
                let file = state.contents.len();
                state.record(Op::Create { path: path.to_path_buf(), file })?;
                file
            }
        };
        state.handles += 1;
        let handle = state.handles;
        Ok(Arc::new(MemoryFile { state: Arc::clone(&self.0), file, handle }))
    }

    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().record(Op::Rename { from: from.to_path_buf(), to: to.to_path_buf() })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.state().record(Op::Remove { path: path.to_path_buf() })
    }

    fn remove_dir_all(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self, _dir: &Path) -> io::Result<Vec<DirEntry>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let content = self.content(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Metadata { len: content.len() as u64, is_dir: false, mode: 0o600 })
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        self.state().record(Op::SyncDir)
    }
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state.lock().unwrap();
        let content = &state.contents[self.file];
        let from = (offset as usize).min(content.len());
        let count = buffer.len().min(content.len() - from);
        buffer[..count].copy_from_slice(&content[from..from + count]);
        Ok(count)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        self.state.lock().unwrap().record(Op::Write { file: self.file, offset, bytes })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state.lock().unwrap().record(Op::Sync { file: self.file })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().unwrap().contents[self.file].len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state.lock().unwrap().record(Op::SetLen { file: self.file, len })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.set_len(len.max(self.len()?))
    }

    fn try_lock(&self, _lock: Lock) -> io::Result<bool> {
        let mut state = self.state.lock().unwrap();
        if state.locks.iter().any(|(file, handle)| *file == self.file && *handle != self.handle) {
            return Ok(false);
        }
        state.locks.push((self.file, self.handle));
        Ok(true)
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock() {
            let handle = self.handle;
            state.locks.retain(|(_, holder)| *holder != handle);
        }
    }
}
