//! What was asked of the server and what it has said so far: writes, leases, events.

use proto::mvccpb::Event;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use tokio::sync::watch;

/// The keys that a write puts (with values) or deletes, all at one revision.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What is known of a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lease {
    /// Asked for, without an answer.
    Unknown,
    Granted,
    /// Its end is asked for, without an answer.
    Ending,
    Revoked,
}

/// How far a round has come.
#[derive(Clone, Copy, Default, Debug)]
pub struct Progress {
    pub writes: u64,
    pub grants: u64,
    pub revokes: u64,
    pub keepalives: u64,
    pub compactions_sent: u64,
    pub compactions: u64,
    pub defragmentations_sent: u64,
    pub defragmentations: u64,
    /// The server is dead: nothing is worth waiting for.
    pub killed: bool,
}

/// Shared by the tasks of a round.
pub struct Ledger {
    state: Mutex<State>,
    pub progress: watch::Sender<Progress>,
}

#[derive(Default)]
pub struct State {
    /// Asked for, without an answer.
    pub sent: BTreeMap<u64, Changes>,
    /// Acknowledged, by revision.
    pub acknowledged: Vec<(i64, Changes)>,
    pub leases: BTreeMap<i64, Lease>,
    /// The leases that a restarted server has, with their keys.
    pub alive: VecDeque<(i64, Vec<Vec<u8>>)>,
    /// From one watch of everything.
    pub seen: Vec<Event>,
    /// The highest revision that any answer named.
    pub revision: i64,
    /// The highest revision whose compaction was acknowledged.
    pub compacted: i64,
    /// Never used twice, for leases, values and writes.
    next: u64,
}

impl Ledger {
    pub fn new() -> Self {
        Self { state: Mutex::default(), progress: watch::Sender::default() }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A number that was never used before.
    pub fn number(&self) -> u64 {
        let mut state = self.state();
        state.next += 1;
        state.next
    }

    /// Takes down that a write is about to be sent.
    pub fn sends(&self, changes: Changes) -> u64 {
        let number = self.number();
        self.state().sent.insert(number, changes);
        number
    }

    /// Takes down that a write was acknowledged.
    pub fn acknowledged(&self, number: u64, revision: i64) {
        let mut state = self.state();
        state.revision = state.revision.max(revision);
        let changes = state.sent.remove(&number).expect("a write is sent before its answer");
        state.acknowledged.push((revision, changes));
        drop(state);
        self.progress.send_modify(|progress| progress.writes += 1);
    }

    /// Takes down that a write was answered and has changed nothing.
    pub fn changed_nothing(&self, number: u64) {
        self.state().sent.remove(&number);
    }

    pub fn lease(&self, id: i64, is: Lease) {
        self.state().leases.insert(id, is);
        self.progress.send_modify(|progress| match is {
            Lease::Granted => progress.grants += 1,
            Lease::Revoked => progress.revokes += 1,
            Lease::Unknown | Lease::Ending => {}
        });
    }

    /// Takes down what the watch shows.
    pub fn saw(&self, events: Vec<Event>) {
        self.state().seen.extend(events);
    }

    /// The newest revision that the watch has shown.
    pub fn seen_revision(&self) -> i64 {
        let state = self.state();
        let last = state.seen.last().and_then(|event| event.kv.as_ref());
        last.map_or(0, |kv| kv.mod_revision)
    }
}
