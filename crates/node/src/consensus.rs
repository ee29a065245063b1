//! The raft thread's core: raft itself, and the reads that wait for it.
//!
//! A state machine: [`Event`]s in, [`Action`]s out. Knows nothing of what entries mean, of files or
//! of sockets. Time is an argument.
//!
//! Invariants: what raft wants stored or applied is handed out in order and once; entries enter the
//! log in memory when they are stored, before raft hears of it; the configuration equals apply's.

use bytes::Bytes;
use env::Monotonic;
use proto::raftpb::{ConfState, Entry, Message, Snapshot};
use raft::confchange::ConfChangeEntry;
use raft::{MemoryStorage, RawNode, Role, SoftState};
use types::{Index, MemberId, Term};

use crate::log::Append;
use crate::reads::Reads;
use crate::request_id::RequestIds;

/// What raft is told. `R` is a read that waits.
#[derive(Debug)]
pub enum Event<R> {
    /// A tick has passed.
    Tick,
    /// Somebody proposes a request.
    Propose {
        /// Who waits for it.
        id: u64,
        /// The request, encoded.
        data: Bytes,
    },
    /// This member proposes something that only the leader of a term may.
    ProposeIfLeader {
        /// The term.
        term: Term,
        /// The request, encoded.
        data: Bytes,
    },
    /// Somebody proposes a change of members.
    ProposeConfChange {
        /// Who waits for it.
        id: u64,
        /// The change.
        change: ConfChangeEntry,
    },
    /// A message of another member.
    Message(Box<Message>),
    /// The log has stored an append.
    Appended(Append),
    /// Entries are applied; the messages that waited for that.
    Applied(Vec<Message>),
    /// A configuration change in the log was made, or (`None`) was refused.
    ConfChange {
        /// Where it stands.
        index: Index,
        /// The change.
        change: Option<ConfChangeEntry>,
        /// The configuration after it, as apply has it.
        conf_state: ConfState,
    },
    /// A read wants to know what it has to wait for.
    Read(R),
    /// A snapshot was stored: the log in memory may begin later.
    SnapshotSaved {
        /// The snapshot.
        snapshot: Box<Snapshot>,
        /// Entries up to here are not needed any more.
        compact_to: Index,
    },
    /// Leadership is to go to another member.
    Transfer(MemberId),
    /// Stored entries that raft asked for.
    Fetched(Vec<Entry>),
}

/// What raft wants done, in this order.
#[derive(Debug)]
pub enum Action<R> {
    /// Store this, then tell by [`Event::Appended`].
    Append(Append),
    /// Apply these, then tell by [`Event::Applied`].
    Apply {
        /// In order, each once.
        entries: Vec<Entry>,
        /// To come back.
        responses: Vec<Message>,
    },
    /// Send these to other members.
    Send(Vec<Message>),
    /// These reads may be answered from a view at or after the index.
    Reads(Index, Vec<R>),
    /// A proposal was not taken.
    Dropped(u64),
    /// Stored entries are needed in memory.
    Fetch(raft::LogRead),
    /// Who leads, or this member's role, changed.
    Role(SoftState),
}

/// What others may know of raft.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// The leader; 0 for none.
    pub leader: MemberId,
    /// This member leads.
    pub is_leader: bool,
    /// The term.
    pub term: Term,
    /// What is committed.
    pub committed: Index,
}

/// Raft and the reads that wait for it.
pub struct Consensus<R> {
    me: MemberId,
    raw: RawNode<MemoryStorage>,
    reads: Reads<R>,
    ids: RequestIds,
    /// Proposals of this round, to be made as one.
    batch: Vec<(u64, Bytes)>,
    /// It has not led since it started.
    eager: bool,
}

impl<R> Consensus<R> {
    /// Raft as it starts; `ids` names the rounds of reads.
    #[must_use]
    pub fn new(me: MemberId, raw: RawNode<MemoryStorage>, ids: RequestIds) -> Self {
        Self { me, raw, reads: Reads::default(), ids, batch: Vec::new(), eager: true }
    }

    /// A sole voter campaigns at once when it starts: there is nobody whose word to wait for. Not
    /// before everything committed is applied, since that may hold changes of members.
    fn campaign_alone(&mut self) {
        if !self.eager {
            return;
        }
        let status = self.raw.status();
        if status.soft_state.role == Role::Leader {
            self.eager = false;
        } else if status.soft_state.role == Role::Follower
            && status.applied.get() >= status.hard_state.commit
            && status.config.conf_state().voters == [self.me.get()]
        {
            self.raw.campaign();
        }
    }

    /// What others may know.
    #[must_use]
    pub fn status(&self) -> Status {
        let SoftState { lead, role } = self.raw.soft_state();
        let state = self.raw.hard_state();
        Status {
            leader: lead,
            is_leader: role == Role::Leader,
            term: self.raw.term(),
            committed: Index(state.commit),
        }
    }

    /// Takes everything that has come, and gives what is to be done about it.
    pub fn round(
        &mut self,
        now: Monotonic,
        events: impl Iterator<Item = Event<R>>,
    ) -> Vec<Action<R>> {
        let mut actions = Vec::new();
        for event in events {
            self.take(event, &mut actions);
        }
        self.campaign_alone();
        self.propose_batch(&mut actions);
        self.read(now);
        while self.raw.has_ready() {
            self.ready(&mut actions);
        }
        actions
    }

    fn take(&mut self, event: Event<R>, actions: &mut Vec<Action<R>>) {
        match event {
            Event::Tick => self.raw.tick(),
            Event::Propose { id, data } => self.batch.push((id, data)),
            // Its maker asks again as long as it leads.
            Event::ProposeIfLeader { term, data } => {
                let _ = self.raw.propose_if_leader(term, data);
            }
            Event::ProposeConfChange { id, change } => {
                if self.raw.propose_conf_change(&change).is_err() {
                    actions.push(Action::Dropped(id));
                }
            }
            Event::Message(message) => {
                if let Err(error) = self.raw.step(*message) {
                    tracing::debug!(%error, "refused a raft message");
                }
            }
            Event::Appended(append) => self.appended(append, actions),
            Event::Applied(responses) => self.deliver(responses, actions),
            Event::ConfChange { index, change, conf_state } => {
                self.conf_change(index, change, &conf_state);
            }
            Event::Read(read) => self.reads.add(read),
            Event::SnapshotSaved { snapshot, compact_to } => self.compact(*snapshot, compact_to),
            Event::Transfer(member) => self.raw.transfer_leader(member),
            Event::Fetched(entries) => {
                self.raw.storage_mut().insert_fetched(entries);
                self.raw.log_read_done();
            }
        }
    }

    fn propose_batch(&mut self, actions: &mut Vec<Action<R>>) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let contents = batch.iter().map(|(_, data)| data.clone()).collect();
        if self.raw.propose_batch(contents).is_err() {
            actions.extend(batch.into_iter().map(|(id, _)| Action::Dropped(id)));
        }
    }

    fn appended(&mut self, append: Append, actions: &mut Vec<Action<R>>) {
        let Append { hard_state, entries, responses } = append;
        let storage = self.raw.storage_mut();
        storage.append(&entries);
        if let Some(hard_state) = hard_state {
            storage.set_hard_state(hard_state);
        }
        self.deliver(responses, actions);
    }

    /// Delivers what waited for storage: to raft here, to members elsewhere.
    fn deliver(&mut self, responses: Vec<Message>, actions: &mut Vec<Action<R>>) {
        let me = self.me;
        let (mine, others): (Vec<_>, Vec<_>) =
            responses.into_iter().partition(|message| message.to == me.get());
        for response in mine {
            self.raw.storage_response(response);
        }
        if !others.is_empty() {
            actions.push(Action::Send(others));
        }
    }

    fn conf_change(&mut self, index: Index, change: Option<ConfChangeEntry>, expected: &ConfState) {
        let Some(change) = change else { return };
        let made = self.raw.apply_conf_change(index, change);
        let conf_state = made.expect("apply made the same change of the same configuration");
        assert!(conf_state == *expected, "raft has {conf_state:?}, apply has {expected:?}");
    }

    fn compact(&mut self, snapshot: Snapshot, compact_to: Index) {
        let metadata = snapshot.metadata;
        let storage = self.raw.storage_mut();
        // A newer one may have been stored meanwhile; then this one tells nothing new.
        let index = Index(metadata.index);
        if storage.create_snapshot(index, metadata.conf_state, snapshot.data).is_ok() {
            // Nothing to do when the log begins later already.
            let _ = storage.compact(compact_to);
        }
    }

    fn read(&mut self, now: Monotonic) {
        let id = if self.reads.is_due() {
            let id = self.ids.next();
            self.reads.begin(id, now);
            id
        } else if self.reads.is_late(now) {
            let id = self.ids.next();
            self.reads.retry(id, now);
            id
        } else {
            return;
        };
        self.raw.read_index(Bytes::copy_from_slice(&id.to_be_bytes()));
    }

    fn ready(&mut self, actions: &mut Vec<Action<R>>) {
        let ready = self.raw.ready();
        if let Some(soft_state) = ready.soft_state {
            actions.push(Action::Role(soft_state));
        }
        for state in ready.read_states {
            let id = state.context[..].try_into().map(u64::from_be_bytes);
            if let Some((index, reads)) =
                id.ok().and_then(|id| self.reads.answered(id, state.index))
            {
                actions.push(Action::Reads(index, reads));
            }
        }
        // A leader's messages leave before its own log is synced.
        if !ready.messages.is_empty() {
            actions.push(Action::Send(ready.messages));
        }
        if let Some(append) = ready.append {
            assert!(append.snapshot.is_none(), "nobody sends a sole member a snapshot");
            let raft::StorageAppend { hard_state, entries, responses, .. } = append;
            actions.push(Action::Append(Append { hard_state, entries, responses }));
        }
        if let Some(apply) = ready.apply {
            let raft::StorageApply { entries, responses } = apply;
            actions.push(Action::Apply { entries, responses });
        }
        actions.extend(ready.log_reads.into_iter().map(Action::Fetch));
    }
}
