//! A change is the same as its parts, and never leaves an invalid configuration.

use env::{Rng, SeededRng};
use proto::raftpb::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
};

use super::*;

fn change(kind: ConfChangeType, id: u64) -> ConfChangeSingle {
    ConfChangeSingle { change_type: kind, node_id: id }
}

fn random_change(rng: &mut SeededRng) -> ConfChangeV2 {
    use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode, UpdateNode};
    let kinds = [AddNode, AddNode, RemoveNode, AddLearnerNode, UpdateNode];
    let steps = (0..rng.below(4)).map(|_| change(kinds[rng.below(5) as usize], rng.below(6)));
    let changes = steps.collect();
    let transition = match rng.below(3) {
        0 => ConfChangeTransition::Auto,
        1 => ConfChangeTransition::JointImplicit,
        _ => ConfChangeTransition::JointExplicit,
    };
    ConfChangeV2 { transition, changes, context: bytes::Bytes::new() }
}

#[test]
fn random_changes_keep_every_configuration_valid_and_restorable() {
    let (mut joint, mut refused) = (0, 0);
    for seed in 0..200 {
        let mut rng = SeededRng::new(seed);
        let mut state = ConfState { voters: vec![1], ..ConfState::default() };
        for _ in 0..50 {
            let change = random_change(&mut rng);
            match apply_to_conf_state(&state, &change) {
                Ok(next) => {
                    let config = restore(&next).unwrap_or_else(|_| panic!("seed {seed}: {next:?}"));
                    assert_eq!(config.conf_state(), next, "seed {seed}");
                    joint += usize::from(config.voters.is_joint());
                    state = next;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(joint > 100 && refused > 100, "the changes were not varied: {joint} {refused}");
}

#[test]
fn leaving_a_joint_configuration_makes_the_staged_learners() {
    let state = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
    let swap = ConfChangeV2 {
        changes: vec![
            change(ConfChangeType::AddNode, 4),
            change(ConfChangeType::AddLearnerNode, 3),
        ],
        ..ConfChangeV2::default()
    };
    let joint = apply_to_conf_state(&state, &swap).unwrap();
    assert_eq!(joint.voters, [1, 2, 4]);
    assert_eq!(joint.voters_outgoing, [1, 2, 3]);
    assert_eq!((joint.learners_next.as_slice(), joint.auto_leave), ([3].as_slice(), true));
    let left = apply_to_conf_state(&joint, &ConfChangeV2::default()).unwrap();
    assert_eq!(
        (left.voters.as_slice(), left.learners.as_slice()),
        ([1, 2, 4].as_slice(), [3].as_slice())
    );
    assert!(left.voters_outgoing.is_empty() && !left.auto_leave);
}

#[test]
fn configurations_that_contradict_themselves_are_refused() {
    let twice = ConfState { voters: vec![1, 1], ..ConfState::default() };
    let both = ConfState { voters: vec![1], learners: vec![1], ..ConfState::default() };
    let alone = ConfState { learners: vec![1], ..ConfState::default() };
    let staged = ConfState { voters: vec![1], learners_next: vec![2], ..ConfState::default() };
    let auto = ConfState { voters: vec![1], auto_leave: true, ..ConfState::default() };
    for state in [twice, both, alone, staged, auto] {
        assert_eq!(restore(&state), Err(Error::InvalidConfState), "{state:?}");
    }
    assert!(restore(&ConfState::default()).is_ok(), "nobody is known yet");
}

#[test]
fn a_change_that_the_server_rejected_changes_nothing() {
    let state = ConfState { voters: vec![1, 2], learners: vec![5], ..ConfState::default() };
    let rejected = ConfChangeV2 {
        changes: vec![change(ConfChangeType::RemoveNode, 0)],
        ..ConfChangeV2::default()
    };
    assert_eq!(apply_to_conf_state(&state, &rejected).unwrap(), state);
}
