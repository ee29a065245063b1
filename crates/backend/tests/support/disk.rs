//! A disk in memory that remembers what was synced.
//!
//! [`MemoryDisk::crash`] makes the disk that a power loss would leave: synced bytes, any subset of
//! the unsynced writes, each whole, torn at a sector or missing, and any prefix of the unsynced
//! changes of names.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use env::{DirEntry, Disk, File, Lock, Metadata, OpenMode, Rng, SeededRng};

const SECTOR: usize = 512;

const BLOCK: usize = 4096;

/// A file's bytes: only blocks that were written take memory, and copies share them.
#[derive(Clone, Default)]
struct Content {
    len: usize,
    blocks: BTreeMap<usize, Arc<[u8; BLOCK]>>,
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        for (index, chunk) in bytes.chunks(BLOCK).enumerate() {
            if chunk.iter().any(|byte| *byte != 0) {
                content.write(index * BLOCK, chunk);
            }
        }
        content.set_len(bytes.len());
        content
    }

    fn set_len(&mut self, len: usize) {
        if len < self.len {
            self.blocks.retain(|index, _| index * BLOCK < len);
            if let Some(last) = self.blocks.get_mut(&(len / BLOCK)) {
                Arc::make_mut(last)[len % BLOCK..].fill(0);
            }
        }
        self.len = len;
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let mut written = 0;
        while written < bytes.len() {
            let (index, start) = ((offset + written) / BLOCK, (offset + written) % BLOCK);
            let part = (BLOCK - start).min(bytes.len() - written);
            let block = self.blocks.entry(index).or_insert_with(|| Arc::new([0; BLOCK]));
            Arc::make_mut(block)[start..start + part]
                .copy_from_slice(&bytes[written..written + part]);
            written += part;
        }
        self.len = self.len.max(offset + bytes.len());
    }

    fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let len = self.len.saturating_sub(offset).min(buffer.len());
        let mut read = 0;
        while read < len {
            let (index, start) = ((offset + read) / BLOCK, (offset + read) % BLOCK);
            let part = (BLOCK - start).min(len - read);
            let target = &mut buffer[read..read + part];
            match self.blocks.get(&index) {
                Some(block) => target.copy_from_slice(&block[start..start + part]),
                None => target.fill(0),
            }
            read += part;
        }
        len
    }
}

/// A change of a file since its last sync.
#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Change {
    fn apply(&self, content: &mut Content) {
        match self {
            Self::SetLen(len) => content.set_len(*len),
            Self::Write { offset, bytes } => content.write(*offset, bytes),
        }
    }

    /// What a power loss may make of it.
    fn torn(&self, rng: &mut SeededRng) -> Option<Self> {
        match (self, rng.below(3)) {
            (_, 0) => None,
            (Self::Write { offset, bytes }, 1) => {
                let first = (SECTOR - offset % SECTOR).min(bytes.len());
                let sectors = (bytes.len() - first).div_ceil(SECTOR) as u64;
                let cut = (first + SECTOR * rng.below(sectors + 1) as usize).min(bytes.len());
                Some(Self::Write { offset: *offset, bytes: bytes[..cut].to_vec() })
            }
            _ => Some(self.clone()),
        }
    }
}

#[derive(Default)]
struct Inode {
    content: Content,
    durable: Content,
    changes: Vec<Change>,
    locked_by: Option<u64>,
}

#[derive(Clone)]
enum Rename {
    Insert(PathBuf, Arc<Mutex<Inode>>),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Rename {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Arc<Mutex<Inode>>>) {
        match self {
            Self::Insert(path, inode) => {
                names.insert(path.clone(), Arc::clone(inode));
            }
            Self::Move(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

/// What an operation is, for the one who wants it to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    Write,
    Sync,
    Rename,
    SyncDir,
    Open,
}

type Fault = Box<dyn FnMut(Operation, &Path) -> Option<io::Error> + Send>;

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    durable_names: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    renames: Vec<Rename>,
    handles: u64,
    operations: u64,
    fault: Option<Fault>,
}

/// See the module.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

impl MemoryDisk {
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a durable file there.
    pub fn with_file(self, path: &Path, content: &[u8]) -> Self {
        self.with_content(path, Content::of(content))
    }

    fn with_content(self, path: &Path, content: Content) -> Self {
        let inode = Inode { durable: content.clone(), content, ..Inode::default() };
        let inode = Arc::new(Mutex::new(inode));
        let mut state = self.state.lock().unwrap();
        state.names.insert(path.to_path_buf(), Arc::clone(&inode));
        state.durable_names.insert(path.to_path_buf(), inode);
        drop(state);
        self
    }

    /// Asks `fault` before every change; what it returns is the operation's error.
    pub fn set_fault(
        &self,
        fault: impl FnMut(Operation, &Path) -> Option<io::Error> + Send + 'static,
    ) {
        self.state.lock().unwrap().fault = Some(Box::new(fault));
    }

    pub fn clear_fault(&self) {
        self.state.lock().unwrap().fault = None;
    }

    /// How many changes were asked for.
    pub fn operations(&self) -> u64 {
        self.state.lock().unwrap().operations
    }

    pub fn names(&self) -> Vec<PathBuf> {
        self.state.lock().unwrap().names.keys().cloned().collect()
    }

    /// What a power loss now may leave.
    pub fn crash(&self, seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        let state = self.state.lock().unwrap();
        let mut names = state.durable_names.clone();
        let kept = rng.below(state.renames.len() as u64 + 1) as usize;
        for rename in &state.renames[..kept] {
            rename.apply(&mut names);
        }
        let mut after = Self::new();
        for (path, inode) in names {
            let inode = inode.lock().unwrap();
            let mut content = inode.durable.clone();
            for change in &inode.changes {
                if let Some(change) = change.torn(&mut rng) {
                    change.apply(&mut content);
                }
            }
            after = after.with_content(&path, content);
        }
        after
    }

    fn check(&self, operation: Operation, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.operations += 1;
        match state.fault.as_mut().and_then(|fault| fault(operation, path)) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn rename_names(&self, rename: Rename) {
        let mut state = self.state.lock().unwrap();
        rename.apply(&mut state.names);
        state.renames.push(rename);
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode != OpenMode::Read {
            self.check(Operation::Open, path)?;
        }
        let found = self.state.lock().unwrap().names.get(path).cloned();
        let inode = match (found, mode) {
            (None, OpenMode::Read | OpenMode::Write) => return Err(io::ErrorKind::NotFound.into()),
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => inode,
            (None, _) => {
                let inode = Arc::new(Mutex::new(Inode::default()));
                self.rename_names(Rename::Insert(path.to_path_buf(), Arc::clone(&inode)));
                inode
            }
        };
        let mut state = self.state.lock().unwrap();
        state.handles += 1;
        let file = MemoryFile {
            disk: self.clone(),
            path: path.to_path_buf(),
            inode,
            handle: state.handles,
        };
        drop(state);
        if mode == OpenMode::Truncate {
            file.set_len(0)?;
        }
        Ok(Arc::new(file))
    }

    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Operation::Rename, to)?;
        if !self.exists(from)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.rename_names(Rename::Move(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        if !self.exists(path)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.rename_names(Rename::Remove(path.to_path_buf()));
        Ok(())
    }

    fn remove_dir_all(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.state.lock().unwrap();
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| path.file_name()?.to_str().map(str::to_owned);
        Ok(inside.filter_map(name).map(|name| DirEntry { name, is_dir: false }).collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = self.state.lock().unwrap();
        let inode = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let len = inode.lock().unwrap().content.len as u64;
        Ok(Metadata { len, is_dir: false, mode: 0o600 })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.check(Operation::SyncDir, path)?;
        let mut state = self.state.lock().unwrap();
        state.durable_names = state.names.clone();
        state.renames.clear();
        Ok(())
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    path: PathBuf,
    inode: Arc<Mutex<Inode>>,
    handle: u64,
}

impl MemoryFile {
    fn change(&self, change: Change) -> io::Result<()> {
        self.disk.check(Operation::Write, &self.path)?;
        let mut inode = self.inode.lock().unwrap();
        change.apply(&mut inode.content);
        inode.changes.push(change);
        Ok(())
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let mut inode = self.inode.lock().unwrap();
        if inode.locked_by == Some(self.handle) {
            inode.locked_by = None;
        }
    }
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let inode = self.inode.lock().unwrap();
        Ok(inode.content.read(offset as usize, buffer))
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes: Vec<u8> = buffers.iter().flat_map(|part| part.iter().copied()).collect();
        self.change(Change::Write { offset: offset as usize, bytes })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.check(Operation::Sync, &self.path)?;
        let mut inode = self.inode.lock().unwrap();
        for change in std::mem::take(&mut inode.changes) {
            change.apply(&mut inode.durable);
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.lock().unwrap().content.len as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::SetLen(len as usize))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn try_lock(&self, _lock: Lock) -> io::Result<bool> {
        let mut inode = self.inode.lock().unwrap();
        let free = inode.locked_by.is_none_or(|holder| holder == self.handle);
        if free {
            inode.locked_by = Some(self.handle);
        }
        Ok(free)
    }
}
