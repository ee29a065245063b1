//! The replicated state: a digest of everything applied, and who takes part.

use bytes::Bytes;
use proto::raftpb::{ConfState, Entry, Snapshot, SnapshotMetadata};
use raft::confchange::{ConfChangeEntry, apply_to_conf_state};
use types::Index;

/// Where every log begins, as if everything before had been compacted.
const START: u64 = 5;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct App {
    pub index: u64,
    pub term: u64,
    pub digest: u64,
    pub conf_state: ConfState,
}

impl App {
    pub fn start(voters: &[u64]) -> Self {
        let conf_state = ConfState { voters: voters.to_vec(), ..ConfState::default() };
        Self { index: START, term: 1, digest: 0, conf_state }
    }

    pub fn snapshot(&self) -> Snapshot {
        let conf_state = self.conf_state.clone();
        Snapshot {
            data: Bytes::copy_from_slice(&self.digest.to_le_bytes()),
            metadata: SnapshotMetadata { conf_state, index: self.index, term: self.term },
        }
    }

    pub fn restore(snapshot: &Snapshot) -> Self {
        let at = &snapshot.metadata;
        let digest = snapshot.data[..].try_into().map_or(0, u64::from_le_bytes);
        Self { index: at.index, term: at.term, digest, conf_state: at.conf_state.clone() }
    }

    /// Applies an entry; returns the configuration change that takes effect. One that cannot be
    /// made is rejected, as etcd's server does: by everybody alike.
    pub fn apply(&mut self, entry: &Entry) -> Option<(Index, ConfChangeEntry)> {
        assert_eq!(entry.index, self.index + 1, "applied out of turn");
        self.index = entry.index;
        self.term = entry.term;
        self.digest = mix(self.digest, digest_of(entry));
        let change = ConfChangeEntry::decode(entry).unwrap()?;
        let next = apply_to_conf_state(&self.conf_state, &change.clone().into_v2()).ok()?;
        self.conf_state = next;
        Some((Index(entry.index), change))
    }
}

pub fn digest_of(entry: &Entry) -> u64 {
    let start = mix(mix(entry.term, entry.index), entry.entry_type as u64);
    entry.data.iter().fold(start, |digest, byte| mix(digest, u64::from(*byte)))
}

fn mix(a: u64, b: u64) -> u64 {
    (a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(23).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}
