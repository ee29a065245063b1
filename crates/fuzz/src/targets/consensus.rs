//! Consensus: any message, and any change of the configuration.

use bytes::Bytes;
use env::SeededRng;
use proto::raftpb::{
    ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
    Entry, EntryType, HardState, Message, MessageType, Snapshot, SnapshotMetadata,
};
use raft::confchange::{ConfChangeEntry, apply_to_conf_state, restore};
use raft::{Config, MemoryStorage, RawNode, Ready, StorageWrites};
use types::{Index, MemberId};

use crate::features::Features;
use crate::input::Input;
use crate::target::{Target, choices};

pub(super) const TARGETS: &[Target] = &[
    Target::new("raft-step", raft_step, choices, 1000),
    Target::new("conf-change", conf_change, choices, 1500),
];

/// Where the member's log begins.
const START: u64 = 10;

/// A member, and whether it waits for its storage.
fn member(input: &mut Input<'_>) -> (RawNode<MemoryStorage>, bool) {
    let conf_state = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
    let metadata = SnapshotMetadata { conf_state, index: START, term: 1 };
    let mut storage = MemoryStorage::new();
    let snapshot = Snapshot { metadata, ..Snapshot::default() };
    storage.apply_snapshot(snapshot).expect("nothing is newer");
    storage.set_hard_state(HardState { term: 1, vote: 0, commit: START });
    let mut config = Config::new(MemberId(1), Box::new(SeededRng::new(1)));
    config.applied = Index(START);
    config.pre_vote = input.one_in(2);
    config.check_quorum = input.one_in(2);
    config.step_down_on_stalled_append = input.one_in(2);
    config.size_per_message_max = [u64::MAX, 0, 100][input.below(3)];
    config.unstable_size_max = [0, 50][input.below(2)];
    config.inflight_messages_max = 1 + input.below(3);
    let is_synchronous = input.one_in(2);
    if !is_synchronous {
        config.storage_writes = StorageWrites::Asynchronous;
    }
    (RawNode::new(config, storage).expect("the settings are sound"), is_synchronous)
}

fn index(input: &mut Input<'_>) -> u64 {
    if input.one_in(6) { input.number() } else { START - 2 + input.below(14) as u64 }
}

fn message(input: &mut Input<'_>, term: u64) -> Message {
    let at = index(input);
    let entries = (0..input.below(4) as u64)
        .map(|next| {
            let kinds = [EntryType::Normal, EntryType::ConfChange, EntryType::ConfChangeV2];
            let entry_type = if input.one_in(5) { kinds[input.below(3)] } else { kinds[0] };
            let index = if input.one_in(8) { index(input) } else { at.saturating_add(next + 1) };
            let term = 1 + input.below(4) as u64;
            Entry { entry_type, term, index, data: Bytes::copy_from_slice(input.take(4)) }
        })
        .collect();
    let snapshot = input.one_in(4).then(|| {
        let voters = (0..input.below(4)).map(|_| input.below(5) as u64).collect();
        let learners = (0..input.below(2)).map(|_| input.below(5) as u64).collect();
        let conf_state = ConfState { voters, learners, ..ConfState::default() };
        let (index, term) = (index(input), input.below(5) as u64);
        let metadata = SnapshotMetadata { conf_state, index, term };
        Box::new(Snapshot { data: Bytes::new(), metadata })
    });
    let contexts = [Bytes::new(), Bytes::from_static(b"CampaignTransfer"), vec![1; 8].into()];
    Message {
        message_type: MessageType::from_number(input.below(24) as u64).unwrap_or_default(),
        to: 1,
        from: [2, 3, 2, 3, 1, 0, 4][input.below(7)],
        term: match input.below(8) {
            0 => 0,
            1 => term + 1,
            2 => input.number(),
            3 => term.saturating_sub(1),
            _ => term,
        },
        log_term: input.below(5) as u64,
        index: at,
        entries,
        commit: index(input),
        snapshot,
        reject: input.one_in(4),
        reject_hint: index(input),
        context: contexts[input.below(3)].clone(),
        ..Message::default()
    }
}

/// Stores and applies what a member wants stored and applied, some of it.
fn work(node: &mut RawNode<MemoryStorage>, is_synchronous: bool, features: &mut Features) {
    for _ in 0..100 {
        if !node.has_ready() {
            return;
        }
        let ready = node.ready();
        features.size(ready.messages.len());
        features.size(ready.committed_entries.len());
        if is_synchronous {
            store(node, &ready);
            node.advance();
        } else {
            do_jobs(node, ready);
        }
    }
}

/// Does what a member waits for.
fn store(node: &mut RawNode<MemoryStorage>, ready: &Ready) {
    // All of its log is in memory, so nothing has to be fetched.
    ready.log_reads.iter().for_each(|_| node.log_read_done());
    let storage = node.storage_mut();
    if let Some(state) = ready.hard_state {
        storage.set_hard_state(state);
    }
    if let Some(snapshot) = &ready.snapshot {
        storage.apply_snapshot(snapshot.clone()).expect("it is newer than what is stored");
    }
    storage.append(&ready.entries);
    apply(node, &ready.committed_entries);
}

/// Does what is done beside a member, and tells it.
fn do_jobs(node: &mut RawNode<MemoryStorage>, ready: Ready) {
    ready.log_reads.iter().for_each(|_| node.log_read_done());
    if let Some(job) = ready.append {
        let storage = node.storage_mut();
        if let Some(state) = job.hard_state {
            storage.set_hard_state(state);
        }
        if let Some(snapshot) = job.snapshot {
            storage.apply_snapshot(snapshot).expect("it is newer than what is stored");
        }
        storage.append(&job.entries);
        for response in job.responses.into_iter().filter(|response| response.to == 1) {
            node.storage_response(response);
        }
    }
    if let Some(job) = ready.apply {
        apply(node, &job.entries);
        job.responses.into_iter().for_each(|response| node.storage_response(response));
    }
}

/// Makes the committed changes of the configuration.
fn apply(node: &mut RawNode<MemoryStorage>, entries: &[Entry]) {
    for entry in entries {
        if let Ok(Some(change)) = ConfChangeEntry::decode(entry) {
            // One that does not fit is refused, as everywhere.
            let _ = node.apply_conf_change(Index(entry.index), change);
        }
    }
}

fn raft_step(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    let (mut node, is_synchronous) = member(&mut input);
    let (mut term, mut commit) = (0, 0);
    for _ in 0..300 {
        if input.is_empty() {
            break;
        }
        match input.below(16) {
            0 | 1 => node.tick(),
            2 => features.note(u64::from(node.propose(input.shared()).is_ok())),
            3 => node.campaign(),
            4 => node.read_index(input.shared()),
            5 => node.transfer_leader(MemberId(input.below(5) as u64)),
            6 => node.report_unreachable(MemberId(input.below(5) as u64)),
            7 => {
                let change = change(&mut input);
                let proposed = node.propose_conf_change(&change.into());
                features.note(2 + u64::from(proposed.is_ok()));
            }
            8 | 9 => work(&mut node, is_synchronous, &mut features),
            _ => {
                let message = message(&mut input, node.term().get());
                features.outcome(node.step(message).map(|()| 0));
            }
        }
        node.check_invariants();
        let state = node.hard_state();
        assert!(state.term >= term && state.commit >= commit, "neither ever falls");
        (term, commit) = (state.term, state.commit);
        features.note(node.soft_state().role as u64);
        let _ = node.status().to_string();
    }
    work(&mut node, is_synchronous, &mut features);
    node.check_invariants();
    features.number()
}

fn change(input: &mut Input<'_>) -> ConfChangeV2 {
    use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode, UpdateNode};
    let kinds = [AddNode, AddNode, RemoveNode, AddLearnerNode, UpdateNode];
    let changes = (0..input.below(4))
        .map(|_| ConfChangeSingle {
            change_type: kinds[input.below(5)],
            node_id: input.below(6) as u64,
        })
        .collect();
    let transition = match input.below(3) {
        0 => ConfChangeTransition::Auto,
        1 => ConfChangeTransition::JointImplicit,
        _ => ConfChangeTransition::JointExplicit,
    };
    ConfChangeV2 { transition, changes, context: Bytes::new() }
}

/// Configurations that changes lead to can be restored, and are those of their members; those that
/// anybody could send are restored as they are, or refused.
fn conf_change(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    let list = |input: &mut Input<'_>| -> Vec<u64> {
        (0..input.below(4)).map(|_| input.below(6) as u64).collect()
    };
    let any = ConfState {
        voters: list(&mut input),
        learners: list(&mut input),
        voters_outgoing: list(&mut input),
        learners_next: list(&mut input),
        auto_leave: input.one_in(2),
    };
    if let Ok(config) = restore(&any) {
        let told = config.conf_state();
        let again = restore(&told).expect("what it tells can be restored");
        assert_eq!(again.conf_state(), told);
        features.note(1);
    }
    let mut state = ConfState { voters: vec![1], ..ConfState::default() };
    while !input.is_empty() {
        let change = change(&mut input);
        match apply_to_conf_state(&state, &change) {
            Ok(next) => {
                let config = restore(&next).expect("what a change leads to can be restored");
                assert_eq!(config.conf_state(), next);
                assert!(!next.voters.is_empty(), "somebody has to vote");
                features.note(2 + u64::from(config.voters.is_joint()));
                state = next;
            }
            Err(error) => features.text(&error.to_string()),
        }
        // The old form is the new one with a single step.
        if let [step] = &change.changes[..] {
            let old = ConfChange {
                change_type: step.change_type,
                node_id: step.node_id,
                ..Default::default()
            };
            let read = ConfChangeEntry::from(old).into_v2();
            assert_eq!(read.changes, change.changes);
        }
    }
    features.number()
}
