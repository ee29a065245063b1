//! What a member finds again after it stopped without warning.

use std::collections::{BTreeMap, VecDeque};

use env::{Rng, SeededRng};
use proto::raftpb::{Entry, HardState, Snapshot};
use raft::{LogRead, MemoryStorage, StorageAppend, limit_size};

use super::app::App;

/// A log with its promises and a snapshot. Entries and snapshots are synced as they are written;
/// promises only by a write that asks for it.
#[derive(Default)]
pub struct Disk {
    pub hard_state: HardState,
    synced_hard_state: HardState,
    pub snapshot: Snapshot,
    entries: BTreeMap<u64, Entry>,
}

impl Disk {
    pub fn new(start: Option<&App>) -> Self {
        let mut disk = Self::default();
        if let Some(start) = start {
            disk.snapshot = start.snapshot();
            disk.hard_state = HardState { term: start.term, vote: 0, commit: start.index };
            disk.synced_hard_state = disk.hard_state;
        }
        disk
    }

    pub fn write(
        &mut self,
        state: Option<HardState>,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) {
        if let Some(snapshot) = snapshot {
            self.entries.clear();
            self.snapshot = snapshot.clone();
        }
        if let Some(first) = entries.first() {
            self.entries.split_off(&first.index);
            self.entries.extend(entries.iter().map(|entry| (entry.index, entry.clone())));
        }
        if let Some(state) = state {
            self.hard_state = state;
        }
    }

    pub fn sync(&mut self) {
        self.synced_hard_state = self.hard_state;
    }

    /// The member's state goes to the disk, and with it the promise that it is committed.
    pub fn save_snapshot(&mut self, snapshot: Snapshot) {
        self.hard_state.commit = self.hard_state.commit.max(snapshot.metadata.index);
        self.snapshot = snapshot;
        self.sync();
    }

    /// Whether an entry is stored, or a snapshot that covers it.
    pub fn holds(&self, index: u64, term: Option<u64>) -> bool {
        let covered = index <= self.snapshot.metadata.index;
        covered || self.entries.get(&index).is_some_and(|e| term.is_none_or(|t| t == e.term))
    }

    pub fn read(&self, read: LogRead) -> Vec<Entry> {
        let range = self.entries.range(read.low.0..read.high.0).map(|(_, entry)| entry);
        limit_size(range, read.size_max)
    }

    /// Power goes: what was not synced is there or not, of the writes under way a beginning is.
    /// Returns whether a write was cut in its middle.
    pub fn crash(&mut self, jobs: &VecDeque<StorageAppend>, rng: &mut SeededRng) -> bool {
        if rng.below(2) == 0 {
            self.hard_state = self.synced_hard_state;
        }
        for job in jobs {
            match rng.below(3) {
                0 => return false,
                1 if job.snapshot.is_none() && !job.entries.is_empty() => {
                    // Entries are written before the promises that come with them.
                    let kept = rng.below(job.entries.len() as u64 + 1) as usize;
                    self.write(None, &job.entries[..kept], None);
                    self.sync();
                    return true;
                }
                _ => self.write(job.hard_state, &job.entries, job.snapshot.as_ref()),
            }
        }
        self.sync();
        false
    }

    /// The log as a member starts with it.
    pub fn load(&mut self, size_max: Option<u64>) -> MemoryStorage {
        let mut log = size_max.map_or_else(MemoryStorage::new, MemoryStorage::bounded);
        let start = self.snapshot.metadata.index;
        if start > 0 {
            log.apply_snapshot(self.snapshot.clone()).unwrap();
        }
        self.hard_state.commit = self.hard_state.commit.max(start);
        self.sync();
        let entries: Vec<_> = self.entries.range(start + 1..).map(|(_, e)| e.clone()).collect();
        log.append(&entries);
        log.set_hard_state(self.hard_state);
        log
    }
}
