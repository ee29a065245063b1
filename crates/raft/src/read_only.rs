//! Reads that wait until a quorum has confirmed that the leader still leads.
//!
//! A read is numbered by its position among all reads of this leadership; the number goes out as
//! the context of heartbeats, so an acknowledgement names an attempt of this leader and never a
//! caller's context, which may repeat.
//!
//! Invariants: `confirmed + unconfirmed.len()` is the number of reads taken; acknowledgements
//! never exceed it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proto::raftpb::Message;
use types::{Index, MemberId};

use crate::quorum::JointConfig;

/// Reads that may wait at once; more are dropped, as if the request had been lost on its way.
pub(crate) const READS_MAX: usize = 65_536;

/// A read whose index is known: it is linearizable once everything up to there is applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadState {
    /// What was committed when the read came to the leader.
    pub index: Index,
    /// The caller's mark.
    pub context: Bytes,
}

/// A read that waits.
#[derive(Debug)]
pub(crate) struct ReadRequest {
    pub(crate) message: Message,
    pub(crate) index: Index,
}

/// The reads of one leadership.
#[derive(Debug, Default)]
pub(crate) struct ReadOnly {
    acknowledged: BTreeMap<MemberId, u64>,
    unconfirmed: VecDeque<ReadRequest>,
    confirmed: u64,
}

impl ReadOnly {
    /// Takes a read; false if too many wait.
    pub(crate) fn add(&mut self, index: Index, message: Message) -> bool {
        let room = self.unconfirmed.len() < READS_MAX;
        if room {
            self.unconfirmed.push_back(ReadRequest { message, index });
        }
        room
    }

    fn taken(&self) -> u64 {
        self.confirmed + self.unconfirmed.len() as u64
    }

    /// What a heartbeat carries to confirm all reads that wait; empty if none does.
    pub(crate) fn heartbeat_context(&self) -> Bytes {
        if self.unconfirmed.is_empty() {
            return Bytes::new();
        }
        Bytes::copy_from_slice(&self.taken().to_le_bytes())
    }

    /// Takes what a member sent back. Contexts that this leader cannot have sent are ignored.
    pub(crate) fn receive(&mut self, from: MemberId, context: &[u8]) {
        let number = context.try_into().map(u64::from_le_bytes);
        if let Some(number) = number.ok().filter(|number| *number <= self.taken()) {
            let known = self.acknowledged.entry(from).or_default();
            *known = number.max(*known);
        }
    }

    /// Takes out the reads that a quorum has confirmed.
    pub(crate) fn advance(&mut self, voters: &JointConfig) -> Vec<ReadRequest> {
        let acknowledged = |id| self.acknowledged.get(&id).copied().map(Index);
        let confirmed = voters.committed_index(acknowledged).0.min(self.taken());
        if confirmed <= self.confirmed {
            return Vec::new();
        }
        let count = (confirmed - self.confirmed) as usize;
        self.confirmed = confirmed;
        self.unconfirmed.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_voters() -> JointConfig {
        let incoming = [1, 2, 3].into_iter().map(MemberId).collect();
        JointConfig { incoming, ..JointConfig::default() }
    }

    #[test]
    fn an_answer_to_an_earlier_attempt_does_not_confirm_a_later_read() {
        let mut reads = ReadOnly::default();
        reads.add(Index(5), Message::default());
        reads.receive(MemberId(1), &reads.heartbeat_context());
        let first = reads.heartbeat_context();
        // The same request once more, with the same context of the caller's.
        reads.add(Index(9), Message::default());
        reads.receive(MemberId(1), &reads.heartbeat_context());
        reads.receive(MemberId(2), &first);
        let done: Vec<_> = reads.advance(&three_voters()).iter().map(|read| read.index).collect();
        assert_eq!(done, [Index(5)]);
        reads.receive(MemberId(2), &first);
        assert!(reads.advance(&three_voters()).is_empty());
    }

    #[test]
    fn contexts_that_were_never_sent_confirm_nothing() {
        let mut reads = ReadOnly::default();
        reads.add(Index(5), Message::default());
        for context in [&b"short"[..], &u64::MAX.to_le_bytes(), &2_u64.to_le_bytes(), &[]] {
            reads.receive(MemberId(2), context);
            reads.receive(MemberId(3), context);
        }
        assert!(reads.advance(&three_voters()).is_empty());
    }
}
