//! What a driver sees of a member.

use types::MemberId;

use super::*;
use crate::testing::{
    START, acknowledge, append, asynchronous, do_append, elect, member, message, work,
};
use crate::{LogRead, MemoryStorage, Peer, StorageError};

const NEW: u64 = START + 1;

#[test]
fn a_leader_whose_storage_hangs_leaves_and_stays_away_until_it_answers() {
    let mut node = member(1, &[1, 2], |config| {
        asynchronous(config);
        config.step_down_on_stalled_append = true;
    });
    node.campaign();
    let vote = node.ready().append.unwrap();
    do_append(&mut node, vote);
    node.step(message(MessageType::VoteResp, 2, 1, node.term().0)).unwrap();
    let stuck = node.ready().append.unwrap();
    (0..10).for_each(|_| node.tick());
    assert!(node.status().is_leader(), "an election timeout is not over");
    node.tick();
    assert_eq!(node.soft_state().role, Role::Follower);
    let term = node.term();
    (0..100).for_each(|_| node.tick());
    assert_eq!(node.term(), term, "it does not campaign");
    do_append(&mut node, stuck);
    node.campaign();
    assert_eq!(node.soft_state().role, Role::Candidate);
}

#[test]
fn a_sole_voter_and_one_without_the_setting_wait_for_their_storage() {
    let settings: [(&[u64], bool); 2] = [(&[1], true), (&[1, 2], false)];
    for (voters, on) in settings {
        let mut node = member(1, voters, |config| {
            asynchronous(config);
            config.step_down_on_stalled_append = on;
        });
        node.campaign();
        let vote = node.ready().append.unwrap();
        do_append(&mut node, vote);
        if voters.len() > 1 {
            node.step(message(MessageType::VoteResp, 2, 1, node.term().0)).unwrap();
        }
        assert!(node.ready().append.is_some());
        (0..100).for_each(|_| node.tick());
        assert!(node.status().is_leader(), "voters {voters:?}");
    }
}

/// Entries A are being written when B replaces them and then A replaces B again. When the first
/// write of A is reported, B is still to be written over it: reads must not go to the storage yet.
#[test]
fn a_report_from_before_two_replacements_does_not_make_entries_stable() {
    let mut node = member(1, &[1, 2, 3], asynchronous);
    node.step(append((2, 1), 2, (1, START), &[2, 2])).unwrap();
    let first = node.ready().append.unwrap();
    node.step(append((3, 1), 3, (1, START), &[3, 3])).unwrap();
    let second = node.ready().append.unwrap();
    node.step(append((2, 1), 4, (1, START), &[2, 2])).unwrap();
    let third = node.ready().append.unwrap();
    do_append(&mut node, first);
    assert_eq!(node.unstable_size(), 6, "both entries stay in memory");
    do_append(&mut node, second);
    assert_eq!(node.storage().term(Index(NEW)), Ok(Term(3)), "the storage has the others now");
    assert_eq!(node.log_term(Index(NEW)), Ok(Term(2)));
    do_append(&mut node, third);
    assert_eq!(node.unstable_size(), 0);
}

#[test]
fn a_snapshot_is_installed_in_whatever_term_it_is_reported() {
    let mut node = member(1, &[1, 2, 3], asynchronous);
    let mut snapshot = crate::testing::storage(&[1, 2, 3]).snapshot().unwrap();
    snapshot.metadata.index = 50;
    snapshot.metadata.term = 2;
    let install = message(MessageType::Snap, 2, 1, 2);
    node.step(Message { snapshot: Some(Box::new(snapshot)), ..install }).unwrap();
    let job = node.ready().append.unwrap();
    node.step(message(MessageType::Heartbeat, 3, 1, 7)).unwrap();
    do_append(&mut node, job);
    assert_eq!(node.status().applied, Index(50));
}

#[test]
fn a_configuration_change_that_a_snapshot_overtook_changes_nothing() {
    let mut node = member(1, &[1, 2, 3], asynchronous);
    let mut snapshot = crate::testing::storage(&[1, 2, 3, 4]).snapshot().unwrap();
    snapshot.metadata.index = 50;
    let install = message(MessageType::Snap, 2, 1, 2);
    node.step(Message { snapshot: Some(Box::new(snapshot)), ..install }).unwrap();
    let remove = proto::raftpb::ConfChange {
        change_type: proto::raftpb::ConfChangeType::RemoveNode,
        node_id: 4,
        ..Default::default()
    };
    let state = node.apply_conf_change(Index(40), remove.clone().into()).unwrap();
    assert_eq!(state.voters, [1, 2, 3, 4]);
    let state = node.apply_conf_change(Index(51), remove.into()).unwrap();
    assert_eq!(state.voters, [1, 2, 3]);
}

#[test]
fn a_read_waits_for_the_first_commit_of_the_leaders_term() {
    let mut node = member(1, &[1, 2, 3], |_| {});
    let term = elect(&mut node, 2);
    node.read_index(Bytes::from_static(b"early"));
    assert!(work(&mut node).read_states.is_empty());
    acknowledge(&mut node, 2, NEW);
    let asked = work(&mut node);
    let heartbeat = asked.messages.iter().find(|m| m.message_type == MessageType::Heartbeat);
    let context = heartbeat.unwrap().context.clone();
    assert!(asked.read_states.is_empty(), "nobody has confirmed it");
    let answer = message(MessageType::HeartbeatResp, 2, 1, term.0);
    node.step(Message { context, ..answer }).unwrap();
    let read = &work(&mut node).read_states[0];
    assert_eq!((read.index, &read.context[..]), (Index(NEW), &b"early"[..]));
}

#[test]
fn a_sole_voter_answers_a_read_only_after_its_first_commit() {
    let mut node = member(1, &[1], |_| {});
    node.campaign();
    let vote = node.ready();
    node.storage_mut().set_hard_state(vote.hard_state.unwrap());
    node.advance();
    assert!(node.status().is_leader());
    node.read_index(Bytes::from_static(b"early"));
    let first = node.ready();
    assert!(first.read_states.is_empty(), "what was committed before the restart is not known");
    node.storage_mut().append(&first.entries);
    node.advance();
    assert_eq!(work(&mut node).read_states[0].index, Index(NEW));
}

#[test]
fn a_removed_leader_does_not_answer_reads_alone() {
    let mut node = member(1, &[1, 2], |_| {});
    elect(&mut node, 2);
    acknowledge(&mut node, 2, NEW);
    work(&mut node);
    let remove = proto::raftpb::ConfChange {
        change_type: proto::raftpb::ConfChangeType::RemoveNode,
        node_id: 1,
        ..Default::default()
    };
    node.apply_conf_change(Index(NEW), remove.into()).unwrap();
    node.read_index(Bytes::from_static(b"late"));
    assert!(work(&mut node).read_states.is_empty());
}

#[test]
fn a_proposal_for_a_leader_of_a_term_is_refused_elsewhere() {
    let mut node = member(1, &[1, 2, 3], |_| {});
    let data = || Bytes::from_static(b"x");
    let refused = node.propose_if_leader(Term(1), data());
    assert_eq!(refused, Err(Error::NotLeader { term: Term(1) }));
    let term = elect(&mut node, 2);
    node.propose_if_leader(term, data()).unwrap();
    let later = Term(term.0 + 1);
    assert_eq!(node.propose_if_leader(later, data()), Err(Error::NotLeader { term: later }));
}

#[test]
fn proposals_beyond_the_bound_are_dropped_until_others_are_applied() {
    let mut node = member(1, &[1, 2, 3], |config| config.uncommitted_size_max = 10);
    elect(&mut node, 2);
    let data = |size| Bytes::from(vec![b'x'; size]);
    node.propose(data(50)).expect("one of any size finds room");
    assert_eq!(node.propose(data(1)), Err(Error::ProposalDropped));
    node.propose(Bytes::new()).expect("one without content always does");
    acknowledge(&mut node, 2, NEW + 1);
    work(&mut node);
    node.propose(data(10)).unwrap();
}

#[test]
fn entries_out_of_memory_are_asked_for_once_and_then_sent() {
    let mut node = member(1, &[1, 2, 3], |config| config.size_per_message_max = 1000);
    node.storage_mut().append(&crate::testing::entries(NEW, &[1; 20]));
    let mut log = MemoryStorage::bounded(30);
    log.apply_snapshot(node.storage().snapshot().unwrap()).unwrap();
    log.append(&crate::testing::entries(NEW, &[1; 20]));
    log.set_hard_state(node.hard_state());
    let mut config = Config::new(MemberId(1), Box::new(env::SeededRng::new(1)));
    config.applied = Index(START);
    config.size_per_message_max = 1000;
    let mut node = RawNode::new(config, log).unwrap();
    elect(&mut node, 2);
    work(&mut node);
    let refusal = message(MessageType::AppResp, 3, 1, node.term().0);
    let refusal = Message { index: START + 20, reject: true, reject_hint: START, ..refusal };
    node.step(refusal).unwrap();
    let ready = work(&mut node);
    let wanted = LogRead { low: Index(NEW), high: Index(NEW + 21), size_max: 1000 };
    assert_eq!(ready.log_reads, [wanted]);
    node.step(message(MessageType::HeartbeatResp, 3, 1, node.term().0)).unwrap();
    assert!(work(&mut node).log_reads.is_empty(), "it is under way already");
    node.storage_mut().insert_fetched(crate::testing::entries(NEW, &[1; 20]));
    node.log_read_done();
    let sent = work(&mut node).messages;
    let append = sent.iter().find(|m| m.message_type == MessageType::App && m.to == 3).unwrap();
    assert_eq!(append.entries, crate::testing::entries(NEW, &[1; 20]));
}

#[test]
fn committed_entries_out_of_memory_are_applied_when_they_are_back() {
    let all = crate::testing::entries(NEW, &[1; 5]);
    let mut log = MemoryStorage::bounded(20);
    log.apply_snapshot(crate::testing::storage(&[1]).snapshot().unwrap()).unwrap();
    log.append(&all);
    log.set_hard_state(HardState { term: 1, vote: 0, commit: NEW + 4 });
    let mut config = Config::new(MemberId(1), Box::new(env::SeededRng::new(1)));
    config.applied = Index(START);
    let mut node = RawNode::new(config, log).unwrap();
    let ready = work(&mut node);
    assert!(ready.committed_entries.is_empty() && !node.has_ready(), "it does not ask in circles");
    assert_eq!(ready.log_reads[0].low, Index(NEW));
    node.storage_mut().insert_fetched(all[..3].to_vec());
    node.log_read_done();
    assert_eq!(work(&mut node).committed_entries, all);
}

#[test]
fn a_follower_with_too_much_unstored_takes_no_more() {
    let mut node = member(1, &[1, 2, 3], |config| {
        asynchronous(config);
        config.unstable_size_max = 10;
    });
    node.step(append((2, 1), 2, (1, START), &[2, 2, 2])).unwrap();
    let job = node.ready().append.unwrap();
    node.step(append((2, 1), 2, (2, NEW + 2), &[2])).unwrap();
    assert_eq!((node.last_index(), node.unstable_size()), (Index(NEW + 2), 9));
    do_append(&mut node, job);
    node.step(append((2, 1), 2, (2, NEW + 2), &[2])).unwrap();
    assert_eq!(node.last_index(), Index(NEW + 3));
}

#[test]
fn a_committed_change_that_is_not_applied_yet_keeps_a_member_from_campaigning() {
    let mut node = member(1, &[1, 2, 3], |_| {});
    let mut change = append((2, 1), 2, (1, START), &[2]);
    change.entries[0].entry_type = proto::raftpb::EntryType::ConfChange;
    change.entries[0].data = Bytes::new();
    change.commit = NEW;
    node.step(change).unwrap();
    node.campaign();
    assert_eq!(node.soft_state().role, Role::Follower);
    work(&mut node);
    node.campaign();
    assert_ne!(node.soft_state().role, Role::Follower);
}

#[test]
fn a_member_whose_log_was_lost_says_so_and_does_not_answer() {
    let mut node = member(1, &[1, 2, 3], |_| {});
    let heartbeat = message(MessageType::Heartbeat, 2, 1, 2);
    let lost = node.step(Message { commit: START + 5, ..heartbeat }).unwrap_err();
    let (commit, last) = (Index(START + 5), Index(START));
    assert_eq!(lost, Error::LogLost { commit, last });
    assert_eq!(
        lost.to_string(),
        "tocommit(15) is out of range [lastIndex(10)]. Was the raft log corrupted, truncated, or lost?"
    );
    assert!(work(&mut node).messages.is_empty());
    assert_eq!(node.hard_state().commit, START);
}

#[test]
fn messages_that_no_other_member_sends_are_refused() {
    let mut node = member(1, &[1, 2, 3], |_| {});
    let local = message(MessageType::StorageAppendResp, 2, 1, 1);
    assert_eq!(node.step(local), Err(Error::LocalMessage));
    let thread = message(MessageType::AppResp, LOCAL_APPEND_THREAD.0, 1, 1);
    assert_eq!(node.step(thread), Err(Error::LocalMessage));
    let own = message(MessageType::VoteResp, 1, 1, 1);
    assert_eq!(node.step(own), Err(Error::LocalMessage));
    let other = message(MessageType::Heartbeat, 2, 3, 1);
    assert_eq!(node.step(other), Err(Error::WrongRecipient { to: MemberId(3) }));
    let stranger = message(MessageType::AppResp, 9, 1, 1);
    assert_eq!(node.step(stranger), Err(Error::PeerNotFound));
    let termless = message(MessageType::App, 2, 1, 0);
    assert_eq!(node.step(termless), Err(Error::Malformed("no term")));
    let mut gap = append((2, 1), 2, (1, START), &[2, 2]);
    gap.entries[1].index += 1;
    assert_eq!(node.step(gap), Err(Error::Malformed("entries with gaps")));
    assert_eq!(node.term(), Term(1), "nothing of them was used");
}

#[test]
fn an_empty_log_is_bootstrapped_the_same_way_everywhere() {
    let config = Config::new(MemberId(2), Box::new(env::SeededRng::new(1)));
    let mut node = RawNode::new(config, MemoryStorage::new()).unwrap();
    let peer = |id| Peer { id: MemberId(id), context: Bytes::from(format!("member {id}")) };
    node.bootstrap(&[peer(1), peer(2)]).unwrap();
    let ready = node.ready();
    assert_eq!(ready.hard_state, Some(HardState { term: 1, vote: 0, commit: 2 }));
    assert_eq!(ready.entries, ready.committed_entries);
    let places: Vec<_> = ready.entries.iter().map(|e| (e.term, e.index)).collect();
    assert_eq!(places, [(1, 1), (1, 2)]);
    node.storage_mut().append(&ready.entries);
    for entry in &ready.committed_entries {
        let change = ConfChangeEntry::decode(entry).unwrap().unwrap();
        node.apply_conf_change(Index(entry.index), change).unwrap();
    }
    node.advance();
    assert_eq!(node.status().config.conf_state().voters, [1, 2]);
    assert!(node.bootstrap(&[peer(1)]).is_err(), "the log is not empty");
}

#[test]
fn settings_and_stored_states_that_make_no_sense_are_refused() {
    let start = |set: fn(&mut Config), storage| {
        let mut config = Config::new(MemberId(1), Box::new(env::SeededRng::new(1)));
        set(&mut config);
        RawNode::<MemoryStorage>::new(config, storage).err().map(|error| error.to_string())
    };
    let log = || crate::testing::storage(&[1]);
    let text = start(|config| config.heartbeat_tick = 10, log());
    assert_eq!(text.unwrap(), "election tick must be greater than heartbeat tick");
    let text = start(|config| config.id = LOCAL_APPEND_THREAD, log());
    assert_eq!(text.unwrap(), "cannot use local target as id");
    let text = start(|config| config.applied = Index(99), log());
    assert_eq!(text.unwrap(), "applied(99) is out of range [prevApplied(10), committed(10)]");
    let mut beyond = log();
    beyond.set_hard_state(HardState { term: 1, vote: 0, commit: 99 });
    let text = start(|_| {}, beyond);
    assert_eq!(text.unwrap(), "1 state.commit 99 is out of range [10, 10]");
    assert_eq!(start(|_| {}, log()), None);
}

#[test]
fn a_leader_commits_entries_of_earlier_terms_only_with_one_of_its_own() {
    let mut node = member(1, &[1, 2, 3], |_| {});
    node.step(append((2, 1), 2, (1, START), &[2])).unwrap();
    work(&mut node);
    elect(&mut node, 3);
    work(&mut node);
    acknowledge(&mut node, 3, NEW);
    assert_eq!(node.hard_state().commit, START, "a majority has it, and it may yet be lost");
    acknowledge(&mut node, 3, NEW + 1);
    assert_eq!(node.hard_state().commit, NEW + 1);
}

#[test]
fn the_status_is_told_as_etcd_tells_it() {
    let mut node = member(1, &[1], |_| {});
    node.campaign();
    work(&mut node);
    assert_eq!(
        node.status().to_string(),
        concat!(
            r#"{"id":"1","term":2,"vote":"1","commit":11,"lead":"1","raftState":"StateLeader","#,
            r#""applied":11,"progress":{"1":{"match":11,"next":12,"state":"StateReplicate"}},"#,
            r#""leadtransferee":"0"}"#
        )
    );
    assert_eq!(node.log_term(Index(99)), Err(StorageError::Unavailable));
}

#[test]
fn a_leader_with_a_lease_answers_reads_at_once() {
    let mut node = member(1, &[1, 2, 3], |config| {
        config.check_quorum = true;
        config.read_only = crate::ReadOnlyOption::LeaseBased;
    });
    elect(&mut node, 2);
    acknowledge(&mut node, 2, NEW);
    work(&mut node);
    node.read_index(Bytes::from_static(b"now"));
    let ready = work(&mut node);
    assert_eq!(ready.read_states[0].index, Index(NEW));
    assert!(ready.messages.is_empty());
}

#[test]
fn a_wish_to_hand_over_is_forwarded_however_often() {
    let mut node = member(1, &[1, 2, 3], |_| {});
    node.step(message(MessageType::Heartbeat, 2, 1, 3)).unwrap();
    work(&mut node);
    node.step(message(MessageType::TransferLeader, 3, 1, 3)).unwrap();
    let forwarded = message(MessageType::TransferLeader, 3, 2, 3);
    assert_eq!(work(&mut node).messages, [forwarded]);
}

#[test]
fn a_member_can_be_driven_from_any_thread() {
    fn is_send<T: Send>() {}
    is_send::<RawNode<MemoryStorage>>();
}
