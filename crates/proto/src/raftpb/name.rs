//! Go's names of raft's enums, as they stand in logs and in etcd-raft's scripts.

use std::fmt;

use super::{ConfChangeTransition, ConfChangeType, EntryType, MessageType};

macro_rules! display {
    ($name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        impl $name {
            /// Go's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

display!(EntryType {
    Normal = "EntryNormal",
    ConfChange = "EntryConfChange",
    ConfChangeV2 = "EntryConfChangeV2",
});

display!(ConfChangeType {
    AddNode = "ConfChangeAddNode",
    RemoveNode = "ConfChangeRemoveNode",
    UpdateNode = "ConfChangeUpdateNode",
    AddLearnerNode = "ConfChangeAddLearnerNode",
});

display!(ConfChangeTransition {
    Auto = "ConfChangeTransitionAuto",
    JointImplicit = "ConfChangeTransitionJointImplicit",
    JointExplicit = "ConfChangeTransitionJointExplicit",
});

display!(MessageType {
    Hup = "MsgHup",
    Beat = "MsgBeat",
    Prop = "MsgProp",
    App = "MsgApp",
    AppResp = "MsgAppResp",
    Vote = "MsgVote",
    VoteResp = "MsgVoteResp",
    Snap = "MsgSnap",
    Heartbeat = "MsgHeartbeat",
    HeartbeatResp = "MsgHeartbeatResp",
    Unreachable = "MsgUnreachable",
    SnapStatus = "MsgSnapStatus",
    CheckQuorum = "MsgCheckQuorum",
    TransferLeader = "MsgTransferLeader",
    TimeoutNow = "MsgTimeoutNow",
    ReadIndex = "MsgReadIndex",
    ReadIndexResp = "MsgReadIndexResp",
    PreVote = "MsgPreVote",
    PreVoteResp = "MsgPreVoteResp",
    StorageAppend = "MsgStorageAppend",
    StorageAppendResp = "MsgStorageAppendResp",
    StorageApply = "MsgStorageApply",
    StorageApplyResp = "MsgStorageApplyResp",
    ForgetLeader = "MsgForgetLeader",
});
