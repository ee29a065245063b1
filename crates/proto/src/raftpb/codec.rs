//! The bytes of raft's messages: those of Go 3.5 (spec/wal.md 3.2, spec/snap.md 4.1, spec/peer.md
//! 5.4), with two differences that every version reads: a message has a snapshot field only when it
//! has a snapshot (as 3.6 and 3.7), and a vote field only when that is not zero.
//!
//! Invariant: scalar fields are always written, zero or not; byte fields only when not empty.

use crate::DecodeError;
use crate::wire::{Fields, Sink, Value, codec, from_number};

use super::{
    ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
    Entry, EntryType, HardState, Message, MessageType, Snapshot, SnapshotMetadata,
};

codec!(
    Entry,
    HardState,
    ConfState,
    SnapshotMetadata,
    Snapshot,
    Message,
    ConfChange,
    ConfChangeSingle,
    ConfChangeV2,
);

from_number!(EntryType { Normal, ConfChange, ConfChangeV2 });
from_number!(ConfChangeType { AddNode, RemoveNode, UpdateNode, AddLearnerNode });
from_number!(ConfChangeTransition { Auto, JointImplicit, JointExplicit });
from_number!(MessageType {
    Hup,
    Beat,
    Prop,
    App,
    AppResp,
    Vote,
    VoteResp,
    Snap,
    Heartbeat,
    HeartbeatResp,
    Unreachable,
    SnapStatus,
    CheckQuorum,
    TransferLeader,
    TimeoutNow,
    ReadIndex,
    ReadIndexResp,
    PreVote,
    PreVoteResp,
    StorageAppend,
    StorageAppendResp,
    StorageApply,
    StorageApplyResp,
    ForgetLeader,
});

impl Fields for Entry {
    fn write(&self, out: &mut impl Sink) {
        out.varint(1, self.entry_type as u64);
        out.varint(2, self.term);
        out.varint(3, self.index);
        out.nonempty_bytes(4, &self.data);
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.entry_type = value.named(EntryType::from_number)?,
            2 => self.term = value.varint()?,
            3 => self.index = value.varint()?,
            4 => self.data = value.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

impl Fields for HardState {
    fn write(&self, out: &mut impl Sink) {
        out.varint(1, self.term);
        out.varint(2, self.vote);
        out.varint(3, self.commit);
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.term = value.varint()?,
            2 => self.vote = value.varint()?,
            3 => self.commit = value.varint()?,
            _ => {}
        }
        Ok(())
    }
}

impl Fields for ConfState {
    fn write(&self, out: &mut impl Sink) {
        out.varints(1, &self.voters);
        out.varints(2, &self.learners);
        out.varints(3, &self.voters_outgoing);
        out.varints(4, &self.learners_next);
        out.varint(5, u64::from(self.auto_leave));
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => value.push_varints(&mut self.voters)?,
            2 => value.push_varints(&mut self.learners)?,
            3 => value.push_varints(&mut self.voters_outgoing)?,
            4 => value.push_varints(&mut self.learners_next)?,
            5 => self.auto_leave = value.bool()?,
            _ => {}
        }
        Ok(())
    }
}

impl Fields for SnapshotMetadata {
    fn write(&self, out: &mut impl Sink) {
        out.message(1, &self.conf_state);
        out.varint(2, self.index);
        out.varint(3, self.term);
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => value.merge_into(&mut self.conf_state)?,
            2 => self.index = value.varint()?,
            3 => self.term = value.varint()?,
            _ => {}
        }
        Ok(())
    }
}

impl Fields for Snapshot {
    fn write(&self, out: &mut impl Sink) {
        out.nonempty_bytes(1, &self.data);
        out.message(2, &self.metadata);
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.data = value.bytes()?,
            2 => value.merge_into(&mut self.metadata)?,
            _ => {}
        }
        Ok(())
    }
}

impl Fields for Message {
    fn write(&self, out: &mut impl Sink) {
        out.varint(1, self.message_type as u64);
        out.varint(2, self.to);
        out.varint(3, self.from);
        out.varint(4, self.term);
        out.varint(5, self.log_term);
        out.varint(6, self.index);
        for entry in &self.entries {
            out.message(7, entry);
        }
        out.varint(8, self.commit);
        if let Some(snapshot) = &self.snapshot {
            out.message(9, &**snapshot);
        }
        out.varint(10, u64::from(self.reject));
        out.varint(11, self.reject_hint);
        out.nonempty_bytes(12, &self.context);
        if self.vote != 0 {
            out.varint(13, self.vote);
        }
        for response in &self.responses {
            out.message(14, response);
        }
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.message_type = value.named(MessageType::from_number)?,
            2 => self.to = value.varint()?,
            3 => self.from = value.varint()?,
            4 => self.term = value.varint()?,
            5 => self.log_term = value.varint()?,
            6 => self.index = value.varint()?,
            7 => self.entries.push(value.message()?),
            8 => self.commit = value.varint()?,
            9 => value.merge_into(&mut **self.snapshot.get_or_insert_default())?,
            10 => self.reject = value.bool()?,
            11 => self.reject_hint = value.varint()?,
            12 => self.context = value.bytes()?,
            13 => self.vote = value.varint()?,
            14 => self.responses.push(value.message()?),
            _ => {}
        }
        Ok(())
    }

    /// 3.5 sends a snapshot at index 0 with every message; it means "none".
    fn finish(&mut self) {
        self.snapshot.take_if(|snapshot| snapshot.is_empty());
    }
}

impl Fields for ConfChange {
    fn write(&self, out: &mut impl Sink) {
        out.varint(1, self.id);
        out.varint(2, self.change_type as u64);
        out.varint(3, self.node_id);
        out.nonempty_bytes(4, &self.context);
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.id = value.varint()?,
            2 => self.change_type = value.named(ConfChangeType::from_number)?,
            3 => self.node_id = value.varint()?,
            4 => self.context = value.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

impl Fields for ConfChangeSingle {
    fn write(&self, out: &mut impl Sink) {
        out.varint(1, self.change_type as u64);
        out.varint(2, self.node_id);
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.change_type = value.named(ConfChangeType::from_number)?,
            2 => self.node_id = value.varint()?,
            _ => {}
        }
        Ok(())
    }
}

impl Fields for ConfChangeV2 {
    fn write(&self, out: &mut impl Sink) {
        out.varint(1, self.transition as u64);
        for change in &self.changes {
            out.message(2, change);
        }
        out.nonempty_bytes(3, &self.context);
    }

    fn merge_field(&mut self, number: u32, value: Value<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.transition = value.named(ConfChangeTransition::from_number)?,
            2 => self.changes.push(value.message()?),
            3 => self.context = value.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "codec_test.rs"]
mod tests;
