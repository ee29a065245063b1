//! What followers, and the transport to them, tell their leader.

use proto::raftpb::Message;
use types::{Index, MemberId, Term};

use super::Raft;
use crate::config::ReadOnlyOption;
use crate::logger::{debug, info};
use crate::storage::Storage;
use crate::tracker::ProgressState;

impl<S: Storage> Raft<S> {
    pub(super) fn on_append_response(&mut self, m: &Message) {
        let from = MemberId(m.from);
        if let Some(progress) = self.tracker.get_mut(from) {
            progress.recent_active = true;
        }
        if m.reject {
            self.on_append_refused(m);
        } else {
            self.on_append_acknowledged(from, Index(m.index));
        }
    }

    /// The logs do not meet where the append stood. The follower says where they may; what this
    /// log knows can rule that out and lead further back, a whole term at a time: an entry here of
    /// a higher term than the follower's last candidate cannot be in its log before that.
    fn on_append_refused(&mut self, m: &Message) {
        let from = MemberId(m.from);
        let (rejected, hint) = (Index(m.index), Index(m.reject_hint));
        debug!(
            self.logger,
            "{} received MsgAppResp(rejected, hint: (index {hint}, term {})) from {from} for index {rejected}",
            self.id,
            m.log_term
        );
        let probe = if m.log_term > 0 {
            self.log.find_conflict_by_term(hint, Term(m.log_term)).index
        } else {
            hint
        };
        let Some(progress) = self.tracker.get_mut(from) else {
            return;
        };
        if progress.maybe_decrease(rejected, probe) {
            debug!(self.logger, "{} decreased progress of {from} to [{progress}]", self.id);
            if progress.state == ProgressState::Replicate {
                progress.become_probe();
            }
            self.send_append(from);
        }
    }

    fn on_append_acknowledged(&mut self, from: MemberId, index: Index) {
        let first = self.log.first_index();
        let Some(progress) = self.tracker.get_mut(from) else {
            return;
        };
        // An old index is still news if it brings a probed follower back.
        let probed = progress.state == ProgressState::Probe && progress.matched == index;
        if !progress.maybe_update(index) && !probed {
            return;
        }
        match progress.state {
            ProgressState::Probe => progress.become_replicate(),
            ProgressState::Replicate => progress.inflights.free_to(index),
            // Whatever snapshot it got, it meets this log.
            ProgressState::Snapshot if progress.matched.next() >= first => {
                debug!(
                    self.logger,
                    "{} recovered from needing snapshot, resumed sending replication messages to {from} [{progress}]",
                    self.id
                );
                progress.become_probe();
                progress.become_replicate();
            }
            ProgressState::Snapshot => {}
        }
        self.after_acknowledgement(from);
    }

    fn after_acknowledgement(&mut self, from: MemberId) {
        let committed = self.log.committed;
        let bump = |raft: &Self| {
            raft.tracker.get(from).is_some_and(|progress| progress.can_bump_commit(committed))
        };
        if self.maybe_commit() {
            self.release_pending_reads();
            self.broadcast_append();
        } else if from != self.id && bump(self) {
            // Sooner than the next heartbeat would say it.
            self.send_append(from);
        }
        if from != self.id {
            self.send_all_appends(from);
        }
        self.continue_transfer(from);
    }

    pub(super) fn on_heartbeat_response(&mut self, from: MemberId, context: &[u8]) {
        let last = self.log.last_index();
        let Some(progress) = self.tracker.get_mut(from) else {
            return;
        };
        progress.recent_active = true;
        progress.flow_paused = false;
        if progress.matched < last || progress.state == ProgressState::Probe {
            self.send_append(from);
        }
        if self.settings.read_only == ReadOnlyOption::Safe && !context.is_empty() {
            self.read_only.receive(from, context);
            self.answer_confirmed_reads();
        }
    }

    /// A snapshot reached the follower, or did not.
    pub(super) fn on_snapshot_status(&mut self, m: &Message) {
        let from = MemberId(m.from);
        let Some(progress) = self.tracker.get_mut(from) else {
            return;
        };
        if progress.state != ProgressState::Snapshot {
            return;
        }
        let outcome = if m.reject { "failed" } else { "succeeded" };
        if m.reject {
            // Nothing was installed, so the search begins behind what is known to match.
            progress.pending_snapshot = Index(0);
        }
        progress.become_probe();
        debug!(
            self.logger,
            "{} snapshot {outcome}, resumed sending replication messages to {from} [{progress}]",
            self.id
        );
        // Its answer to the snapshot, or the next heartbeat, comes before the next append.
        progress.flow_paused = true;
    }

    /// Appends sent ahead are probably lost.
    pub(super) fn on_unreachable(&mut self, from: MemberId) {
        let Some(progress) = self.tracker.get_mut(from) else {
            return;
        };
        if progress.state == ProgressState::Replicate {
            progress.become_probe();
        }
        debug!(
            self.logger,
            "{} failed to send message to {from} because it is unreachable [{progress}]", self.id
        );
    }

    /// Tells a member to take over once it has the whole log.
    fn continue_transfer(&mut self, from: MemberId) {
        let last = self.log.last_index();
        let caught_up = self.tracker.get(from).is_some_and(|progress| progress.matched == last);
        if from == self.lead_transferee && caught_up {
            info!(
                self.logger,
                "{} sent MsgTimeoutNow to {from} after received MsgAppResp", self.id
            );
            self.send_timeout_now(from);
        }
    }
}
