//! The log writer and the applier report what they have done.

use proto::raftpb::Message;
use types::{Index, Term};

use super::Raft;
use crate::log::{EntryId, entries_size};
use crate::logger::info;
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    /// Entries up to the one named are stored. The one named is the last there was when the job
    /// was handed out, not the last of the job: so that one whose report came in another term,
    /// and was not believed, is attested by the next job.
    pub(super) fn on_append_stored(&mut self, m: &Message) {
        if m.index != 0 {
            let id = EntryId { term: Term(m.log_term), index: Index(m.index) };
            self.log.unstable.stable_to(id);
        }
        if let Some(snapshot) = &m.snapshot {
            self.snapshot_installed(snapshot);
        }
    }

    /// The same, when the term has changed since the job was handed out: the entries may be
    /// replaced by a write that is still to come, even by equal ones after unequal ones, so the
    /// report says nothing about them. A snapshot holds only what is committed, in any term.
    pub(super) fn on_append_stored_in_old_term(&mut self, m: &Message) {
        if m.index != 0 {
            info!(
                self.logger,
                "{} [term: {}] ignored entry appends from a {} message with lower term [term: {}]",
                self.id,
                self.term,
                m.message_type,
                m.term
            );
        }
        if let Some(snapshot) = &m.snapshot {
            self.snapshot_installed(snapshot);
        }
    }

    /// Entries are applied.
    pub(super) fn on_applied(&mut self, m: &Message) {
        if let Some(last) = m.entries.last() {
            self.applied_to(Index(last.index), entries_size(&m.entries));
            self.reduce_uncommitted_size(&m.entries);
        }
    }
}
