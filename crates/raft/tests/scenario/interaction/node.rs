//! One member: the core, what it has stored, and the jobs that wait.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use env::SeededRng;
use proto::raftpb::{ConfState, Entry, HardState, Message, Snapshot};
use raft::confchange::ConfChangeEntry;
use raft::{Config, MemoryStorage, RawNode, Storage, StorageAppend, StorageApply, StorageError};
use types::{Index, MemberId, Term};

use super::output::Output;

/// A stored log whose snapshot is always of the newest state.
pub struct ScriptStorage {
    pub log: MemoryStorage,
    /// The state after each applied entry.
    pub history: Vec<Snapshot>,
}

impl Storage for ScriptStorage {
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
        self.history.last().cloned().ok_or(StorageError::SnapshotTemporarilyUnavailable)
    }
}

pub struct Node {
    pub id: MemberId,
    pub raw: RawNode<ScriptStorage>,
    pub election_tick: u32,
    pub heartbeat_tick: u32,
    pub asynchronous: bool,
    pub append_work: VecDeque<StorageAppend>,
    pub apply_work: VecDeque<StorageApply>,
}

impl Node {
    /// A member that starts from a snapshot, which may be none.
    pub fn new(mut config: Config, snapshot: Snapshot, output: &Output) -> Result<Self, String> {
        let mut log = MemoryStorage::new();
        if snapshot != Snapshot::default() {
            if snapshot.metadata.index <= 1 {
                return Err("index must be specified as > 1 due to bootstrap".to_owned());
            }
            log.apply_snapshot(snapshot.clone()).map_err(|error| error.to_string())?;
        }
        config.logger = Arc::new(output.clone());
        let storage = ScriptStorage { log, history: vec![snapshot] };
        let (id, election_tick, heartbeat_tick) =
            (config.id, config.election_tick, config.heartbeat_tick);
        let asynchronous = config.storage_writes == raft::StorageWrites::Asynchronous;
        let raw = RawNode::new(config, storage).map_err(|error| error.to_string())?;
        Ok(Self {
            id,
            raw,
            election_tick,
            heartbeat_tick,
            asynchronous,
            append_work: VecDeque::new(),
            apply_work: VecDeque::new(),
        })
    }

    /// Settings that limit nothing.
    pub fn config(id: u64) -> Config {
        let mut config = Config::new(MemberId(id), Box::new(SeededRng::new(id)));
        config.election_tick = 3;
        config.heartbeat_tick = 1;
        config.inflight_messages_max = i32::MAX as usize;
        config
    }

    /// Delivers a message; what comes of this member's own jobs goes in by another door.
    pub fn deliver(&mut self, message: Message) -> Result<(), String> {
        if is_local(&message) {
            self.raw.storage_response(message);
            return Ok(());
        }
        self.raw.step(message).map_err(|error| error.to_string())
    }

    pub fn store(
        &mut self,
        state: Option<HardState>,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<(), String> {
        let log = &mut self.raw.storage_mut().log;
        if let Some(state) = state {
            log.set_hard_state(state);
        }
        match snapshot {
            Some(_) if !entries.is_empty() => {
                Err("can't apply snapshot and entries at the same time".to_owned())
            }
            Some(snapshot) => {
                log.apply_snapshot(snapshot.clone()).map_err(|error| error.to_string())
            }
            None => {
                log.append(entries);
                Ok(())
            }
        }
    }

    /// Applies entries to a state that is the concatenation of all contents.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<(), String> {
        for entry in entries {
            let change = ConfChangeEntry::decode(entry).map_err(|error| error.to_string())?;
            let (content, conf_state) = match change {
                None => (entry.data.clone(), None),
                Some(change) => {
                    let context = context(&change);
                    let state = self.raw.apply_conf_change(Index(entry.index), change);
                    (context, Some(state.map_err(|error| error.to_string())?))
                }
            };
            let history = &mut self.raw.storage_mut().history;
            let mut next = history.last().cloned().unwrap_or_default();
            let mut data = BytesMut::from(&next.data[..]);
            data.extend_from_slice(&content);
            next.data = data.freeze();
            next.metadata.index = entry.index;
            next.metadata.term = entry.term;
            next.metadata.conf_state = conf_state.unwrap_or(next.metadata.conf_state);
            history.push(next);
        }
        Ok(())
    }
}

fn context(change: &ConfChangeEntry) -> Bytes {
    match change {
        ConfChangeEntry::V1(change) => change.context.clone(),
        ConfChangeEntry::V2(change) => change.context.clone(),
    }
}

/// Whether a message stays within one member. Such a one is never lost.
pub fn is_local(message: &Message) -> bool {
    let threads = [raft::LOCAL_APPEND_THREAD.0, raft::LOCAL_APPLY_THREAD.0];
    message.from == message.to || threads.contains(&message.from) || threads.contains(&message.to)
}
