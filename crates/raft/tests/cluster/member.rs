//! One member as a server would drive it, in either mode.

use std::cell::Cell;
use std::collections::VecDeque;

use env::{Rng, SeededRng};
use proto::raftpb::{ConfState, Entry, HardState, Message, Snapshot};
use raft::{
    LogRead, MemoryStorage, RawNode, Ready, Storage, StorageAppend, StorageApply, StorageError,
};
use types::{Index, Term};

use super::app::App;
use super::disk::Disk;
use super::judge::Judge;
use super::options::Options;

/// The stored log; snapshots are of the state applied last, and sometimes not at hand.
pub struct Log {
    pub log: MemoryStorage,
    newest: Snapshot,
    pub busy: Cell<bool>,
}

impl Storage for Log {
    fn initial_state(&self) -> (HardState, ConfState) {
        self.log.initial_state()
    }

    fn entries(&self, low: Index, high: Index, size_max: u64) -> Result<Vec<Entry>, StorageError> {
        self.log.entries(low, high, size_max)
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.log.term(index)
    }

    fn first_index(&self) -> Index {
        self.log.first_index()
    }

    fn last_index(&self) -> Index {
        self.log.last_index()
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        if self.busy.get() || self.newest.is_empty() {
            return Err(StorageError::SnapshotTemporarilyUnavailable);
        }
        Ok(self.newest.clone())
    }
}

pub struct Member {
    pub id: u64,
    /// Nothing while it is stopped.
    pub raw: Option<RawNode<Log>>,
    pub disk: Disk,
    pub app: App,
    pub appends: VecDeque<StorageAppend>,
    pub applies: VecDeque<StorageApply>,
    pub log_reads: VecDeque<LogRead>,
    options: Options,
    rng: SeededRng,
}

impl Member {
    pub fn new(id: u64, start: Option<App>, options: &Options, rng: SeededRng) -> Self {
        let mut member = Self {
            id,
            raw: None,
            disk: Disk::new(start.as_ref()),
            app: App::default(),
            appends: VecDeque::new(),
            applies: VecDeque::new(),
            log_reads: VecDeque::new(),
            options: options.clone(),
            rng,
        };
        member.start();
        member
    }

    /// Starts from the disk.
    pub fn start(&mut self) {
        let log = self.disk.load(self.options.log_size_max);
        self.app = App::restore(&self.disk.snapshot);
        let mut config = self.options.config(self.id, SeededRng::new(self.rng.next_u64()));
        config.applied = Index(self.app.index);
        let log = Log { log, newest: self.app.snapshot(), busy: Cell::new(false) };
        self.raw = Some(RawNode::new(config, log).unwrap());
    }

    /// Stops without warning; returns whether a write was cut in its middle.
    pub fn crash(&mut self) -> bool {
        self.raw = None;
        let torn = self.disk.crash(&self.appends, &mut self.rng);
        self.appends.clear();
        self.applies.clear();
        self.log_reads.clear();
        torn
    }

    pub fn has_jobs(&self) -> bool {
        !(self.appends.is_empty() && self.applies.is_empty() && self.log_reads.is_empty())
    }

    pub fn raw(&mut self) -> &mut RawNode<Log> {
        self.raw.as_mut().expect("the member runs")
    }

    /// Does what is to be done, as far as the mode wants it done at once; returns messages for
    /// others. `None` if the member stopped in the middle.
    pub fn ready(&mut self, judge: &mut Judge, crash: bool) -> Option<Vec<Message>> {
        if !self.raw().has_ready() {
            return Some(Vec::new());
        }
        let ready = self.raw().ready();
        judge.ready(self, &ready);
        self.log_reads.extend(ready.log_reads.iter().copied());
        if self.options.asynchronous {
            self.appends.extend(ready.append);
            self.applies.extend(ready.apply);
            return Some(ready.messages);
        }
        self.do_at_once(ready, judge, crash)
    }

    fn do_at_once(&mut self, ready: Ready, judge: &mut Judge, crash: bool) -> Option<Vec<Message>> {
        let stop = if crash { self.rng.below(4) } else { u64::MAX };
        if stop == 0 {
            self.crash_in_judgement(judge);
            return None;
        }
        let must_sync = ready.must_sync || ready.snapshot.is_some();
        self.store(ready.hard_state, &ready.entries, ready.snapshot.as_ref(), judge);
        if must_sync {
            self.disk.sync();
        }
        if stop == 1 {
            self.crash_in_judgement(judge);
            return None;
        }
        judge.messages_leave(self, &ready.messages);
        self.apply(&ready.committed_entries, judge);
        if stop == 2 {
            self.crash_in_judgement(judge);
            return Some(ready.messages);
        }
        self.raw().advance();
        Some(ready.messages)
    }

    fn crash_in_judgement(&mut self, judge: &mut Judge) {
        self.crash();
        judge.stopped(self.id);
    }

    fn store(
        &mut self,
        state: Option<HardState>,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
        judge: &mut Judge,
    ) {
        self.disk.write(state, entries, snapshot);
        let log = &mut self.raw().storage_mut().log;
        if let Some(state) = state {
            log.set_hard_state(state);
        }
        if let Some(snapshot) = snapshot {
            log.apply_snapshot(snapshot.clone()).unwrap();
            self.app = App::restore(snapshot);
            self.raw().storage_mut().newest = snapshot.clone();
            judge.installed(&self.app);
        }
        self.raw().storage_mut().log.append(entries);
    }

    /// Does the oldest append job; returns messages for others.
    pub fn do_append(&mut self, judge: &mut Judge) -> Vec<Message> {
        let Some(job) = self.appends.pop_front() else {
            return Vec::new();
        };
        self.store(job.hard_state, &job.entries, job.snapshot.as_ref(), judge);
        if !job.responses.is_empty() {
            self.disk.sync();
        }
        let id = self.id;
        let (own, others) = job.responses.into_iter().partition::<Vec<_>, _>(|m| m.to == id);
        judge.messages_leave(self, &own);
        judge.messages_leave(self, &others);
        for response in own {
            self.raw().storage_response(response);
        }
        others
    }

    /// Does the oldest apply job.
    pub fn do_apply(&mut self, judge: &mut Judge) {
        if let Some(job) = self.applies.pop_front() {
            self.apply(&job.entries, judge);
            for response in job.responses {
                self.raw().storage_response(response);
            }
        }
    }

    /// Brings entries into memory that were asked for.
    pub fn do_log_read(&mut self, judge: &mut Judge) {
        if let Some(read) = self.log_reads.pop_front() {
            let entries = self.disk.read(read);
            self.raw().storage_mut().log.insert_fetched(entries);
            self.raw().log_read_done();
            judge.counts.one("log reads");
        }
    }

    fn apply(&mut self, entries: &[Entry], judge: &mut Judge) {
        for entry in entries {
            if entry.index <= self.app.index {
                // A snapshot came in between.
                continue;
            }
            if let Some((index, change)) = self.app.apply(entry) {
                let state = self.raw().apply_conf_change(index, change).unwrap();
                judge.conf_changed(self, index, &state);
            }
            judge.applied(&self.app);
        }
        let newest = self.app.snapshot();
        self.raw().storage_mut().newest = newest;
    }

    /// Saves the state and forgets the log up to some place before it.
    pub fn compact(&mut self, keep: u64) -> bool {
        let at = self.app.index.saturating_sub(keep);
        if self.raw().storage().log.first_index().0 > at {
            return false;
        }
        let index = self.app.index;
        self.disk.save_snapshot(self.app.snapshot());
        assert!(at <= index);
        self.raw().storage_mut().log.compact(Index(at)).unwrap();
        true
    }
}
