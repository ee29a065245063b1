//! Reads that see everything that was committed before them.

use proto::raftpb::{Message, MessageType};
use types::{Index, MemberId};

use super::Raft;
use super::send::message;
use crate::NONE;
use crate::config::ReadOnlyOption;
use crate::logger::{error, warning};
use crate::read_only::{READS_MAX, ReadState};
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    /// A leader takes a read. Before its term's first commit it does not know what is committed,
    /// so the read waits for that; also where this member is the only voter, since the stored
    /// commit index may be behind what was answered before a restart.
    pub(super) fn on_read_index(&mut self, m: Message) {
        let is_new = !self.committed_in_current_term();
        if is_new && !env::planted!("read-before-first-commit") {
            if self.pending_reads.len() < READS_MAX {
                self.pending_reads.push(m);
            } else {
                warning!(
                    self.logger,
                    "{} too many reads wait; dropping index reading msg",
                    self.id
                );
            }
            return;
        }
        self.take_read(m);
    }

    fn take_read(&mut self, m: Message) {
        let committed = self.log.committed;
        // A leader that was removed is not the voter who decides alone.
        let decides_alone = self.tracker.config().sole_voter() == Some(self.id);
        if decides_alone || self.settings.read_only == ReadOnlyOption::LeaseBased {
            self.answer_read(m, committed);
            return;
        }
        if !self.read_only.add(committed, m) {
            warning!(self.logger, "{} too many reads wait; dropping index reading msg", self.id);
            return;
        }
        let context = self.read_only.heartbeat_context();
        self.read_only.receive(self.id, &context);
        self.broadcast_heartbeat();
        // Both halves of a joint configuration may be this member alone.
        self.answer_confirmed_reads();
    }

    pub(super) fn answer_confirmed_reads(&mut self) {
        for read in self.read_only.advance(&self.tracker.config().voters) {
            self.answer_read(read.message, read.index);
        }
    }

    fn answer_read(&mut self, mut request: Message, index: Index) {
        let from = MemberId(request.from);
        if from == NONE || from == self.id {
            let context = request.entries.pop().map(|entry| entry.data).unwrap_or_default();
            self.read_states.push(ReadState { index, context });
        } else {
            let response = message(MessageType::ReadIndexResp, from);
            self.send(Message { index: index.0, entries: request.entries, ..response });
        }
    }

    /// Takes the reads that waited for this term's first commit.
    pub(super) fn release_pending_reads(&mut self) {
        if self.pending_reads.is_empty() {
            return;
        }
        if !self.committed_in_current_term() {
            error!(
                self.logger,
                "pending MsgReadIndex should be released only after first commit in current term"
            );
            return;
        }
        for m in std::mem::take(&mut self.pending_reads) {
            self.take_read(m);
        }
    }

    fn committed_in_current_term(&self) -> bool {
        self.log.term_or_zero(self.log.committed) == self.term
    }
}
