//! Raft's messages and log entries (`compat/messages.tsv`, package `raftpb`).
//!
//! Plain structures with a codec of their own, since Go's encoders before 3.7 write zero fields
//! explicitly and stored bytes have to be equal to theirs.

mod codec;
mod name;

use bytes::Bytes;

/// What an entry carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum EntryType {
    /// A request, or nothing (a leader's first entry of a term).
    #[default]
    Normal = 0,
    /// A [`ConfChange`].
    ConfChange = 1,
    /// A [`ConfChangeV2`].
    ConfChangeV2 = 2,
}

/// One slot of the replicated log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// What `data` is.
    pub entry_type: EntryType,
    /// The term in which it was proposed.
    pub term: u64,
    /// Its position.
    pub index: u64,
    /// The content; empty is left out of the encoding, as Go leaves out nil.
    pub data: Bytes,
}

/// What a member has promised and knows to be committed; stored in the WAL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HardState {
    /// The latest term seen.
    pub term: u64,
    /// Who got this member's vote in `term`; 0 for nobody.
    pub vote: u64,
    /// The highest index known to be committed.
    pub commit: u64,
}

impl HardState {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who takes part in consensus.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfState {
    /// Voters of the incoming configuration, or of the only one.
    pub voters: Vec<u64>,
    /// Learners.
    pub learners: Vec<u64>,
    /// Voters of the outgoing configuration while it is joint.
    pub voters_outgoing: Vec<u64>,
    /// Outgoing voters that become learners when the joint configuration is left.
    pub learners_next: Vec<u64>,
    /// The joint configuration is left without being asked.
    pub auto_leave: bool,
}

/// Where a snapshot stands in the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotMetadata {
    /// The configuration as of `index`.
    pub conf_state: ConfState,
    /// The last index that the snapshot covers; 0 means "no snapshot".
    pub index: u64,
    /// The term of that index.
    pub term: u64,
}

/// A snapshot: etcd's data is the v2 membership JSON (spec/snap.md 4.2).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// The content.
    pub data: Bytes,
    /// Its position.
    pub metadata: SnapshotMetadata,
}

impl Snapshot {
    /// Whether it stands for "no snapshot".
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metadata.index == 0
    }
}

/// The kinds of message. `Display` prints Go's names (`MsgApp`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum MessageType {
    #[default]
    Hup = 0,
    Beat = 1,
    Prop = 2,
    App = 3,
    AppResp = 4,
    Vote = 5,
    VoteResp = 6,
    Snap = 7,
    Heartbeat = 8,
    HeartbeatResp = 9,
    Unreachable = 10,
    SnapStatus = 11,
    CheckQuorum = 12,
    TransferLeader = 13,
    TimeoutNow = 14,
    ReadIndex = 15,
    ReadIndexResp = 16,
    PreVote = 17,
    PreVoteResp = 18,
    StorageAppend = 19,
    StorageAppendResp = 20,
    StorageApply = 21,
    StorageApplyResp = 22,
    ForgetLeader = 23,
}

/// A message between members, or inside one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// Its kind.
    pub message_type: MessageType,
    /// The receiver.
    pub to: u64,
    /// The sender.
    pub from: u64,
    /// The sender's term; 0 for local messages, proposals and read-index requests.
    pub term: u64,
    /// The term of the entry at `index`.
    pub log_term: u64,
    /// A log position; its meaning depends on the kind.
    pub index: u64,
    /// Log entries.
    pub entries: Vec<Entry>,
    /// The sender's commit index.
    pub commit: u64,
    /// A snapshot; one at index 0 is the same as none.
    pub snapshot: Option<Box<Snapshot>>,
    /// A refusal.
    pub reject: bool,
    /// On refusal of an append: where to try next.
    pub reject_hint: u64,
    /// Opaque content: a read-index request, the kind of a campaign.
    pub context: Bytes,
    /// In a storage append: the vote to store.
    pub vote: u64,
    /// In storage messages: what to send when the storage has done its part.
    pub responses: Vec<Message>,
}

/// What a [`ConfChange`] does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum ConfChangeType {
    /// Adds a voter, or promotes a learner.
    #[default]
    AddNode = 0,
    /// Removes a member.
    RemoveNode = 1,
    /// Changes a member's attributes; nothing for consensus.
    UpdateNode = 2,
    /// Adds a learner.
    AddLearnerNode = 3,
}

/// A change of one member.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfChange {
    /// The request that waits for it.
    pub id: u64,
    /// What it does.
    pub change_type: ConfChangeType,
    /// To whom.
    pub node_id: u64,
    /// The member as JSON.
    pub context: Bytes,
}

/// How a [`ConfChangeV2`] uses joint consensus.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum ConfChangeTransition {
    /// Joint only when needed, left by itself.
    #[default]
    Auto = 0,
    /// Always joint, left by itself.
    JointImplicit = 1,
    /// Always joint, left when asked.
    JointExplicit = 2,
}

/// One step of a [`ConfChangeV2`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConfChangeSingle {
    /// What it does.
    pub change_type: ConfChangeType,
    /// To whom.
    pub node_id: u64,
}

/// A change of any number of members; an empty one leaves a joint configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfChangeV2 {
    /// How.
    pub transition: ConfChangeTransition,
    /// What.
    pub changes: Vec<ConfChangeSingle>,
    /// Opaque content.
    pub context: Bytes,
}
