//! What the disk is made of, and how an operation goes.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::Path;

use env::{Lock, Monotonic, Rng, SeededRng};

use crate::fault::{Counts, Decider, Fault, Latency, Operation};
use crate::history::{Deed, Entry, Settled, What};
use crate::tree::{Change, Id, Kind, Naming, Tree};

pub(crate) struct State {
    /// As processes see it.
    pub(crate) live: Tree,
    /// What came of the deeds before `log`.
    pub(crate) settled: Settled,
    pub(crate) log: Vec<Entry>,
    /// The highest id that was given.
    pub(crate) ids: Id,
    pub(crate) handles: u64,
    locks: Vec<(Id, u64, Lock)>,
    pub(crate) time: Monotonic,
    pub(crate) latency: Latency,
    pub(crate) decider: Option<Decider>,
    /// The change that fails, counted from the next one on.
    pub(crate) fails_after: Option<(u64, ErrorKind)>,
    pub(crate) capacity: u64,
    pub(crate) len_max: u64,
    pub(crate) counts: Counts,
    /// Files of which a sync has failed.
    pub(crate) doubted: BTreeSet<Id>,
    /// Decides what of them is there.
    pub(crate) rng: SeededRng,
}

/// What an operation may do, after all that can go wrong was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Go,
    /// Half of it, then the error.
    Half(ErrorKind),
    /// It is skipped.
    Lie,
}

impl State {
    pub(crate) fn new(live: Tree, settled: Settled, ids: Id) -> Self {
        Self {
            live,
            settled,
            log: Vec::new(),
            ids,
            handles: 0,
            locks: Vec::new(),
            time: Monotonic::default(),
            latency: Latency::default(),
            decider: None,
            fails_after: None,
            capacity: u64::MAX,
            len_max: u64::MAX,
            counts: Counts::default(),
            doubted: BTreeSet::new(),
            rng: SeededRng::new(0),
        }
    }

    /// Follows what had begun by a time; what had not ended promises nothing.
    pub(crate) fn follow_to(&self, time: Monotonic, settled: &mut Settled) {
        for entry in &self.log {
            if entry.ended <= time {
                settled.follow(&entry.deed);
            } else if entry.began < time {
                settled.follow_unfinished(&entry.deed);
            }
        }
    }

    /// Gives something durable a name; `None` where a file is in the way of a directory.
    pub(crate) fn put(&mut self, path: &Path, kind: Kind) -> Option<Id> {
        if let Ok(id) = self.live.find(path) {
            return Some(id);
        }
        let (dir, name) = self.live.place(path).ok()?;
        let id = self.next_id();
        let naming = Naming::Create(name, id, kind);
        self.live.name(dir, &naming);
        self.settled.durable.name(dir, &naming);
        Some(id)
    }

    pub(crate) const fn next_id(&mut self) -> Id {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn note(&mut self, deed: Deed) {
        self.log.push(Entry { deed, began: self.time, ended: self.time });
    }

    /// An operation that changes nothing.
    pub(crate) fn look(&mut self, operation: Operation, path: &Path) -> io::Result<()> {
        self.ask(operation, path, 0).map(drop)
    }

    /// Asks whether an operation goes well, and lets its time pass.
    fn ask(&mut self, operation: Operation, path: &Path, bytes: usize) -> io::Result<Verdict> {
        self.counts.add(operation);
        let fault = self.fault(operation, path);
        if let Some(fault) = fault {
            self.counts.add_fault(fault);
        }
        self.time = self.time + self.latency.of(operation, bytes);
        match fault {
            None => Ok(Verdict::Go),
            Some(Fault::Slow(by)) => {
                self.time = self.time + by;
                Ok(Verdict::Go)
            }
            Some(Fault::Lie) => Ok(Verdict::Lie),
            Some(Fault::Half(kind)) if operation == Operation::Write => Ok(Verdict::Half(kind)),
            Some(Fault::Half(kind) | Fault::Error(kind)) => Err(kind.into()),
        }
    }

    fn fault(&mut self, operation: Operation, path: &Path) -> Option<Fault> {
        if !operation.only_looks() {
            match &mut self.fails_after {
                Some((0, kind)) => {
                    let kind = *kind;
                    self.fails_after = None;
                    return Some(Fault::Error(kind));
                }
                Some((left, _)) => *left -= 1,
                None => {}
            }
        }
        self.decider.as_mut().and_then(|decider| decider(operation, path))
    }

    /// Does something that began at a time and has just ended.
    fn do_it(&mut self, began: Monotonic, deed: Deed) {
        match &deed {
            Deed::Change(id, change) => self.live.change(*id, change),
            Deed::Name(dir, naming) => self.live.name(*dir, naming),
            Deed::Sync(_) | Deed::FailedSync(_) | Deed::Forget(..) | Deed::Mark(_) => {}
        }
        self.log.push(Entry { deed, began, ended: self.time });
    }

    /// Asks, and unless that gives an error does it.
    fn run(&mut self, operation: Operation, path: &Path, deed: Deed) -> io::Result<()> {
        let began = self.time;
        if self.ask(operation, path, 0)? != Verdict::Lie {
            self.do_it(began, deed);
        }
        Ok(())
    }

    pub(crate) fn name(
        &mut self,
        operation: Operation,
        path: &Path,
        dir: Id,
        naming: Naming,
    ) -> io::Result<()> {
        self.run(operation, path, Deed::Name(dir, naming))
    }
}

/// What a file does to the disk.
impl State {
    pub(crate) fn read(
        &mut self,
        (path, id): (&Path, Id),
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        self.ask(Operation::Read, path, buffer.len())?;
        Ok(self.live.file(id)?.read(offset, buffer))
    }

    pub(crate) fn write(
        &mut self,
        (path, id): (&Path, Id),
        offset: u64,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        let began = self.time;
        let verdict = self.ask(Operation::Write, path, bytes.len())?;
        let len = self.live.file(id)?.len();
        let end = offset + bytes.len() as u64;
        let mut change = Change::Write { offset, bytes: bytes.into(), extends: end > len };
        if end > self.len_max || (self.capacity < u64::MAX && !self.fits(id, &change)) {
            self.counts.full += 1;
            return Err(ErrorKind::StorageFull.into());
        }
        if let (Verdict::Half(_), Change::Write { bytes, .. }) = (verdict, &mut change) {
            *bytes = bytes[..bytes.len() / 2].into();
        }
        if verdict != Verdict::Lie {
            self.do_it(began, Deed::Change(id, change));
        }
        match verdict {
            Verdict::Half(kind) => Err(kind.into()),
            Verdict::Go | Verdict::Lie => Ok(()),
        }
    }

    pub(crate) fn resize(&mut self, (path, id): (&Path, Id), change: Change) -> io::Result<()> {
        let (Change::SetLen(len) | Change::Reserve(len)) = change else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let began = self.time;
        self.ask(Operation::Resize, path, 0)?;
        if len > self.len_max || (self.capacity < u64::MAX && !self.fits(id, &change)) {
            self.counts.full += 1;
            return Err(ErrorKind::StorageFull.into());
        }
        self.do_it(began, Deed::Change(id, change));
        Ok(())
    }

    fn fits(&self, id: Id, change: &Change) -> bool {
        let Ok(before) = self.live.file(id) else { return true };
        let mut after = before.clone();
        change.apply(&mut after);
        let grown = after.used().saturating_sub(before.used());
        grown == 0 || self.live.used() + grown <= self.capacity
    }

    pub(crate) fn sync(&mut self, (path, id): (&Path, Id), operation: Operation) -> io::Result<()> {
        let began = self.time;
        match self.ask(operation, path, 0) {
            Ok(Verdict::Lie) => Ok(()),
            Ok(_) => {
                self.do_it(began, Deed::Sync(id));
                Ok(())
            }
            // A file system keeps changed names in memory until its journal has them.
            Err(error) if operation == Operation::SyncDir => Err(error),
            Err(error) => {
                self.do_it(began, Deed::FailedSync(id));
                self.doubted.insert(id);
                Err(error)
            }
        }
    }

    /// Drops what is remembered of a file beyond what is on the disk or still to be written there.
    pub(crate) fn forget(&mut self, id: Id) {
        if !self.doubted.remove(&id) {
            return;
        }
        let mut now = self.settled.clone();
        self.log.iter().for_each(|entry| now.follow(&entry.deed));
        let there = (0..now.doubts(id)).map(|_| self.rng.below(2) == 0).collect();
        let deed = Deed::Forget(id, there);
        now.follow(&deed);
        self.note(deed);
        for pending in now.pending.get(&id).into_iter().flatten() {
            if let What::Change(change) = &pending.what {
                now.durable.change(id, change);
            }
        }
        if let (Ok(content), Some(live)) = (now.durable.file(id), self.live.file_mut(id)) {
            *live = content.clone();
        }
    }

    pub(crate) fn try_lock(&mut self, id: Id, handle: u64, lock: Lock) -> bool {
        let others = |(of, holder, held): &(Id, u64, Lock)| {
            let both_share = (*held, lock) == (Lock::FlockShared, Lock::FlockShared);
            // The two kinds of lock know nothing of each other.
            let same_kind = (*held == Lock::OfdExclusive) == (lock == Lock::OfdExclusive);
            *of == id && *holder != handle && same_kind && !both_share
        };
        if self.locks.iter().any(others) {
            return false;
        }
        self.locks.push((id, handle, lock));
        true
    }

    pub(crate) fn close(&mut self, handle: u64) {
        self.locks.retain(|(_, holder, _)| *holder != handle);
    }
}
