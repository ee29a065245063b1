//! A leader brings its log to the others.

use bytes::Bytes;
use proto::raftpb::{Message, MessageType};
use types::{Index, MemberId, Term};

use super::Raft;
use super::send::message;
use crate::log::payload_size;
use crate::logger::debug;
use crate::storage::{Storage, StorageError};
use crate::tracker::ProgressState;

/// Whether an append without entries is worth sending, for its commit index or as a probe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    Send,
    Skip,
}

impl<S: Storage> Raft<S> {
    /// Sends entries, or at least the commit index.
    pub(super) fn send_append(&mut self, to: MemberId) {
        self.maybe_send_append(to, Empty::Send);
    }

    /// Sends as many appends as there are entries and room for.
    pub(super) fn send_all_appends(&mut self, to: MemberId) {
        while self.maybe_send_append(to, Empty::Skip) {}
    }

    /// Sends one append, or a snapshot if the entries are compacted; false if nothing was sent.
    pub(super) fn maybe_send_append(&mut self, to: MemberId, empty: Empty) -> bool {
        let Some(progress) = self.tracker.get(to) else {
            return false;
        };
        if progress.is_paused() {
            return false;
        }
        let next = progress.next;
        // A full window lets only empty appends through: if everything in it was lost, their
        // refusal is what gets the follower going again.
        let throttled = progress.state == ProgressState::Replicate && progress.inflights.is_full();
        let prev = Index(next.0 - 1);
        let Ok(prev_term) = self.log.term(prev) else {
            return self.maybe_send_snapshot(to);
        };
        let entries = if throttled { Ok(Vec::new()) } else { self.entries_for(to, next) };
        if empty == Empty::Skip && !matches!(&entries, Ok(entries) if !entries.is_empty()) {
            return false;
        }
        let Ok(entries) = entries else {
            return self.maybe_send_snapshot(to);
        };
        let append = Message {
            index: prev.0,
            log_term: prev_term.0,
            entries,
            commit: self.log.committed.0,
            ..message(MessageType::App, to)
        };
        self.note_sent(to, &append);
        self.send(append);
        true
    }

    /// Entries from `next` on; none while their contents are fetched into memory.
    fn entries_for(
        &mut self,
        to: MemberId,
        next: Index,
    ) -> Result<Vec<proto::raftpb::Entry>, StorageError> {
        let size_max = self.settings.size_per_message_max;
        match self.log.entries(next, size_max) {
            Err(StorageError::Unavailable) => {
                self.log_reads.want_for_follower(to, self.log.stored_range(next), size_max);
                Ok(Vec::new())
            }
            result => result,
        }
    }

    fn note_sent(&mut self, to: MemberId, append: &Message) {
        let committed = self.log.committed;
        if let Some(progress) = self.tracker.get_mut(to) {
            progress.sent_entries(append.entries.len(), payload_size(&append.entries));
            progress.sent_commit(committed);
        }
    }

    fn maybe_send_snapshot(&mut self, to: MemberId) -> bool {
        let Some(progress) = self.tracker.get_mut(to) else {
            return false;
        };
        if !progress.recent_active {
            debug!(self.logger, "ignore sending snapshot to {to} since it is not recently active");
            return false;
        }
        let Ok(snapshot) = self.log.snapshot() else {
            debug!(
                self.logger,
                "{} failed to send snapshot to {to} because snapshot is temporarily unavailable",
                self.id
            );
            return false;
        };
        let (index, term) = (Index(snapshot.metadata.index), Term(snapshot.metadata.term));
        assert_ne!(index, Index(0), "need non-empty snapshot");
        debug!(
            self.logger,
            "{} [firstindex: {}, commit: {}] sent snapshot[index: {index}, term: {term}] to {to} [{progress}]",
            self.id,
            self.log.first_index(),
            self.log.committed
        );
        progress.become_snapshot(index);
        debug!(self.logger, "{} paused sending replication messages to {to} [{progress}]", self.id);
        let snapshot = Some(Box::new(snapshot));
        self.send(Message { snapshot, ..message(MessageType::Snap, to) });
        true
    }

    /// Sends entries or the commit index to everybody.
    pub(super) fn broadcast_append(&mut self) {
        for id in self.tracker.others(self.id) {
            self.send_append(id);
        }
    }

    /// Sends a sign of life to everybody, and the question whether this member still leads if
    /// reads wait for the answer.
    pub(super) fn broadcast_heartbeat(&mut self) {
        let context = self.read_only.heartbeat_context();
        for id in self.tracker.others(self.id) {
            self.send_heartbeat(id, context.clone());
        }
    }

    fn send_heartbeat(&mut self, to: MemberId, context: Bytes) {
        let committed = self.log.committed;
        let Some(progress) = self.tracker.get_mut(to) else {
            return;
        };
        // A commit index beyond what is known to match would commit other entries there.
        let commit = progress.matched.min(committed);
        progress.sent_commit(commit);
        self.send(Message { commit: commit.0, context, ..message(MessageType::Heartbeat, to) });
    }

    /// Tries again what waited for entries to come into memory.
    pub(crate) fn log_read_done(&mut self) {
        self.log.applying.set_reading(false);
        for id in self.log_reads.take_followers() {
            if self.role == super::Role::Leader {
                self.send_all_appends(id);
            }
        }
    }
}
