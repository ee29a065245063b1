//! A leader takes proposals into its log.

use proto::raftpb::{Entry, Message, MessageType};
use types::Index;

use super::Raft;
use super::send::message;
use crate::NONE;
use crate::confchange::ConfChangeEntry;
use crate::describe;
use crate::error::{Error, Result};
use crate::log::payload_size;
use crate::logger::{debug, info, warning};
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    pub(super) fn on_proposal(&mut self, mut m: Message) -> Result<()> {
        if self.tracker.get(self.id).is_none() {
            // It was removed while it led.
            return Err(Error::ProposalDropped);
        }
        if self.lead_transferee != NONE {
            debug!(
                self.logger,
                "{} [term {}] transfer leadership to {} is in progress; dropping proposal",
                self.id,
                self.term,
                self.lead_transferee
            );
            return Err(Error::ProposalDropped);
        }
        let mut changes = Vec::new();
        for entry in &m.entries {
            changes.push(ConfChangeEntry::decode(entry)?);
        }
        for (position, change) in changes.into_iter().enumerate() {
            if let Some(change) = change {
                self.check_conf_change(&mut m.entries, position, change);
            }
        }
        if !self.append_entries(m.entries) {
            return Err(Error::ProposalDropped);
        }
        self.broadcast_append();
        Ok(())
    }

    /// Lets a configuration change into the log, or an empty entry in its place if it cannot be
    /// one now. Only one may be in the log and not applied, or majorities could miss each other.
    fn check_conf_change(
        &mut self,
        entries: &mut [Entry],
        position: usize,
        change: ConfChangeEntry,
    ) {
        let change = change.into_v2();
        let applied = self.log.applying.applied();
        let config = self.tracker.config();
        let (joint, leaves) = (config.voters.is_joint(), change.changes.is_empty());
        let failed = if self.pending_conf_index > applied {
            let pending = self.pending_conf_index;
            Some(format!(
                "possible unapplied conf change at index {pending} (applied to {applied})"
            ))
        } else if joint && !leaves {
            Some("must transition out of joint config first".to_owned())
        } else if !joint && leaves {
            Some("not in joint state; refusing empty conf change".to_owned())
        } else {
            None
        };
        match failed.filter(|_| !self.settings.disable_conf_change_validation) {
            Some(reason) => {
                info!(
                    self.logger,
                    "{} ignoring conf change {} at config {config}: {reason}",
                    self.id,
                    describe::conf_change(&change)
                );
                entries[position] = Entry::default();
            }
            None => {
                self.pending_conf_index = Index(self.log.last_index().0 + position as u64 + 1);
            }
        }
    }

    /// Appends entries of this leader's; false if the log's uncommitted part is full.
    pub(super) fn append_entries(&mut self, mut entries: Vec<Entry>) -> bool {
        let size = payload_size(&entries);
        let total = self.uncommitted_size.saturating_add(size);
        // A single proposal of any size finds room, and so do entries without content.
        let refused =
            self.uncommitted_size > 0 && size > 0 && total > self.settings.uncommitted_size_max;
        if refused {
            warning!(
                self.logger,
                "{} appending new entries to log would exceed uncommitted entry size limit; dropping proposal",
                self.id
            );
            return false;
        }
        self.uncommitted_size = total;
        let last = self.log.last_index().0;
        for (entry, index) in entries.iter_mut().zip(last + 1..) {
            entry.term = self.term.0;
            entry.index = index;
        }
        let last = self.log.append(entries);
        // The leader counts its own entries when they are stored, by its own acknowledgement.
        let own = message(MessageType::AppResp, self.id);
        self.send(Message { index: last.0, ..own });
        true
    }

    /// Gives room back for entries that are applied.
    pub(super) fn reduce_uncommitted_size(&mut self, entries: &[Entry]) {
        self.uncommitted_size = self.uncommitted_size.saturating_sub(payload_size(entries));
    }
}
