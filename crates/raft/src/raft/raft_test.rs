//! Whatever messages come in, a member neither panics nor contradicts itself.

use bytes::Bytes;
use env::{Rng, SeededRng};
use proto::raftpb::{
    ConfState, Entry, EntryType, Message, MessageType, Snapshot, SnapshotMetadata,
};

use crate::testing::{START, member, work};

fn small(rng: &mut SeededRng) -> u64 {
    match rng.below(20) {
        0 => u64::MAX - rng.below(2),
        1 => 0,
        _ => START - 2 + rng.below(12),
    }
}

fn random_entry(rng: &mut SeededRng, index: u64) -> Entry {
    let kinds = [EntryType::Normal, EntryType::Normal, EntryType::ConfChange];
    let data = Bytes::from(vec![rng.below(256) as u8; rng.below(6) as usize]);
    let index = if rng.below(10) == 0 { small(rng) } else { index };
    Entry { entry_type: kinds[rng.below(3) as usize], term: 1 + rng.below(4), index, data }
}

fn random_snapshot(rng: &mut SeededRng) -> Snapshot {
    let voters = (0..rng.below(4)).map(|_| rng.below(4)).collect();
    let learners = (0..rng.below(2)).map(|_| rng.below(5)).collect();
    let conf_state = ConfState { voters, learners, ..ConfState::default() };
    let metadata = SnapshotMetadata { conf_state, index: small(rng), term: rng.below(4) };
    Snapshot { data: Bytes::new(), metadata }
}

fn random_message(rng: &mut SeededRng, now: u64) -> Message {
    let index = small(rng);
    let count = rng.below(4);
    let entries = (0..count).map(|n| random_entry(rng, index.saturating_add(n + 1))).collect();
    let contexts = [Bytes::new(), Bytes::from_static(b"CampaignTransfer"), vec![1; 8].into()];
    Message {
        message_type: MessageType::from_number(rng.below(24)).unwrap(),
        to: 1,
        from: [2, 2, 2, 3, 3, 3, rng.below(5)][rng.below(7) as usize],
        term: [0, now, now, now, now, now, now, now + 1, rng.below(6), u64::MAX]
            [rng.below(10) as usize],
        log_term: rng.below(4),
        index,
        entries,
        commit: small(rng),
        snapshot: (rng.below(3) == 0).then(|| Box::new(random_snapshot(rng))),
        reject: rng.below(4) == 0,
        reject_hint: small(rng),
        context: contexts[rng.below(3) as usize].clone(),
        ..Message::default()
    }
}

#[test]
fn random_messages_never_bring_a_member_down() {
    let (mut taken, mut refused, mut led) = (0, 0, 0);
    for seed in 0..600 {
        let mut rng = SeededRng::new(seed);
        let mut node = member(1, &[1, 2, 3], |config| {
            config.pre_vote = seed % 2 == 0;
            config.check_quorum = seed % 3 == 0;
            config.size_per_message_max = if seed % 5 == 0 { 0 } else { 100 };
            config.inflight_messages_max = 2;
        });
        for _ in 0..150 {
            match rng.below(10) {
                0 => node.tick(),
                1 => {
                    let _ = node.propose(Bytes::from_static(b"data"));
                }
                2 => node.campaign(),
                _ => match node.step(random_message(&mut rng, node.term().0)) {
                    Ok(()) => taken += 1,
                    Err(_) => refused += 1,
                },
            }
            led += u64::from(node.status().is_leader());
            node.check_invariants();
            if rng.below(3) == 0 {
                work(&mut node);
                node.check_invariants();
            }
        }
    }
    let varied = taken > 5_000 && refused > 5_000 && led > 1_000;
    assert!(varied, "{taken} taken, {refused} refused, {led} times leader");
}
