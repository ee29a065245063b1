//! The face of a member: what its driver calls.
//!
//! The driver passes in messages, ticks and proposals, asks for a [`Ready`], has it done, and says
//! so. Nothing here blocks or waits.
//!
//! Invariant: with synchronous writes at most one [`Ready`] is out and not advanced.

use bytes::Bytes;
use proto::raftpb::{ConfState, Entry, HardState, Message, MessageType};
use types::{Index, MemberId, Term};

use crate::confchange::{self, ConfChangeEntry};
use crate::config::{Config, StorageWrites};
use crate::error::{Error, Result};
use crate::log::Apply;
use crate::raft::{Raft, Role, SoftState};
use crate::ready::{Ready, StorageAppend, StorageApply};
use crate::status::Status;
use crate::storage::{Storage, StorageError};
use crate::{LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, NONE};

/// How a snapshot's way to a follower ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotStatus {
    /// It arrived.
    Finish,
    /// It did not.
    Failure,
}

/// One member of a raft cluster (etcd-raft's `RawNode`).
pub struct RawNode<S: Storage> {
    pub(crate) raft: Raft<S>,
    previous_soft_state: SoftState,
    pub(crate) previous_hard_state: HardState,
    /// What the driver's `advance` acknowledges.
    steps_on_advance: Vec<Message>,
}

impl<S: Storage> RawNode<S> {
    /// A member that goes on from what its storage holds.
    ///
    /// # Errors
    /// If settings make no sense or the stored state contradicts itself.
    pub fn new(config: Config, storage: S) -> Result<Self> {
        let raft = Raft::new(config, storage)?;
        Ok(Self {
            previous_soft_state: raft.soft_state(),
            previous_hard_state: raft.hard_state(),
            raft,
            steps_on_advance: Vec::new(),
        })
    }

    /// Lets one tick pass.
    pub fn tick(&mut self) {
        self.raft.tick();
    }

    /// Campaigns now, if this member may.
    pub fn campaign(&mut self) {
        let hup = Message { message_type: MessageType::Hup, ..Message::default() };
        self.step_infallible(hup);
    }

    /// Proposes an entry, here or by way of the leader. It may be lost without notice.
    ///
    /// # Errors
    /// `ProposalDropped` if it is not taken.
    pub fn propose(&mut self, data: Bytes) -> Result<()> {
        self.propose_entries(vec![Entry { data, ..Entry::default() }])
    }

    /// Proposes several entries at once, which cost one message to each follower.
    ///
    /// # Errors
    /// `ProposalDropped` if they are not taken; then none is.
    pub fn propose_batch(&mut self, contents: Vec<Bytes>) -> Result<()> {
        if contents.is_empty() {
            return Ok(());
        }
        let entry = |data| Entry { data, ..Entry::default() };
        self.propose_entries(contents.into_iter().map(entry).collect())
    }

    /// Proposes an entry only if this member leads this term; it is never forwarded.
    ///
    /// # Errors
    /// `NotLeader` if it does not; `ProposalDropped` if the entry is not taken.
    pub fn propose_if_leader(&mut self, term: Term, data: Bytes) -> Result<()> {
        if self.raft.role != Role::Leader || self.raft.term != term {
            return Err(Error::NotLeader { term });
        }
        self.propose(data)
    }

    /// Proposes a configuration change. If it cannot be made now, the leader puts an empty entry
    /// in its place.
    ///
    /// # Errors
    /// `ProposalDropped` if it is not taken.
    pub fn propose_conf_change(&mut self, change: &ConfChangeEntry) -> Result<()> {
        let (entry_type, data) = change.encode();
        self.propose_entries(vec![Entry { entry_type, data, ..Entry::default() }])
    }

    fn propose_entries(&mut self, entries: Vec<Entry>) -> Result<()> {
        let message_type = MessageType::Prop;
        let from = self.raft.id.0;
        self.raft.step(Message { message_type, from, entries, ..Message::default() })
    }

    /// Applies the committed configuration change of the entry at `index`; to be called in the
    /// order of the log, before later entries are applied. A change that the server rejected is
    /// passed with its member's id set to 0, or not at all. One that a snapshot has overtaken
    /// changes nothing: the snapshot's configuration holds since it was received.
    ///
    /// # Errors
    /// If the configuration cannot be changed so; then it is not changed.
    pub fn apply_conf_change(
        &mut self,
        index: Index,
        change: ConfChangeEntry,
    ) -> Result<ConfState> {
        if index < self.raft.log.first_index() {
            return Ok(self.raft.tracker.config().conf_state());
        }
        Ok(self.raft.apply_conf_change(&change.into_v2())?)
    }

    /// Takes a message of another member.
    ///
    /// # Errors
    /// `ProposalDropped` for a forwarded proposal that is not taken; the others say what is wrong
    /// with the message or, `LogLost` and `CommittedConflict`, with this member's log.
    pub fn step(&mut self, message: Message) -> Result<()> {
        self.raft.validate(&message)?;
        self.raft.step(message)
    }

    /// Takes a response of a [`StorageAppend`] or [`StorageApply`] job that is done, addressed to
    /// this member.
    pub fn storage_response(&mut self, response: Message) {
        debug_assert_eq!(response.to, self.raft.id.0, "a response for another member");
        if response.message_type == MessageType::StorageAppendResp {
            self.raft.stall.acknowledged();
        }
        self.step_infallible(response);
    }

    /// The requests of the last [`Ready`] for stored entries are answered, as far as they can be.
    pub fn log_read_done(&mut self) {
        self.raft.log_read_done();
    }

    /// Asks for the index that a linearizable read has to wait for; it comes in
    /// [`Ready::read_states`] with this context, or not at all if the request is lost or no leader
    /// is known.
    pub fn read_index(&mut self, context: Bytes) {
        let entries = vec![Entry { data: context, ..Entry::default() }];
        let message_type = MessageType::ReadIndex;
        self.step_infallible(Message { message_type, entries, ..Message::default() });
    }

    /// The last message to this member did not get through.
    pub fn report_unreachable(&mut self, id: MemberId) {
        let message_type = MessageType::Unreachable;
        self.step_infallible(Message { message_type, from: id.0, ..Message::default() });
    }

    /// How the snapshot to this member ended. Without it the member gets no entries any more.
    pub fn report_snapshot(&mut self, id: MemberId, status: SnapshotStatus) {
        let message_type = MessageType::SnapStatus;
        let reject = status == SnapshotStatus::Failure;
        self.step_infallible(Message { message_type, from: id.0, reject, ..Message::default() });
    }

    /// Asks the leader to hand over to this member.
    pub fn transfer_leader(&mut self, transferee: MemberId) {
        let message_type = MessageType::TransferLeader;
        self.step_infallible(Message { message_type, from: transferee.0, ..Message::default() });
    }

    /// A follower forgets who leads, without waiting for the election timeout: then it grants
    /// votes although it heard from the leader lately.
    pub fn forget_leader(&mut self) {
        let message_type = MessageType::ForgetLeader;
        self.step_infallible(Message { message_type, ..Message::default() });
    }

    /// Steps a message of this member's own, which is never a proposal.
    fn step_infallible(&mut self, message: Message) {
        let outcome = self.raft.step(message);
        debug_assert!(outcome.is_ok(), "only messages from outside can be wrong: {outcome:?}");
    }

    /// Whether [`ready`](Self::ready) would give something to do.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        let raft = &self.raft;
        let hard_state = raft.hard_state();
        raft.soft_state() != self.previous_soft_state
            || (!hard_state.is_empty() && hard_state != self.previous_hard_state)
            || raft.log.unstable.next_snapshot().is_some()
            || !raft.messages.is_empty()
            || !raft.messages_after_append.is_empty()
            || raft.log.unstable.has_next_entries()
            || raft.log.has_next_committed(self.which_to_apply())
            || !raft.read_states.is_empty()
            || raft.log_reads.has_requests()
    }

    /// Takes out everything that is to be done. It has to be done.
    ///
    /// # Panics
    /// With synchronous writes, if the one before was not advanced.
    pub fn ready(&mut self) -> Ready {
        assert!(
            self.steps_on_advance.is_empty(),
            "two accepted Ready structs without call to Advance"
        );
        let mut ready = self.take_state_changes();
        ready.entries = self.raft.log.unstable.next_entries();
        ready.snapshot = self.raft.log.unstable.next_snapshot().cloned();
        ready.committed_entries = self.take_committed();
        ready.must_sync |= !ready.entries.is_empty();
        ready.messages = std::mem::take(&mut self.raft.messages);
        ready.log_reads = self.raft.log_reads.take_requests();
        let after_append = std::mem::take(&mut self.raft.messages_after_append);
        if self.is_asynchronous() {
            self.make_jobs(&mut ready, after_append);
        } else {
            self.note_steps(&mut ready, after_append);
        }
        self.raft.log.unstable.accept_in_progress();
        ready
    }

    fn is_asynchronous(&self) -> bool {
        self.raft.settings.storage_writes == StorageWrites::Asynchronous
    }

    fn which_to_apply(&self) -> Apply {
        if self.is_asynchronous() { Apply::Stored } else { Apply::Committed }
    }

    fn take_state_changes(&mut self) -> Ready {
        let mut ready = Ready::default();
        let soft_state = self.raft.soft_state();
        if soft_state != self.previous_soft_state {
            self.previous_soft_state = soft_state;
            ready.soft_state = Some(soft_state);
        }
        let (now, before) = (self.raft.hard_state(), self.previous_hard_state);
        ready.must_sync = (now.term, now.vote) != (before.term, before.vote);
        if now != before && !now.is_empty() {
            self.previous_hard_state = now;
            ready.hard_state = Some(now);
        }
        ready.read_states = std::mem::take(&mut self.raft.read_states);
        ready
    }

    fn take_committed(&mut self) -> Vec<Entry> {
        let which = self.which_to_apply();
        match self.raft.log.next_committed(which) {
            Ok(entries) => {
                self.raft.log.accept_applying(&entries, which);
                entries
            }
            Err(StorageError::Unavailable) => {
                let range = self.raft.log.stored_range(self.raft.log.applying.index().next());
                let size_max = self.raft.log.applying.size_max();
                self.raft.log_reads.want(range, size_max);
                self.raft.log.applying.set_reading(true);
                Vec::new()
            }
            Err(error) => panic!("unexpected error when getting unapplied entries ({error})"),
        }
    }

    /// The report that everything handed out so far is stored; `None` if nothing depends on it.
    fn append_response(&self, ready: &Ready) -> Option<Message> {
        let unstable = self.raft.log.unstable.len() > 0;
        if !unstable && ready.snapshot.is_none() {
            return None;
        }
        let mut response = Message {
            message_type: MessageType::StorageAppendResp,
            to: self.raft.id.0,
            from: LOCAL_APPEND_THREAD.0,
            term: self.raft.term.0,
            snapshot: ready.snapshot.clone().map(Box::new),
            ..Message::default()
        };
        if unstable {
            let last = self.raft.log.last_id();
            response.index = last.index.0;
            response.log_term = last.term.0;
        }
        Some(response)
    }

    fn apply_response(&self, entries: &[Entry]) -> Option<Message> {
        (!entries.is_empty()).then(|| Message {
            message_type: MessageType::StorageApplyResp,
            to: self.raft.id.0,
            from: LOCAL_APPLY_THREAD.0,
            entries: entries.to_vec(),
            ..Message::default()
        })
    }

    fn make_jobs(&mut self, ready: &mut Ready, mut responses: Vec<Message>) {
        let nothing = ready.entries.is_empty()
            && ready.hard_state.is_none()
            && ready.snapshot.is_none()
            && responses.is_empty();
        if !nothing {
            // The report comes after this member's own acknowledgements, so that those find the
            // terms of their entries still here.
            if let Some(report) = self.append_response(ready) {
                self.raft.stall.handed_out();
                responses.push(report);
            }
            ready.append = Some(StorageAppend {
                hard_state: ready.hard_state.take(),
                entries: std::mem::take(&mut ready.entries),
                snapshot: ready.snapshot.take(),
                responses,
            });
        }
        let entries = std::mem::take(&mut ready.committed_entries);
        if let Some(response) = self.apply_response(&entries) {
            ready.apply = Some(StorageApply { entries, responses: vec![response] });
        }
    }

    fn note_steps(&mut self, ready: &mut Ready, after_append: Vec<Message>) {
        let id = self.raft.id.0;
        let (own, others) =
            after_append.into_iter().partition(|message: &Message| message.to == id);
        self.steps_on_advance = own;
        ready.messages.extend::<Vec<_>>(others);
        self.steps_on_advance.extend(self.append_response(ready));
        self.steps_on_advance.extend(self.apply_response(&ready.committed_entries));
    }

    /// With synchronous writes: the last [`Ready`] is done.
    ///
    /// # Panics
    /// With asynchronous writes, where responses take its place.
    pub fn advance(&mut self) {
        assert!(
            !self.is_asynchronous(),
            "Advance must not be called when using AsyncStorageWrites"
        );
        for message in std::mem::take(&mut self.steps_on_advance) {
            self.step_infallible(message);
        }
    }

    /// The stored log as the core sees it.
    #[must_use]
    pub fn storage(&self) -> &S {
        &self.raft.log.storage
    }

    /// The stored log, to tell it what was written.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.raft.log.storage
    }

    /// The bytes of entries' contents that are not known to be stored.
    #[must_use]
    pub fn unstable_size(&self) -> u64 {
        self.raft.log.unstable.bytes()
    }

    /// Who leads, and what this member is.
    #[must_use]
    pub fn soft_state(&self) -> SoftState {
        self.raft.soft_state()
    }

    /// Term, vote and commit index; maybe not stored yet.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.raft.hard_state()
    }

    /// The term.
    #[must_use]
    pub fn term(&self) -> Term {
        self.raft.term
    }

    /// The last index of the log; maybe not stored yet.
    #[must_use]
    pub fn last_index(&self) -> Index {
        self.raft.log.last_index()
    }

    /// The first entry behind the last compaction or snapshot.
    #[must_use]
    pub fn first_index(&self) -> Index {
        self.raft.log.first_index()
    }

    /// The term of the entry at `index`, stored or not.
    ///
    /// # Errors
    /// `Compacted` or `Unavailable` if the log has no such entry.
    pub fn log_term(&self, index: Index) -> std::result::Result<Term, StorageError> {
        self.raft.log.term(index)
    }

    /// Checks the relations that hold between any two calls. For tests and the simulator.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check_invariants(&self) {
        self.raft.log.check_invariants();
        self.raft.tracker.check_invariants();
    }

    /// A copy of everything there is to see.
    #[must_use]
    pub fn status(&self) -> Status {
        let raft = &self.raft;
        let leads = raft.role == Role::Leader;
        let progress = if leads { raft.tracker.progress().clone() } else { Default::default() };
        Status {
            id: raft.id,
            hard_state: raft.hard_state(),
            soft_state: raft.soft_state(),
            applied: raft.log.applying.applied(),
            lead_transferee: raft.lead_transferee,
            config: raft.tracker.config().clone(),
            progress,
        }
    }

    /// Whether this member leads and is asked to hand over.
    #[must_use]
    pub fn is_transferring(&self) -> bool {
        self.raft.lead_transferee != NONE
    }

    /// Sets the ticks until the next election, until the member's role changes. For scripted
    /// tests; otherwise chance sets it.
    pub fn set_randomized_election_timeout(&mut self, ticks: u32) {
        self.raft.randomized_election_timeout = ticks;
    }

    /// Checks a configuration change against the present configuration without making it.
    ///
    /// # Errors
    /// As [`apply_conf_change`](Self::apply_conf_change).
    pub fn check_conf_change(&self, change: ConfChangeEntry) -> Result<ConfState> {
        let changed = confchange::apply(self.raft.tracker.config(), &change.into_v2())?;
        Ok(changed.config.conf_state())
    }
}

#[cfg(test)]
#[path = "raw_node_test.rs"]
mod tests;
