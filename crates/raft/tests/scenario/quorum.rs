//! Scripts about majorities: `committed` and `vote`, for one or two sets of voters. Each result is
//! also computed in other ways that must agree.

use std::collections::BTreeMap;

use raft::quorum::{EVERYTHING, JointConfig, MajorityConfig};
use types::{Index, MemberId};

use super::Handler;
use super::datadriven::Command;

pub struct Quorum;

/// What a script says about voters: `None` where it has `_`.
type Said = BTreeMap<MemberId, Option<u64>>;

impl Handler for Quorum {
    fn handle(&mut self, command: &Command) -> String {
        let joint = command.values().any(|(key, _)| key == "cfgj");
        let voters = JointConfig {
            incoming: ids(command, "cfg").into_iter().collect(),
            outgoing: ids(command, "cfgj").into_iter().collect(),
        };
        match (command.name.as_str(), joint) {
            ("committed", true) => committed_joint(&voters, &said(command, "idx", number)),
            ("committed", false) => committed(&voters.incoming, &said(command, "idx", number)),
            ("vote", _) => vote(&voters, &said(command, "votes", yes_or_no)),
            _ => panic!("unknown command: {}", command.name),
        }
    }
}

fn ids(command: &Command, key: &str) -> Vec<MemberId> {
    let values = command.values().filter(|(name, value)| *name == key && *value != "zero");
    values
        .filter(|(_, value)| !value.is_empty())
        .map(|(_, id)| MemberId(id.parse().unwrap()))
        .collect()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

fn yes_or_no(text: &str) -> u64 {
    assert!(["y", "n"].contains(&text), "unknown vote: {text}");
    u64::from(text == "y")
}

/// Values belong to the voters in the order in which they are named, each once.
fn said(command: &Command, key: &str, read: fn(&str) -> u64) -> Said {
    let values: Vec<_> = command.values().filter(|(name, _)| *name == key).collect();
    let mut voters = ids(command, "cfg");
    for id in ids(command, "cfgj") {
        if !voters.contains(&id) {
            voters.push(id);
        }
    }
    assert_eq!(voters.len(), values.len(), "{}: one value per voter", command.head);
    let value = |text: &str| (text != "_").then(|| read(text));
    voters.into_iter().zip(values).map(|(id, (_, text))| (id, value(text))).collect()
}

fn acked(said: &Said, id: MemberId) -> Option<Index> {
    said.get(&id).copied().flatten().map(Index)
}

fn print(index: Index) -> String {
    if index == EVERYTHING { "∞".to_owned() } else { index.to_string() }
}

fn committed(voters: &MajorityConfig, said: &Said) -> String {
    let index = voters.committed_index(|id| acked(said, id));
    assert_eq!(index, by_counting(voters, said), "counted the other way round");
    for outgoing in [MajorityConfig::default(), voters.clone()] {
        let joint = JointConfig { incoming: voters.clone(), outgoing };
        assert_eq!(
            joint.committed_index(|id| acked(said, id)),
            index,
            "joint with {}",
            joint.outgoing
        );
    }
    for id in &voters.0 {
        let own = acked(said, *id).unwrap_or_default();
        for less in [Index(own.0.saturating_sub(1)), Index(0)] {
            let lowered =
                voters.committed_index(
                    |other| {
                        if other == *id { Some(less) } else { acked(said, other) }
                    },
                );
            let below = own < index && own > Index(0);
            assert!(!below || lowered == index, "{id} was below and is lowered");
        }
    }
    format!("{}{}\n", voters.describe(|id| acked(said, id)), print(index))
}

/// The highest index of any voter that enough voters have reached.
fn by_counting(voters: &MajorityConfig, said: &Said) -> Index {
    if voters.0.is_empty() {
        return EVERYTHING;
    }
    let reached =
        |index: Index| voters.0.iter().filter(|id| acked(said, **id) >= Some(index)).count();
    let candidates = voters.0.iter().filter_map(|id| acked(said, *id));
    candidates.filter(|index| reached(*index) > voters.0.len() / 2).max().unwrap_or_default()
}

fn committed_joint(voters: &JointConfig, said: &Said) -> String {
    let index = voters.committed_index(|id| acked(said, id));
    let swapped = swap(voters).committed_index(|id| acked(said, id));
    assert_eq!(index, swapped, "the halves changed places");
    format!("{}{}\n", voters.describe(|id| acked(said, id)), print(index))
}

fn vote(voters: &JointConfig, said: &Said) -> String {
    let cast = |id| said.get(&id).copied().flatten().map(|vote: u64| vote == 1);
    let result = voters.vote_result(cast);
    assert_eq!(result, swap(voters).vote_result(cast), "the halves changed places");
    format!("{result}\n")
}

fn swap(voters: &JointConfig) -> JointConfig {
    JointConfig { incoming: voters.outgoing.clone(), outgoing: voters.incoming.clone() }
}
