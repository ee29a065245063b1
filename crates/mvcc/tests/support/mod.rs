//! What the tests of this crate share: a store over a real backend on a disk in memory.
#![allow(dead_code)]

pub mod golden;
pub mod model;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use backend::{Backend, Committer, Options, Position};
use bytes::Bytes;
use mvcc::{Compaction, CompactionOrder, Hashes, ReadView, Restored, Slice, Store};
use simenv::SimDisk;
use types::{Index, LeaseId, Term};

pub const PATH: &str = "/data/member/snap/db";

/// A store, its backend and its compactions, driven by hand.
pub struct Stand {
    pub disk: SimDisk,
    pub backend: Backend,
    pub committer: Committer,
    pub store: Store,
    pub compactions: VecDeque<Compaction>,
    pub hashes: Hashes,
    /// The leases that the last restore found keys with.
    pub leases: Vec<(Bytes, LeaseId)>,
    applied: u64,
}

fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.put_dir(Path::new("/data/member/snap"));
    disk
}

impl Stand {
    pub fn new() -> Self {
        Self::open(disk())
    }

    pub fn with_file(content: Vec<u8>) -> Self {
        let disk = SimDisk::new();
        disk.put_file(Path::new(PATH), &content);
        Self::open(disk)
    }

    pub fn open(disk: SimDisk) -> Self {
        let (backend, committer) =
            backend::open(Arc::new(disk.clone()), Options::new(PATH)).unwrap();
        let applied = backend.last_committed().position().index.get();
        let restored = Store::restore(backend.last_committed()).unwrap();
        let Restored { mut store, leases, compaction } = restored;
        let compaction = compaction.map(|order| begin(&mut store, order));
        let compactions = compaction.into_iter().collect();
        let hashes = Hashes::default();
        Self { disk, backend, committer, store, compactions, hashes, leases, applied }
    }

    /// Starts anew from what is committed, as another process: views of this one may live on.
    pub fn reopen(&mut self) {
        *self = Self::open(self.disk.killed(self.disk.operations()));
    }

    pub fn view(&self) -> ReadView {
        self.store.view(&self.backend)
    }

    pub fn commit(&mut self) {
        self.applied += 1;
        let position =
            Position { index: Index(self.applied), term: Term(1), ..Position::default() };
        let job = self.backend.freeze(position);
        self.committer.prepare(job).unwrap();
        let done = self.committer.finish().unwrap();
        self.backend.committed(done);
    }

    pub fn compact(&mut self, revision: i64) -> mvcc::Result<()> {
        let order = self.store.compact(&mut self.backend, revision)?;
        self.compactions.push_back(begin(&mut self.store, order));
        Ok(())
    }

    /// Carries out a step of the oldest compaction; whether there was one.
    pub fn step(&mut self, batch_records: usize) -> bool {
        // Stands for the ticket that the first step waits for.
        self.commit();
        let Some(compaction) = self.compactions.front_mut() else { return false };
        let step = compaction.step(&mut self.committer, batch_records).unwrap();
        self.backend.committed(step.done);
        if !step.more {
            self.compactions.pop_front();
        }
        step.hash.into_iter().for_each(|hash| self.hashes.insert(hash));
        true
    }

    /// Carries out all compactions.
    pub fn finish_compactions(&mut self) {
        while self.step(1000) {}
    }

    /// How many records the file and the buffers have.
    pub fn record_count(&self) -> usize {
        let (from, to) = (types::Revision::default(), types::Revision::new(i64::MAX, 0));
        self.backend.view().records(from, to).map(Result::unwrap).count()
    }
}

/// Compacts the index for an order, a leaf at a time.
fn begin(store: &mut Store, order: CompactionOrder) -> Compaction {
    while store.compact_index(&order, 1) == Slice::More {}
    store.begin_compaction(order)
}
