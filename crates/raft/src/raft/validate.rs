//! What may come from outside.

use proto::raftpb::{Message, MessageType};
use types::{Index, MemberId};

use super::{Raft, Role};
use crate::error::{Error, Result};
use crate::log::AppendSlice;
use crate::storage::Storage;
use crate::{LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD};

/// No cluster gets this far by counting, in terms or in indexes. Beyond it there would be nothing
/// left to count on with.
const POSITION_MAX: u64 = u64::MAX / 2;

/// Whether only a member itself may produce such a message.
fn is_local(kind: MessageType) -> bool {
    use MessageType::{
        Beat, CheckQuorum, ForgetLeader, Hup, SnapStatus, StorageAppend, StorageAppendResp,
        StorageApply, StorageApplyResp, Unreachable,
    };
    matches!(
        kind,
        Hup | Beat
            | ForgetLeader
            | Unreachable
            | SnapStatus
            | CheckQuorum
            | StorageAppend
            | StorageAppendResp
            | StorageApply
            | StorageApplyResp
    )
}

/// Whether such a message answers one of this member's.
fn is_response(kind: MessageType) -> bool {
    use MessageType::{
        AppResp, HeartbeatResp, PreVoteResp, ReadIndexResp, StorageAppendResp, StorageApplyResp,
        Unreachable, VoteResp,
    };
    matches!(
        kind,
        AppResp
            | VoteResp
            | HeartbeatResp
            | Unreachable
            | ReadIndexResp
            | PreVoteResp
            | StorageAppendResp
            | StorageApplyResp
    )
}

/// Whether such a message is of a sender's term, rather than of whatever term there is.
fn has_term(kind: MessageType) -> bool {
    use MessageType::{
        App, AppResp, Heartbeat, HeartbeatResp, PreVote, PreVoteResp, ReadIndexResp, Snap,
        TimeoutNow, Vote, VoteResp,
    };
    matches!(
        kind,
        App | AppResp
            | Vote
            | VoteResp
            | Snap
            | Heartbeat
            | HeartbeatResp
            | TimeoutNow
            | ReadIndexResp
            | PreVote
            | PreVoteResp
    )
}

impl<S: Storage> Raft<S> {
    /// Refuses what no other member, working correctly, sends to this one; so that the rest can
    /// rely on it.
    pub(crate) fn validate(&self, m: &Message) -> Result<()> {
        let (kind, from) = (m.message_type, MemberId(m.from));
        if is_local(kind) || [LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD].contains(&from) {
            return Err(Error::LocalMessage);
        }
        if MemberId(m.to) != self.id {
            return Err(Error::WrongRecipient { to: MemberId(m.to) });
        }
        if has_term(kind) && from == self.id {
            return Err(Error::LocalMessage);
        }
        if is_response(kind) && self.tracker.get(from).is_none() {
            return Err(Error::PeerNotFound);
        }
        self.validate_shape(m)
    }

    fn validate_shape(&self, m: &Message) -> Result<()> {
        let last = self.log.last_index();
        let leads = self.role == Role::Leader && m.term == self.term.0;
        let wrong = match m.message_type {
            _ if m.term.max(m.index).max(m.reject_hint) > POSITION_MAX => Some("out of range"),
            kind if has_term(kind) && m.term == 0 => Some("no term"),
            MessageType::Prop | MessageType::ReadIndex if m.term != 0 => Some("a term"),
            MessageType::App
                if !AppendSlice::is_well_formed(m) && !env::planted!("malformed-append-taken") =>
            {
                Some("entries with gaps")
            }
            kind if has_term(kind) && m.from == 0 => Some("no sender"),
            MessageType::AppResp if leads && !m.reject && Index(m.index) > last => {
                Some("acknowledges entries that do not exist")
            }
            MessageType::Prop if m.entries.is_empty() => Some("empty proposal"),
            MessageType::ReadIndex if m.entries.len() != 1 => Some("not one read"),
            MessageType::Snap if !is_snapshot(m) => Some("no snapshot"),
            _ => None,
        };
        wrong.map_or(Ok(()), |reason| Err(Error::Malformed(reason)))
    }
}

fn is_snapshot(m: &Message) -> bool {
    let Some(snapshot) = &m.snapshot else {
        return false;
    };
    let at = &snapshot.metadata;
    !snapshot.is_empty() && at.index <= POSITION_MAX && at.term <= m.term
}
