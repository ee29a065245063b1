//! Configuration changes as they stand in log entries.

use bytes::Bytes;
use proto::raftpb::{
    ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeV2, Entry, EntryType,
};

use super::{AutoLeave, Error};

/// A configuration change in either of its two forms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfChangeEntry {
    /// One member; the only form that etcd's server proposes.
    V1(ConfChange),
    /// Any number of members. An empty one leaves a joint configuration.
    V2(ConfChangeV2),
}

impl From<ConfChange> for ConfChangeEntry {
    fn from(change: ConfChange) -> Self {
        Self::V1(change)
    }
}

impl From<ConfChangeV2> for ConfChangeEntry {
    fn from(change: ConfChangeV2) -> Self {
        Self::V2(change)
    }
}

impl ConfChangeEntry {
    /// Reads the change that an entry holds; `None` if the entry is of another type.
    ///
    /// # Errors
    /// `Malformed` if its data is no such change.
    pub fn decode(entry: &Entry) -> Result<Option<Self>, Error> {
        let data = entry.data.clone();
        let change = match entry.entry_type {
            EntryType::Normal => return Ok(None),
            EntryType::ConfChange => ConfChange::decode(data).map(Self::V1),
            EntryType::ConfChangeV2 => ConfChangeV2::decode(data).map(Self::V2),
        };
        change.map(Some).map_err(|_| Error::Malformed)
    }

    /// The entry's type and data.
    #[must_use]
    pub fn encode(&self) -> (EntryType, Bytes) {
        match self {
            Self::V1(change) => (EntryType::ConfChange, change.encode_to_vec().into()),
            Self::V2(change) => (EntryType::ConfChangeV2, change.encode_to_vec().into()),
        }
    }

    /// The same change in the general form.
    #[must_use]
    pub fn into_v2(self) -> ConfChangeV2 {
        match self {
            Self::V1(change) => ConfChangeV2 {
                transition: ConfChangeTransition::Auto,
                changes: vec![ConfChangeSingle {
                    change_type: change.change_type,
                    node_id: change.node_id,
                }],
                context: change.context,
            },
            Self::V2(change) => change,
        }
    }
}

/// Whether a change leaves a joint configuration.
#[must_use]
pub fn leaves_joint(change: &ConfChangeV2) -> bool {
    change.transition == ConfChangeTransition::Auto && change.changes.is_empty()
}

/// How a joint configuration is left that a change enters; `None` if it enters none. More than one
/// step always makes it joint, since whether a simple change would do depends on the configuration
/// at the time it is applied.
#[must_use]
pub fn joint_transition(change: &ConfChangeV2) -> Option<AutoLeave> {
    match change.transition {
        ConfChangeTransition::Auto if change.changes.len() <= 1 => None,
        ConfChangeTransition::Auto | ConfChangeTransition::JointImplicit => Some(AutoLeave::Yes),
        ConfChangeTransition::JointExplicit => Some(AutoLeave::No),
    }
}
