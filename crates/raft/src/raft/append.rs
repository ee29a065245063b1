//! A follower takes entries and heartbeats.

use proto::raftpb::{Message, MessageType};
use types::{Index, MemberId, Term};

use super::Raft;
use super::send::message;
use crate::error::{Error, Result};
use crate::log::{AppendSlice, payload_size};
use crate::logger::{debug, error, warning};
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    pub(super) fn on_append(&mut self, mut m: Message) -> Result<()> {
        let from = MemberId(m.from);
        let (index, log_term) = (Index(m.index), Term(m.log_term));
        if index < self.log.committed {
            let committed = self.log.committed;
            let response = message(MessageType::AppResp, from);
            self.send(Message { index: committed.0, ..response });
            return Ok(());
        }
        if self.is_overfull(&m) {
            return Ok(());
        }
        let commit = Index(m.commit);
        let slice = AppendSlice::new(&mut m);
        if let Some(last) = self.log.maybe_append(slice, commit)? {
            let response = message(MessageType::AppResp, from);
            self.send(Message { index: last.0, ..response });
            return Ok(());
        }
        debug!(
            self.logger,
            "{} [logterm: {}, index: {index}] rejected MsgApp [logterm: {log_term}, index: {index}] from {from}",
            self.id,
            self.log.term_or_zero(index)
        );
        self.refuse_append(from, index, log_term);
        Ok(())
    }

    /// Refuses, with a guess where the logs may meet: entries here of a higher term than what the
    /// leader has there cannot be in its log, so they are skipped.
    fn refuse_append(&mut self, from: MemberId, index: Index, log_term: Term) {
        let start = index.min(self.log.last_index());
        let hint = self.log.find_conflict_by_term(start, log_term);
        self.send(Message {
            index: index.0,
            reject: true,
            reject_hint: hint.index.0,
            log_term: hint.term.0,
            ..message(MessageType::AppResp, from)
        });
    }

    /// Whether taking these entries would hold more unstored bytes than allowed. Then the append
    /// counts as lost on its way, and the leader sends it again.
    fn is_overfull(&self, m: &Message) -> bool {
        let held = self.log.unstable.bytes();
        let size = payload_size(&m.entries);
        let overfull =
            held > 0 && size > 0 && held.saturating_add(size) > self.settings.unstable_size_max;
        if overfull {
            warning!(
                self.logger,
                "{} dropping MsgApp from {} since {held} bytes of entries are not stored yet",
                self.id,
                MemberId(m.from)
            );
        }
        overfull
    }

    pub(super) fn on_heartbeat(&mut self, m: Message) -> Result<()> {
        let (commit, last) = (Index(m.commit), self.log.last_index());
        if commit > last {
            // The leader says no more than what this member has acknowledged.
            let lost = Error::LogLost { commit, last };
            assert!(!env::planted!("heartbeat-beyond-log"), "{lost}");
            error!(self.logger, "{lost}");
            return Err(lost);
        }
        self.log.commit_to(commit);
        let response = message(MessageType::HeartbeatResp, MemberId(m.from));
        self.send(Message { context: m.context, ..response });
        Ok(())
    }
}
