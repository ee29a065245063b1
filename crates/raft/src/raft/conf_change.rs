//! A configuration takes effect.

use proto::raftpb::{ConfChangeV2, ConfState};
use types::MemberId;

use super::replicate::Empty;
use super::{Raft, Role};
use crate::NONE;
use crate::confchange::{self, Changed};
use crate::logger::info;
use crate::storage::Storage;

impl<S: Storage> Raft<S> {
    pub(crate) fn apply_conf_change(
        &mut self,
        change: &ConfChangeV2,
    ) -> Result<ConfState, confchange::Error> {
        let changed = confchange::apply(self.tracker.config(), change)?;
        Ok(self.switch_to_config(changed))
    }

    /// Uses a configuration from now on, and does what follows from it at once: with other voters
    /// more may be committed, new members get entries, a removed leader steps down if it should.
    pub(super) fn switch_to_config(&mut self, changed: Changed) -> ConfState {
        self.tracker.switch(changed, self.log.last_index());
        let config = self.tracker.config();
        info!(self.logger, "{} switched to configuration {config}", self.id);
        let state = config.conf_state();
        if self.role != Role::Leader {
            return state;
        }
        if self.tracker.get(self.id).is_none_or(|own| own.is_learner) {
            if self.settings.step_down_on_removal {
                self.become_follower(self.term, NONE);
            }
            return state;
        }
        if self.maybe_commit() {
            self.broadcast_append();
        } else {
            for id in self.tracker.others(self.id) {
                self.maybe_send_append(id, Empty::Skip);
            }
        }
        self.abort_transfer_to_outsider();
        // Voters that did not answer may be gone.
        self.answer_confirmed_reads();
        state
    }

    fn abort_transfer_to_outsider(&mut self) {
        let transferee: MemberId = self.lead_transferee;
        if transferee != NONE && !self.tracker.config().voters.contains(transferee) {
            self.abort_leader_transfer();
        }
    }
}
