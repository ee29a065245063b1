//! Members and messages for the tests of this crate.

use env::SeededRng;
use proto::raftpb::{ConfState, Entry, Message, MessageType, Snapshot, SnapshotMetadata};
use types::{Index, MemberId, Term};

use crate::{Config, MemoryStorage, RawNode, Ready, StorageAppend, StorageWrites};

/// Where the logs of [`member`] begin.
pub(crate) const START: u64 = 10;

/// A log that begins behind a snapshot with these voters.
pub(crate) fn storage(voters: &[u64]) -> MemoryStorage {
    let conf_state = ConfState { voters: voters.to_vec(), ..ConfState::default() };
    let metadata = SnapshotMetadata { conf_state, index: START, term: 1 };
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(Snapshot { metadata, ..Snapshot::default() }).unwrap();
    storage.set_hard_state(proto::raftpb::HardState { term: 1, vote: 0, commit: START });
    storage
}

/// A member that starts there at term 1.
pub(crate) fn member(
    id: u64,
    voters: &[u64],
    set: impl FnOnce(&mut Config),
) -> RawNode<MemoryStorage> {
    let mut config = Config::new(MemberId(id), Box::new(SeededRng::new(id)));
    config.applied = Index(START);
    set(&mut config);
    RawNode::new(config, storage(voters)).unwrap()
}

/// Settings for asynchronous storage.
pub(crate) fn asynchronous(config: &mut Config) {
    config.storage_writes = StorageWrites::Asynchronous;
}

pub(crate) fn message(kind: MessageType, from: u64, to: u64, term: u64) -> Message {
    Message { message_type: kind, from, to, term, ..Message::default() }
}

/// Entries of these terms, from `first` on, each with three bytes.
pub(crate) fn entries(first: u64, terms: &[u64]) -> Vec<Entry> {
    let entry = |(index, term): (u64, &u64)| Entry {
        term: *term,
        index,
        data: bytes::Bytes::from_static(b"abc"),
        ..Entry::default()
    };
    (first..).zip(terms).map(entry).collect()
}

/// An append of a leader of `term` behind the entry `(prev_term, prev)`.
pub(crate) fn append(
    (from, to): (u64, u64),
    term: u64,
    (prev_term, prev): (u64, u64),
    terms: &[u64],
) -> Message {
    Message {
        index: prev,
        log_term: prev_term,
        entries: entries(prev + 1, terms),
        commit: prev.min(START),
        ..message(MessageType::App, from, to, term)
    }
}

/// Stores, applies and acknowledges everything of a synchronous member; returns its messages and
/// reads.
pub(crate) fn work(node: &mut RawNode<MemoryStorage>) -> Ready {
    let mut all = Ready::default();
    while node.has_ready() {
        let ready = node.ready();
        store(node, &ready);
        node.advance();
        all.messages.extend(ready.messages);
        all.read_states.extend(ready.read_states);
        all.committed_entries.extend(ready.committed_entries);
        all.log_reads.extend(ready.log_reads);
    }
    all
}

fn store(node: &mut RawNode<MemoryStorage>, ready: &Ready) {
    let storage = node.storage_mut();
    if let Some(state) = ready.hard_state {
        storage.set_hard_state(state);
    }
    if let Some(snapshot) = &ready.snapshot {
        storage.apply_snapshot(snapshot.clone()).unwrap();
    }
    storage.append(&ready.entries);
}

/// Does an append job and delivers what comes of it to the member itself; returns the rest.
pub(crate) fn do_append(node: &mut RawNode<MemoryStorage>, job: StorageAppend) -> Vec<Message> {
    let id = node.status().id.0;
    let storage = node.storage_mut();
    if let Some(state) = job.hard_state {
        storage.set_hard_state(state);
    }
    if let Some(snapshot) = job.snapshot {
        storage.apply_snapshot(snapshot).unwrap();
    }
    storage.append(&job.entries);
    let (own, others) = job.responses.into_iter().partition::<Vec<_>, _>(|m| m.to == id);
    own.into_iter().for_each(|response| node.storage_response(response));
    others
}

/// Makes a synchronous member of a cluster of three the leader, with nothing committed in its
/// term.
pub(crate) fn elect(node: &mut RawNode<MemoryStorage>, voter: u64) -> Term {
    node.campaign();
    work(node);
    let (id, term) = (node.status().id.0, node.term());
    node.step(message(MessageType::VoteResp, voter, id, term.0)).unwrap();
    assert!(node.status().is_leader());
    term
}

/// An acknowledgement of everything up to `index`.
pub(crate) fn acknowledge(node: &mut RawNode<MemoryStorage>, from: u64, index: u64) {
    let (id, term) = (node.status().id.0, node.term().0);
    let response = message(MessageType::AppResp, from, id, term);
    node.step(Message { index, ..response }).unwrap();
}
