//! The generated codec of raft's messages, as an independent reader for tests.

use crate::{snappb as file, walpb as wal};

macro_rules! package {
    ($name:ident) => {
        #[allow(missing_docs, dead_code, clippy::all, clippy::pedantic)]
        pub mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        }
    };
}

package!(raftpb);
package!(walpb);
package!(snappb);

use crate::raftpb as ours;

/// The variant with a number that is known to be one.
fn known<T>(from_number: impl Fn(u64) -> Option<T>, number: i32) -> T {
    from_number(number as u64).expect("a known number")
}

impl From<raftpb::Entry> for ours::Entry {
    fn from(entry: raftpb::Entry) -> Self {
        Self {
            entry_type: known(ours::EntryType::from_number, entry.r#type() as i32),
            term: entry.term(),
            index: entry.index(),
            data: entry.data.unwrap_or_default(),
        }
    }
}

impl From<raftpb::HardState> for ours::HardState {
    fn from(state: raftpb::HardState) -> Self {
        Self { term: state.term(), vote: state.vote(), commit: state.commit() }
    }
}

impl From<raftpb::ConfState> for ours::ConfState {
    fn from(state: raftpb::ConfState) -> Self {
        Self {
            auto_leave: state.auto_leave(),
            voters: state.voters,
            learners: state.learners,
            voters_outgoing: state.voters_outgoing,
            learners_next: state.learners_next,
        }
    }
}

impl From<raftpb::SnapshotMetadata> for ours::SnapshotMetadata {
    fn from(metadata: raftpb::SnapshotMetadata) -> Self {
        Self {
            index: metadata.index(),
            term: metadata.term(),
            conf_state: metadata.conf_state.map(Into::into).unwrap_or_default(),
        }
    }
}

impl From<raftpb::Snapshot> for ours::Snapshot {
    fn from(snapshot: raftpb::Snapshot) -> Self {
        Self {
            data: snapshot.data.unwrap_or_default(),
            metadata: snapshot.metadata.map(Into::into).unwrap_or_default(),
        }
    }
}

impl From<raftpb::Message> for ours::Message {
    fn from(message: raftpb::Message) -> Self {
        let snapshot = message.snapshot.clone().map(ours::Snapshot::from);
        Self {
            message_type: known(ours::MessageType::from_number, message.r#type() as i32),
            to: message.to(),
            from: message.from(),
            term: message.term(),
            log_term: message.log_term(),
            index: message.index(),
            commit: message.commit(),
            reject: message.reject(),
            reject_hint: message.reject_hint(),
            vote: message.vote(),
            entries: message.entries.into_iter().map(Into::into).collect(),
            snapshot: snapshot.filter(|snapshot| !snapshot.is_empty()).map(Box::new),
            context: message.context.unwrap_or_default(),
            responses: message.responses.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<raftpb::ConfChange> for ours::ConfChange {
    fn from(change: raftpb::ConfChange) -> Self {
        Self {
            id: change.id(),
            change_type: known(ours::ConfChangeType::from_number, change.r#type() as i32),
            node_id: change.node_id(),
            context: change.context.unwrap_or_default(),
        }
    }
}

impl From<raftpb::ConfChangeSingle> for ours::ConfChangeSingle {
    fn from(change: raftpb::ConfChangeSingle) -> Self {
        let change_type = known(ours::ConfChangeType::from_number, change.r#type() as i32);
        Self { change_type, node_id: change.node_id() }
    }
}

impl From<raftpb::ConfChangeV2> for ours::ConfChangeV2 {
    fn from(change: raftpb::ConfChangeV2) -> Self {
        let transition = change.transition() as i32;
        Self {
            transition: known(ours::ConfChangeTransition::from_number, transition),
            changes: change.changes.into_iter().map(Into::into).collect(),
            context: change.context.unwrap_or_default(),
        }
    }
}

impl From<walpb::Record> for wal::Record {
    fn from(record: walpb::Record) -> Self {
        Self { record_type: record.r#type(), crc: record.crc(), data: record.data }
    }
}

impl From<walpb::Snapshot> for wal::Snapshot {
    fn from(snapshot: walpb::Snapshot) -> Self {
        Self {
            index: snapshot.index(),
            term: snapshot.term(),
            conf_state: snapshot.conf_state.map(Into::into),
        }
    }
}

impl From<snappb::Snapshot> for file::Snapshot {
    fn from(snapshot: snappb::Snapshot) -> Self {
        Self { crc: snapshot.crc(), data: snapshot.data.unwrap_or_default() }
    }
}
