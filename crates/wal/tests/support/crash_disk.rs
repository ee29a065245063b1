//! A disk in memory that remembers every operation, so that a test can ask what is left after a
//! crash at any point.
//!
//! What is left: everything that was synced; of the rest any part, by sectors of 512 bytes. Names
//! are lost from the latest on, until their directory was synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, IoSlice};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use env::{DirEntry, Disk, File, Lock, Metadata, OpenMode, Rng};

const SECTOR: usize = 512;

type Id = usize;

/// What happened to the disk.
#[derive(Clone, Debug)]
enum Op {
    NewFile,
    NewDir,
    Write(Id, u64, Vec<u8>),
    SetLen(Id, u64),
    Sync(Id),
    Name(Id, NameOp),
    SyncDir(Id),
    /// The test's own note.
    Mark(usize),
}

#[derive(Clone, Debug)]
enum NameOp {
    Link(String, Id),
    Unlink(String),
    Rename(String, String),
}

#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Dir(BTreeMap<String, Id>),
}

#[derive(Default)]
struct State {
    /// As of the beginning, durable.
    base: Vec<Node>,
    nodes: Vec<Node>,
    locked: BTreeSet<Id>,
    ops: Vec<Op>,
    /// The operation that fails, counted from the next one on, and how.
    fails: Option<(usize, ErrorKind)>,
}

/// The disk. Clones share it.
#[derive(Clone)]
pub struct CrashDisk(Arc<Mutex<State>>);

/// What of the unsynced operations is left after a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    Nothing,
    Everything,
    /// Any part.
    Some,
}

impl CrashDisk {
    /// An empty disk with the directory `/`.
    pub fn new() -> Self {
        Self::from_nodes(vec![Node::Dir(BTreeMap::new())])
    }

    fn from_nodes(nodes: Vec<Node>) -> Self {
        let base = nodes.clone();
        Self(Arc::new(Mutex::new(State { base, nodes, ..State::default() })))
    }

    /// How many operations there were.
    pub fn ops(&self) -> usize {
        self.state().ops.len()
    }

    /// Notes a number in the sequence of operations.
    pub fn mark(&self, number: usize) {
        self.state().ops.push(Op::Mark(number));
    }

    /// Makes the operation after `count` more fail, and none after it.
    pub fn fail_after(&self, count: usize, kind: ErrorKind) {
        self.state().fails = Some((count, kind));
    }

    /// Whether a failure is still to come.
    pub fn fails(&self) -> bool {
        self.state().fails.is_some()
    }

    /// The disk after a crash behind the first `count` operations, and the last note among them.
    pub fn crash(&self, count: usize, left: Left, rng: &mut dyn Rng) -> (Self, Option<usize>) {
        let state = self.state();
        let ops = &state.ops[..count];
        let mut durable = state.base.clone();
        let mut pending: BTreeMap<Id, Vec<&Op>> = BTreeMap::new();
        let mut mark = None;
        for op in ops {
            match op {
                Op::NewFile => durable.push(Node::File(Vec::new())),
                Op::NewDir => durable.push(Node::Dir(BTreeMap::new())),
                Op::Write(id, ..) | Op::SetLen(id, _) | Op::Name(id, _) => {
                    pending.entry(*id).or_default().push(op);
                }
                Op::Sync(id) | Op::SyncDir(id) => {
                    for op in pending.remove(id).unwrap_or_default() {
                        apply(&mut durable, op);
                    }
                }
                Op::Mark(number) => mark = Some(*number),
            }
        }
        for (id, ops) in pending {
            let is_dir = matches!(durable[id], Node::Dir(_));
            let kept = rng.below(ops.len() as u64 + 1) as usize;
            for (at, op) in ops.into_iter().enumerate() {
                match (left, op) {
                    (Left::Nothing, _) => {}
                    (Left::Everything, _) => apply(&mut durable, op),
                    (Left::Some, _) if is_dir => {
                        if at < kept {
                            apply(&mut durable, op);
                        }
                    }
                    (Left::Some, Op::Write(id, offset, bytes)) => {
                        for part in sectors(*offset, bytes) {
                            if rng.below(2) == 0 {
                                apply(&mut durable, &Op::Write(*id, part.0, part.1));
                            }
                        }
                    }
                    (Left::Some, _) => {
                        if rng.below(2) == 0 {
                            apply(&mut durable, op);
                        }
                    }
                }
            }
        }
        (Self::from_nodes(durable), mark)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Does an operation, unless it is the one that fails.
    fn run(&self, op: Op) -> io::Result<()> {
        let mut state = self.state();
        match &mut state.fails {
            Some((0, kind)) => {
                let kind = *kind;
                state.fails = None;
                return Err(kind.into());
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        match op {
            Op::NewFile => state.nodes.push(Node::File(Vec::new())),
            Op::NewDir => state.nodes.push(Node::Dir(BTreeMap::new())),
            _ => apply(&mut state.nodes, &op),
        }
        state.ops.push(op);
        Ok(())
    }
}

fn sectors(offset: u64, bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let first = (SECTOR - offset as usize % SECTOR).min(bytes.len());
    let mut parts = vec![(offset, bytes[..first].to_vec())];
    for (number, part) in bytes[first..].chunks(SECTOR).enumerate() {
        parts.push((offset + (first + number * SECTOR) as u64, part.to_vec()));
    }
    parts
}

fn apply(nodes: &mut [Node], op: &Op) {
    match op {
        Op::Write(id, offset, bytes) => {
            let Node::File(content) = &mut nodes[*id] else { panic!("write to a directory") };
            let end = *offset as usize + bytes.len();
            content.resize(content.len().max(end), 0);
            content[*offset as usize..end].copy_from_slice(bytes);
        }
        Op::SetLen(id, len) => {
            let Node::File(content) = &mut nodes[*id] else { panic!("resize a directory") };
            content.resize(*len as usize, 0);
        }
        Op::Name(id, name_op) => {
            let Node::Dir(names) = &mut nodes[*id] else { panic!("a name in a file") };
            match name_op {
                NameOp::Link(name, id) => {
                    names.insert(name.clone(), *id);
                }
                NameOp::Unlink(name) => {
                    names.remove(name);
                }
                NameOp::Rename(from, to) => {
                    let id = names.remove(from).expect("it was there when it was renamed");
                    names.insert(to.clone(), id);
                }
            }
        }
        Op::NewFile | Op::NewDir | Op::Sync(_) | Op::SyncDir(_) | Op::Mark(_) => {}
    }
}

impl State {
    fn find(&self, path: &Path) -> io::Result<Id> {
        let mut id = 0;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            let Node::Dir(names) = &self.nodes[id] else {
                return Err(ErrorKind::NotADirectory.into());
            };
            id = *names.get(name.to_str().expect("UTF-8")).ok_or(ErrorKind::NotFound)?;
        }
        Ok(id)
    }
}

fn parent_and_name(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a path with a name");
    (path.parent().unwrap_or(Path::new("/")).to_path_buf(), name.to_owned())
}

impl CrashDisk {
    fn link(&self, path: &Path, op: Op) -> io::Result<Id> {
        let (parent, name) = parent_and_name(path);
        let (dir, id) = {
            let state = self.state();
            (state.find(&parent)?, state.nodes.len())
        };
        self.run(op)?;
        self.run(Op::Name(dir, NameOp::Link(name, id)))?;
        Ok(id)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = parent_and_name(path);
        self.state().find(path)?;
        let dir = self.state().find(&parent)?;
        self.run(Op::Name(dir, NameOp::Unlink(name)))
    }
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let found = self.state().find(path);
        let id = match (found, mode) {
            (Ok(_), OpenMode::CreateNew) => return Err(ErrorKind::AlreadyExists.into()),
            (Ok(id), OpenMode::Truncate) => {
                self.run(Op::SetLen(id, 0))?;
                id
            }
            (Ok(id), _) => id,
            (Err(error), OpenMode::Read | OpenMode::Write) => return Err(error),
            (Err(_), _) => self.link(path, Op::NewFile)?,
        };
        Ok(Arc::new(CrashFile { disk: self.clone(), id, locks: Mutex::new(false) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if self.state().find(path).is_ok() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.create_dir_all(parent)?;
        }
        self.link(path, Op::NewDir).map(drop)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from_dir, from_name), (to_dir, to_name)) =
            (parent_and_name(from), parent_and_name(to));
        assert_eq!(from_dir, to_dir, "nobody renames across directories");
        self.state().find(from)?;
        let dir = self.state().find(&from_dir)?;
        self.run(Op::Name(dir, NameOp::Rename(from_name, to_name)))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.unlink(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.unlink(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.state();
        let Node::Dir(names) = &state.nodes[state.find(dir)?] else {
            return Err(ErrorKind::NotADirectory.into());
        };
        let entry = |(name, id): (&String, &Id)| DirEntry {
            name: name.clone(),
            is_dir: matches!(state.nodes[*id], Node::Dir(_)),
        };
        Ok(names.iter().map(entry).collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = self.state();
        Ok(match &state.nodes[state.find(path)?] {
            Node::File(bytes) => Metadata { len: bytes.len() as u64, is_dir: false, mode: 0o600 },
            Node::Dir(_) => Metadata { len: 0, is_dir: true, mode: 0o700 },
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let id = self.state().find(path)?;
        self.run(Op::SyncDir(id))
    }
}

struct CrashFile {
    disk: CrashDisk,
    id: Id,
    locks: Mutex<bool>,
}

impl CrashFile {
    fn with<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        match &self.disk.state().nodes[self.id] {
            Node::File(bytes) => look(bytes),
            Node::Dir(_) => panic!("an open directory"),
        }
    }
}

impl File for CrashFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.with(|bytes| {
            let there = bytes.get(offset as usize..).unwrap_or_default();
            let count = there.len().min(buffer.len());
            buffer[..count].copy_from_slice(&there[..count]);
            count
        }))
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes = buffers.iter().flat_map(|buffer| buffer.to_vec()).collect();
        self.disk.run(Op::Write(self.id, offset, bytes))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.run(Op::Sync(self.id))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.disk.run(Op::Sync(self.id))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|bytes| bytes.len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.run(Op::SetLen(self.id, len))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let grown = self.len()?.max(len);
        self.disk.run(Op::SetLen(self.id, grown))
    }

    fn try_lock(&self, _lock: Lock) -> io::Result<bool> {
        let free = self.disk.state().locked.insert(self.id);
        *self.locks.lock().expect("held for this line only") |= free;
        Ok(free)
    }
}

impl Drop for CrashFile {
    fn drop(&mut self) {
        if self.locks.lock().is_ok_and(|locks| *locks) {
            self.disk.state().locked.remove(&self.id);
        }
    }
}
