//! A follower gets a snapshot in place of entries.

use proto::raftpb::{ConfState, Message, MessageType, Snapshot};
use types::{Index, MemberId, Term};

use super::send::message;
use super::{Raft, Role};
use crate::NONE;
use crate::confchange::{self, Changed};
use crate::describe;
use crate::error::Result;
use crate::log::EntryId;
use crate::logger::{info, warning};
use crate::storage::Storage;
use crate::tracker::Tracker;

impl<S: Storage> Raft<S> {
    pub(super) fn on_snapshot(&mut self, m: Message) -> Result<()> {
        let snapshot = m.snapshot.map(|snapshot| *snapshot).unwrap_or_default();
        let (index, term) = (snapshot.metadata.index, snapshot.metadata.term);
        let restored = self.restore(snapshot)?;
        let committed = self.log.committed;
        let verb = if restored { "restored" } else { "ignored" };
        info!(
            self.logger,
            "{} [commit: {committed}] {verb} snapshot [index: {index}, term: {term}]", self.id
        );
        let last = if restored { self.log.last_index() } else { committed };
        let response = message(MessageType::AppResp, MemberId(m.from));
        self.send(Message { index: last.0, ..response });
        Ok(())
    }

    /// Replaces log and configuration; false if the snapshot brings nothing.
    fn restore(&mut self, snapshot: Snapshot) -> Result<bool> {
        let metadata = &snapshot.metadata;
        let at = EntryId { term: Term(metadata.term), index: Index(metadata.index) };
        if at.index <= self.log.committed {
            return Ok(false);
        }
        if self.role != Role::Follower {
            warning!(
                self.logger,
                "{} attempted to restore snapshot as leader; should never happen",
                self.id
            );
            self.become_follower(Term(self.term.0 + 1), NONE);
            return Ok(false);
        }
        if !self.is_named_in(&metadata.conf_state) {
            warning!(
                self.logger,
                "{} attempted to restore snapshot but it is not in the ConfState {}; should never happen",
                self.id,
                describe::conf_state(&metadata.conf_state)
            );
            return Ok(false);
        }
        if self.log.matches(at) {
            self.log_restore("fast-forwarded commit to", at);
            self.log.commit_to(at.index);
            return Ok(false);
        }
        let config = confchange::restore(&metadata.conf_state)?;
        self.log.restore(snapshot);
        self.tracker = Tracker::new(self.tracker.limits());
        self.switch_to_config(Changed { config, replaced: Default::default() });
        self.log_restore("restored", at);
        Ok(true)
    }

    fn is_named_in(&self, state: &ConfState) -> bool {
        // Who is to become a learner is still an outgoing voter.
        let lists = [&state.voters, &state.learners, &state.voters_outgoing];
        lists.iter().any(|ids| ids.contains(&self.id.0))
    }

    fn log_restore(&self, verb: &str, at: EntryId) {
        let last = self.log.last_id();
        info!(
            self.logger,
            "{} [commit: {}, lastindex: {}, lastterm: {}] {verb} snapshot [index: {}, term: {}]",
            self.id,
            self.log.committed,
            last.index,
            last.term,
            at.index,
            at.term
        );
    }
}
