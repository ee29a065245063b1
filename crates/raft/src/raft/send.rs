//! How messages leave.

use proto::raftpb::{Message, MessageType};
use types::MemberId;

use super::Raft;
use crate::storage::Storage;

/// A message of this kind to this member, everything else empty.
pub(super) fn message(kind: MessageType, to: MemberId) -> Message {
    Message { message_type: kind, to: to.0, ..Message::default() }
}

impl<S: Storage> Raft<S> {
    /// Puts a message where it leaves at the right time, with sender and term.
    ///
    /// What rests on this member's own promises, its vote and its entries, may leave only when
    /// they are stored (Raft thesis 3.8); refusals too, since they may rest on them as well.
    pub(super) fn send(&mut self, mut message: Message) {
        use MessageType::{AppResp, PreVote, PreVoteResp, Prop, ReadIndex, Vote, VoteResp};

        let kind = message.message_type;
        if message.from == 0 {
            message.from = self.id.0;
        }
        if matches!(kind, Vote | VoteResp | PreVote | PreVoteResp) {
            assert_ne!(message.term, 0, "term should be set when sending {kind}");
        } else {
            assert_eq!(message.term, 0, "term should not be set when sending {kind}");
            // These two go to whoever leads, in whatever term.
            if !matches!(kind, Prop | ReadIndex) {
                message.term = self.term.0;
            }
        }
        if matches!(kind, AppResp | VoteResp | PreVoteResp) {
            self.messages_after_append.push(message);
        } else {
            assert_ne!(message.to, self.id.0, "{kind} should not be self-addressed");
            self.messages.push(message);
        }
    }
}
