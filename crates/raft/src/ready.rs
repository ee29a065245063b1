//! What a member wants done.

use proto::raftpb::{Entry, HardState, Message, MessageType, Snapshot};

use crate::log_read::LogRead;
use crate::raft::SoftState;
use crate::read_only::ReadState;
use crate::{LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD};

/// Everything that is to be done now.
///
/// With synchronous writes the caller stores `snapshot`, `entries` and `hard_state`, in this order,
/// then sends `messages` and applies `committed_entries`, then calls
/// [`advance`](crate::RawNode::advance).
///
/// With asynchronous writes those four are empty; `append` and `apply` are handed to whoever does
/// them, each kind in order, and `messages` leave at once, a leader's entries before they are
/// stored here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Who leads and what this member is, if that has changed.
    pub soft_state: Option<SoftState>,
    /// What has to be stored, if it has changed.
    pub hard_state: Option<HardState>,
    /// Reads whose index is known now.
    pub read_states: Vec<ReadState>,
    /// Entries to store, from the first one's index on; what the storage has there is cut.
    pub entries: Vec<Entry>,
    /// A snapshot to store and install, before `entries`: it replaces the whole stored log, and
    /// the entries come behind it.
    pub snapshot: Option<Snapshot>,
    /// Entries to apply.
    pub committed_entries: Vec<Entry>,
    /// For other members. After a `MsgSnap` its fate is reported by
    /// [`report_snapshot`](crate::RawNode::report_snapshot).
    pub messages: Vec<Message>,
    /// Whether what is stored has to be synced before messages leave; not if only the commit index
    /// changed.
    pub must_sync: bool,
    /// With asynchronous writes: what to store.
    pub append: Option<StorageAppend>,
    /// With asynchronous writes: what to apply.
    pub apply: Option<StorageApply>,
    /// Stored entries to bring into memory; then
    /// [`log_read_done`](crate::RawNode::log_read_done).
    pub log_reads: Vec<LogRead>,
}

/// A job for the log writer. Jobs are done in order and none is dropped; several may share one sync.
///
/// Within a job the snapshot is written first, then the entries, then the promises: a commit index
/// must never be found without the entries that it speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageAppend {
    /// What has to be stored, if it has changed.
    pub hard_state: Option<HardState>,
    /// Entries to store, from the first one's index on; what the storage has there is cut.
    pub entries: Vec<Entry>,
    /// A snapshot to store and install, before `entries`: it replaces the whole stored log, and
    /// the entries come behind it.
    pub snapshot: Option<Snapshot>,
    /// To be delivered when all of this is synced, in this order: those for this member by
    /// [`storage_response`](crate::RawNode::storage_response), the others by the transport.
    /// Without any the job need not be synced.
    pub responses: Vec<Message>,
}

/// A job for the applier. Jobs are done in order and none is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageApply {
    /// Entries to apply, all stored here.
    pub entries: Vec<Entry>,
    /// To be delivered when they are applied, by
    /// [`storage_response`](crate::RawNode::storage_response).
    pub responses: Vec<Message>,
}

impl StorageAppend {
    /// The job as the message that etcd-raft makes of it.
    #[must_use]
    pub fn to_message(&self, from: types::MemberId) -> Message {
        let state = self.hard_state.unwrap_or_default();
        Message {
            message_type: MessageType::StorageAppend,
            to: LOCAL_APPEND_THREAD.0,
            from: from.0,
            term: state.term,
            vote: state.vote,
            commit: state.commit,
            entries: self.entries.clone(),
            snapshot: self.snapshot.clone().map(Box::new),
            responses: self.responses.clone(),
            ..Message::default()
        }
    }
}

impl StorageApply {
    /// The job as the message that etcd-raft makes of it.
    #[must_use]
    pub fn to_message(&self, from: types::MemberId) -> Message {
        Message {
            message_type: MessageType::StorageApply,
            to: LOCAL_APPLY_THREAD.0,
            from: from.0,
            entries: self.entries.clone(),
            responses: self.responses.clone(),
            ..Message::default()
        }
    }
}
