//! The disk.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env::{DirEntry, Disk, File, Metadata, Monotonic, OpenMode, SeededRng};

use crate::content::{Content, SECTOR};
use crate::crash::Crash;
use crate::fault::{Counts, Fault, Latency, Operation};
use crate::file::SimFile;
use crate::history::{Deed, Entry, Settled};
use crate::state::State;
use crate::tree::{Change, Id, Kind, Naming, Tree};

/// A disk in memory. Clones share it.
///
/// It remembers every change, so that it can be asked what a power cut at any moment would have
/// left ([`crash`](Self::crash)), and fails as it is told to ([`set_fault`](Self::set_fault)).
///
/// It has a clock of its own: each operation begins where the one before has ended. A simulator
/// sets it to the time at which a job begins ([`begin_at`](Self::begin_at)), runs the job to its
/// end, and reads when that is ([`time`](Self::time)).
#[derive(Clone)]
pub struct SimDisk(pub(crate) Arc<Mutex<State>>);

impl SimDisk {
    /// A disk with nothing but `/`.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Tree::new())
    }

    /// A disk at rest: all of it is durable.
    pub(crate) fn of(tree: Tree) -> Self {
        let ids = tree.last_id();
        Self::with(tree.clone(), Settled::new(tree), ids)
    }

    fn with(live: Tree, settled: Settled, ids: Id) -> Self {
        Self(Arc::new(Mutex::new(State::new(live, settled, ids))))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many changes and syncs there were since the beginning, notes included.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.state().log.len()
    }

    /// What was asked of the disk, and what went wrong.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Where and how long the writes were.
    #[must_use]
    pub fn writes(&self) -> Vec<(u64, usize)> {
        let write = |entry: &Entry| match &entry.deed {
            Deed::Change(_, Change::Write { offset, bytes, .. }) => Some((*offset, bytes.len())),
            _ => None,
        };
        self.state().log.iter().filter_map(write).collect()
    }

    /// Notes a number among the operations; the last one before a crash is [`Crash::mark`].
    pub fn mark(&self, number: u64) {
        self.state().note(Deed::Mark(number));
    }

    /// Every file.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().live.files()
    }

    /// The bytes of a file.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let id = state.live.find(path).ok()?;
        state.live.file(id).ok().map(Content::to_vec)
    }

    /// Two disks have the same names and bytes.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let all = |disk: &Self| {
            let files = disk.files();
            files.into_iter().map(|path| (disk.content(&path), path)).collect::<Vec<_>>()
        };
        all(self) == all(other)
    }
}

/// Before a test.
impl SimDisk {
    /// Puts a durable directory there, with its parents.
    pub fn put_dir(&self, path: &Path) {
        let mut state = self.state();
        let mut at = PathBuf::new();
        for part in path {
            at.push(part);
            state.put(&at, Kind::Dir);
        }
    }

    /// Puts a durable file there, in the place of one that is there; makes its directories too.
    pub fn put_file(&self, path: &Path, bytes: &[u8]) {
        self.put_dir(path.parent().unwrap_or(Path::new("/")));
        let mut state = self.state();
        let Some(id) = state.put(path, Kind::File) else { return };
        let content = Content::of(bytes);
        let State { live, settled, .. } = &mut *state;
        for tree in [live, &mut settled.durable] {
            if let Some(file) = tree.file_mut(id) {
                *file = content.clone();
            }
        }
    }

    /// Overwrites bytes as no program would: the disk itself has changed them.
    pub fn damage(&self, path: &Path, offset: u64, bytes: &[u8]) {
        let mut state = self.state();
        let Ok(id) = state.live.find(path) else { return };
        let State { live, settled, .. } = &mut *state;
        for tree in [live, &mut settled.durable] {
            if let Some(file) = tree.file_mut(id) {
                file.write(offset, bytes);
            }
        }
    }

    /// What a sector of a file has held before, the present not counted, oldest first, each once.
    #[must_use]
    pub fn earlier(&self, path: &Path, sector: u64) -> Vec<Vec<u8>> {
        let state = self.state();
        let Ok(id) = state.live.find(path) else { return Vec::new() };
        let mut content = state.settled.durable.file(id).cloned().unwrap_or_default();
        let look = |content: &Content| {
            let mut bytes = vec![0; SECTOR as usize];
            content.read(sector * SECTOR, &mut bytes);
            bytes
        };
        let mut versions = vec![look(&content)];
        for entry in &state.log {
            if let Deed::Change(of, change) = &entry.deed
                && *of == id
            {
                change.apply(&mut content);
                let now = look(&content);
                versions.retain(|version| *version != now);
                versions.push(now);
            }
        }
        versions.pop();
        versions
    }
}

/// What goes wrong.
impl SimDisk {
    /// Asks `decider` before each operation.
    pub fn set_fault(
        &self,
        decider: impl FnMut(Operation, &Path) -> Option<Fault> + Send + 'static,
    ) {
        self.state().decider = Some(Box::new(decider));
    }

    /// Nothing goes wrong any more.
    pub fn clear_fault(&self) {
        let mut state = self.state();
        state.decider = None;
        state.fails_after = None;
    }

    /// Decides what is there of writes over which a sync has failed, when a program drops what the
    /// system remembers of a file ([`env::File::forget_cached`]).
    pub fn set_seed(&self, seed: u64) {
        self.state().rng = SeededRng::new(seed);
    }

    /// Lets one change or sync fail, after so many that go well.
    pub fn fail_after(&self, changes: u64, kind: ErrorKind) {
        self.state().fails_after = Some((changes, kind));
    }

    /// Whether that is still to come.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.state().fails_after.is_some()
    }

    /// How many bytes all files may take.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// How long a file may become.
    pub fn set_len_max(&self, bytes: u64) {
        self.state().len_max = bytes;
    }
}

/// Time.
impl SimDisk {
    /// How long operations take.
    pub fn set_latency(&self, latency: Latency) {
        self.state().latency = latency;
    }

    /// The next operation begins then.
    pub fn begin_at(&self, time: Monotonic) {
        self.state().time = time;
    }

    /// When the last operation ended.
    #[must_use]
    pub fn time(&self) -> Monotonic {
        self.state().time
    }

    /// Forgets how what is over at a time came about: nothing before it will be asked for any more.
    pub fn forget_before(&self, time: Monotonic) {
        let mut state = self.state();
        // Of jobs that ran beside each other a later entry may be the earlier one.
        let over = state.log.iter().position(|entry| entry.ended > time);
        let over = over.unwrap_or(state.log.len());
        let State { log, settled, .. } = &mut *state;
        for entry in log.drain(..over) {
            settled.follow(&entry.deed);
        }
    }
}

/// What is left.
impl SimDisk {
    /// A power cut behind the first operations.
    ///
    /// # Panics
    /// When there were not so many.
    #[must_use]
    pub fn crash(&self, operations: usize) -> Crash {
        let state = self.state();
        let mut settled = state.settled.clone();
        state.log[..operations].iter().for_each(|entry| settled.follow(&entry.deed));
        Crash(settled)
    }

    /// A power cut behind each operation in turn, from before the first on.
    #[must_use]
    pub fn crashes(&self) -> Crashes {
        let state = self.state();
        Crashes { settled: state.settled.clone(), log: state.log.clone(), next: 0 }
    }

    /// A power cut at a time.
    #[must_use]
    pub fn crash_at(&self, time: Monotonic) -> Crash {
        let state = self.state();
        let mut settled = state.settled.clone();
        state.follow_to(time, &mut settled);
        Crash(settled)
    }

    /// The disk after the end of a process behind the first operations, the machine living on: what
    /// it had asked for is done, and what was not synced may still be lost.
    ///
    /// # Panics
    /// When there were not so many.
    #[must_use]
    pub fn killed(&self, operations: usize) -> Self {
        let Crash(settled) = self.crash(operations);
        self.go_on(settled)
    }

    /// As [`killed`](Self::killed), at a time.
    #[must_use]
    pub fn killed_at(&self, time: Monotonic) -> Self {
        let Crash(settled) = self.crash_at(time);
        let after = self.go_on(settled);
        after.begin_at(time);
        after
    }

    fn go_on(&self, settled: Settled) -> Self {
        let state = self.state();
        let live = Crash(settled.clone()).everything().state().live.clone();
        let after = Self::with(live, settled, state.ids);
        let mut next = after.state();
        (next.time, next.latency, next.counts) = (state.time, state.latency, state.counts);
        (next.capacity, next.len_max) = (state.capacity, state.len_max);
        (next.doubted, next.rng) = (state.doubted.clone(), state.rng.clone());
        drop(next);
        after
    }
}

/// See [`SimDisk::crashes`].
pub struct Crashes {
    settled: Settled,
    log: Vec<Entry>,
    next: usize,
}

impl Iterator for Crashes {
    type Item = Crash;

    fn next(&mut self) -> Option<Crash> {
        if self.next > self.log.len() {
            return None;
        }
        if self.next > 0 {
            self.settled.follow(&self.log[self.next - 1].deed);
        }
        self.next += 1;
        Some(Crash(self.settled.clone()))
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let id = match (state.live.find(path), mode) {
            (Ok(_), OpenMode::CreateNew) => return Err(ErrorKind::AlreadyExists.into()),
            (Ok(id), _) => {
                state.look(Operation::Open, path)?;
                state.live.file(id)?;
                if mode == OpenMode::Truncate && state.live.file(id)?.len() > 0 {
                    state.resize((path, id), Change::SetLen(0))?;
                }
                id
            }
            (Err(error), OpenMode::Read | OpenMode::Write) => return Err(error),
            (Err(_), _) => {
                let (dir, name) = state.live.place(path)?;
                let id = state.next_id();
                state.name(Operation::Create, path, dir, Naming::Create(name, id, Kind::File))?;
                id
            }
        };
        state.handles += 1;
        let handle = state.handles;
        Ok(Arc::new(SimFile { disk: self.clone(), path: path.to_path_buf(), id, handle }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let found = self.state().live.find(path);
        if let Ok(id) = found {
            return self.state().live.dir(id).map(drop);
        }
        if let Some(parent) = path.parent() {
            self.create_dir_all(parent)?;
        }
        let mut state = self.state();
        let (dir, name) = state.live.place(path)?;
        let id = state.next_id();
        state.name(Operation::Create, path, dir, Naming::Create(name, id, Kind::Dir))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let id = state.live.find(from)?;
        let ((from_dir, from_name), (to_dir, to_name)) =
            (state.live.place(from)?, state.live.place(to)?);
        if from_dir != to_dir {
            return Err(ErrorKind::CrossesDevices.into());
        }
        if let Ok(there) = state.live.find(to)
            && state.live.is_dir(there)
            && (!state.live.is_dir(id) || !state.live.dir(there)?.is_empty())
        {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        state.name(Operation::Rename, to, from_dir, Naming::Rename(from_name, to_name))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let id = state.live.find(path)?;
        state.live.file(id)?;
        let (dir, name) = state.live.place(path)?;
        state.name(Operation::Remove, path, dir, Naming::Remove(name))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let (id, names) = {
            let state = self.state();
            let id = state.live.find(path)?;
            (id, state.live.dir(id)?.clone())
        };
        for (name, inside) in names {
            if self.state().live.is_dir(inside) {
                self.remove_dir_all(&path.join(name))?;
            } else {
                self.state().name(Operation::Remove, path, id, Naming::Remove(name))?;
            }
        }
        let mut state = self.state();
        let (dir, name) = state.live.place(path)?;
        state.name(Operation::Remove, path, dir, Naming::Remove(name))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut state = self.state();
        let id = state.live.find(dir)?;
        state.look(Operation::Open, dir)?;
        let names = state.live.dir(id)?;
        let entry = |(name, id): (&String, &Id)| DirEntry {
            name: name.clone(),
            is_dir: state.live.is_dir(*id),
        };
        Ok(names.iter().map(entry).collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = self.state();
        let id = state.live.find(path)?;
        Ok(match state.live.file(id) {
            Ok(content) => Metadata { len: content.len(), is_dir: false, mode: 0o600 },
            Err(_) => Metadata { len: 0, is_dir: true, mode: 0o700 },
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let id = state.live.find(path)?;
        state.live.dir(id)?;
        state.sync((path, id), Operation::SyncDir)
    }
}
