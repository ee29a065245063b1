//! The raft thread's core: raft itself, and the reads that wait for it.
//!
//! A state machine: [`Event`]s in, [`Action`]s out. Knows nothing of what entries mean, of files or
//! of sockets. Time is an argument.
//!
//! Invariants: what raft wants stored or applied is handed out in order and once; entries enter the
//! log in memory when they are stored, before raft hears of it; the configuration equals apply's;
//! a snapshot is handed out for installing before any entry behind it is for applying.

use bytes::Bytes;
use env::Monotonic;
use proto::raftpb::{ConfState, Entry, Message, MessageType, Snapshot};
use raft::confchange::ConfChangeEntry;
use raft::{MemoryStorage, RawNode, Role, SnapshotStatus, SoftState, Storage};
use types::{Index, MemberId, Term};

use crate::in_flight::InFlight;
use crate::log::Append;
use crate::probation::Probation;
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
    /// A message of another member. One with a snapshot comes when the database is on the disk.
    Message(Box<Message>),
    /// The last messages to this member did not get through.
    Unreachable(MemberId),
    /// A snapshot's way to this member has ended.
    SnapshotSent(MemberId, SnapshotStatus),
    /// Others have not seen this founder: it takes part, on probation.
    Admitted,
    /// No other voter has seen this member: it has promised nothing.
    Trusted,
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
    /// Somebody wants to know how far the members are.
    Progress {
        /// Who asks.
        id: u64,
    },
    /// Somebody wants to see raft's state.
    Show {
        /// Who asks.
        id: u64,
    },
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
    /// Make the database that came with this stored snapshot the state.
    Install(Box<Snapshot>),
    /// Send these to other members.
    Send(Vec<Message>),
    /// Send this with a snapshot of what is applied in place of the one in it; then tell by
    /// [`Event::SnapshotSent`].
    SendSnapshot(Box<Message>),
    /// Nobody needs stored entries before this one any more.
    Release(Index),
    /// These reads may be answered from a view at or after the index.
    Reads(Index, Vec<R>),
    /// Reads have waited so long that they are asked for again.
    LateRead,
    /// A proposal was not taken.
    Dropped(u64),
    /// How far the members are, for who asked; `None` if this one does not lead.
    Progress(u64, Option<Vec<(MemberId, Index)>>),
    /// Raft's state as JSON, for who asked.
    Shown(u64, String),
    /// Stored entries are needed in memory.
    Fetch(raft::LogRead),
    /// The member is not on probation any more; what proves that is durable once this is applied.
    Proven(Index),
    /// Another leads than before, or nobody, in the words of etcd's raft.
    Leader(String),
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
    /// Who leads, as it was last told.
    lead: MemberId,
    /// Somebody else leads since the last round of reads began.
    leader_changed: bool,
    /// It has not led since it started.
    eager: bool,
    /// The last of the entries that the log was begun with at this start.
    founding: Index,
    /// What it must not do yet: its log began empty.
    probation: Option<Probation>,
    /// Snapshots on their way to others.
    in_flight: InFlight,
    /// Entries up to here are not needed any more, once no snapshot is on its way.
    compact_to: Index,
}

impl<R> Consensus<R> {
    /// Raft as it starts; `ids` names the rounds of reads.
    #[must_use]
    pub fn new(me: MemberId, raw: RawNode<MemoryStorage>, ids: RequestIds) -> Self {
        Self {
            me,
            raw,
            reads: Reads::default(),
            ids,
            batch: Vec::new(),
            lead: MemberId(0),
            leader_changed: false,
            eager: true,
            founding: Index(0),
            probation: None,
            in_flight: InFlight::default(),
            compact_to: Index(0),
        }
    }

    /// The log was just begun with the changes that add this many members. Raft has all of them from
    /// the first moment, apply one after another.
    #[must_use]
    pub fn founded_by(self, members: usize) -> Self {
        Self { founding: Index(members as u64), ..self }
    }

    /// It is on probation.
    #[must_use]
    pub fn on(self, probation: Option<Probation>) -> Self {
        Self { probation, ..self }
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
            self.take(now, event, &mut actions);
        }
        self.campaign_alone();
        self.propose_batch(&mut actions);
        self.read(now, &mut actions);
        while self.raw.has_ready() {
            self.ready(&mut actions);
            self.read(now, &mut actions);
        }
        self.compact(now, &mut actions);
        self.look_at_probation(&mut actions);
        actions
    }

    fn hears(&self, message: &Message) -> bool {
        self.probation.is_none_or(|probation| probation.hears(message))
    }

    /// Whether it may become a candidate. Who is more than a follower already has to see to that.
    fn may_stand(&self) -> bool {
        let Some(probation) = self.probation else { return true };
        let index = self.raw.last_index();
        self.raw.soft_state().role != Role::Follower
            || self.raw.log_term(index).is_ok_and(|term| probation.may_stand((index, term)))
    }

    /// Ends the probation of a leader, of a sole voter, and of who is as far as its leader.
    fn look_at_probation(&mut self, actions: &mut Vec<Action<R>>) {
        if self.probation.is_none() {
            return;
        }
        let status = self.raw.status();
        let (role, committed) = (status.soft_state.role, Index(status.hard_state.commit));
        let is_alone = status.config.conf_state().voters == [self.me.get()];
        if (is_alone && status.applied >= committed)
            || (role == Role::Leader && self.is_of_this_term(committed))
        {
            self.end_probation(committed, actions);
        }
    }

    fn is_of_this_term(&self, index: Index) -> bool {
        self.raw.log_term(index) == Ok(self.raw.term())
    }

    fn end_probation(&mut self, proof: Index, actions: &mut Vec<Action<R>>) {
        if self.probation.take().is_some() {
            actions.push(Action::Proven(proof));
        }
    }

    fn take(&mut self, now: Monotonic, event: Event<R>, actions: &mut Vec<Action<R>>) {
        match event {
            Event::Tick if !self.may_stand() => {}
            Event::Tick => self.raw.tick(),
            Event::Propose { id, data } => self.batch.push((id, data)),
            // Its maker asks again as long as it leads.
            Event::ProposeIfLeader { term, data } => {
                let _ = if env::planted!("lease-revoke-forwarded") {
                    self.raw.propose(data)
                } else {
                    self.raw.propose_if_leader(term, data)
                };
            }
            Event::ProposeConfChange { id, change } => {
                if self.raw.propose_conf_change(&change).is_err() {
                    actions.push(Action::Dropped(id));
                }
            }
            Event::Message(message) if self.hears(&message) => self.message(*message, actions),
            Event::Message(_) => {}
            Event::Unreachable(member) => self.raw.report_unreachable(member),
            Event::SnapshotSent(member, status) => {
                self.in_flight.ended(now, member, status);
                self.raw.report_snapshot(member, status);
            }
            Event::Admitted => self.probation = self.probation.map(Probation::admitted),
            Event::Trusted => self.end_probation(Index(0), actions),
            Event::Appended(append) => self.appended(append, actions),
            Event::Applied(responses) => self.deliver(responses, actions),
            Event::ConfChange { index, change, conf_state } => {
                self.conf_change(index, change, &conf_state);
            }
            Event::Read(read) => self.reads.add(read),
            Event::SnapshotSaved { snapshot, compact_to } => {
                self.snapshot_saved(*snapshot, compact_to);
            }
            Event::Transfer(member) => self.raw.transfer_leader(member),
            Event::Progress { id } => actions.push(Action::Progress(id, self.progress())),
            Event::Show { id } => actions.push(Action::Shown(id, self.raw.status().to_string())),
            Event::Fetched(entries) => {
                self.raw.storage_mut().insert_fetched(entries);
                self.raw.log_read_done();
            }
        }
    }

    fn message(&mut self, message: Message, actions: &mut Vec<Action<R>>) {
        let (from, kind) = (MemberId(message.from), message.message_type);
        let (term, commit) = (Term(message.term), Index(message.commit));
        match self.raw.step(message) {
            // A heartbeat's commit index is cut to what the leader knows to be here.
            Ok(()) if kind == MessageType::App => self.led(term, commit, actions),
            Ok(()) => {}
            Err(error @ (raft::Error::LogLost { .. } | raft::Error::CommittedConflict { .. })) => {
                tracing::error!(%error, %from, "this member's log is not what it told its leader: \
                    remove the member and add it anew");
            }
            Err(error) => tracing::debug!(%error, %from, %kind, "refused a raft message"),
        }
    }

    /// A leader said what is committed.
    fn led(&mut self, term: Term, commit: Index, actions: &mut Vec<Action<R>>) {
        let committed = Index(self.raw.hard_state().commit);
        let is_told = term == self.raw.term() && committed >= commit;
        if self.probation.is_some() && is_told && self.is_of_this_term(committed) {
            self.end_probation(committed, actions);
        }
    }

    fn progress(&self) -> Option<Vec<(MemberId, Index)>> {
        let status = self.raw.status();
        let progress = status.progress.iter().map(|(id, progress)| (*id, progress.matched));
        status.is_leader().then(|| progress.collect())
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
        let Append { hard_state, snapshot, entries, responses } = append;
        let storage = self.raw.storage_mut();
        if let Some(snapshot) = snapshot {
            env::fail_point!("raftBeforeApplySnap");
            let applied = storage.apply_snapshot((*snapshot).clone());
            applied.expect("raft restores only what is newer than its log");
            env::fail_point!("raftAfterApplySnap");
            actions.push(Action::Install(snapshot));
        }
        let storage = self.raw.storage_mut();
        storage.append(&entries);
        if let Some(hard_state) = hard_state {
            storage.set_hard_state(hard_state);
        }
        env::fail_point!("raftBeforeAdvance");
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
            env::fail_point!("raftBeforeFollowerSend");
            actions.push(Action::Send(others));
        }
    }

    fn conf_change(&mut self, index: Index, change: Option<ConfChangeEntry>, expected: &ConfState) {
        let Some(change) = change else { return };
        // A snapshot has overtaken it: raft has the snapshot's configuration.
        if index < self.raw.first_index() {
            return;
        }
        let made = self.raw.apply_conf_change(index, change);
        let conf_state = made.expect("apply made the same change of the same configuration");
        let is_ahead = index < self.founding;
        assert!(
            is_ahead || conf_state == *expected,
            "raft has {conf_state:?}, apply has {expected:?}"
        );
        let ids = [&conf_state.voters, &conf_state.learners];
        self.in_flight.retain(|id| ids.iter().any(|ids| ids.contains(&id.get())));
    }

    fn snapshot_saved(&mut self, snapshot: Snapshot, compact_to: Index) {
        let metadata = snapshot.metadata;
        let storage = self.raw.storage_mut();
        // A newer one may have been stored meanwhile; then this one tells nothing new.
        let index = Index(metadata.index);
        if storage.create_snapshot(index, metadata.conf_state, snapshot.data).is_ok() {
            self.compact_to = self.compact_to.max(compact_to);
        }
    }

    /// Lets go of old entries, unless somebody who gets a snapshot will need them next.
    fn compact(&mut self, now: Monotonic, actions: &mut Vec<Action<R>>) {
        if self.compact_to < self.raw.storage().first_index() || self.in_flight.holds(now) {
            return;
        }
        let compacted = self.raw.storage_mut().compact(self.compact_to);
        compacted.expect("it is behind a snapshot that was made of the log");
        actions.push(Action::Release(self.compact_to));
    }

    /// Asks for the index of the reads that wait. What was asked of a leader that is gone is asked
    /// again at once.
    fn read(&mut self, now: Monotonic, actions: &mut Vec<Action<R>>) {
        let id = if self.reads.is_due() {
            let id = self.ids.next();
            self.reads.begin(id, now);
            id
        } else if self.reads.is_late(now) || (self.leader_changed && self.reads.is_under_way()) {
            let id = self.ids.next();
            if self.reads.is_late(now) {
                actions.push(Action::LateRead);
            }
            self.reads.retry(id, now);
            id
        } else {
            return;
        };
        self.leader_changed = false;
        self.raw.read_index(Bytes::copy_from_slice(&id.to_be_bytes()));
    }

    fn ready(&mut self, actions: &mut Vec<Action<R>>) {
        let ready = self.raw.ready();
        if let Some(soft_state) = ready.soft_state {
            self.leader_changed |= soft_state.lead != MemberId(0);
            let before = std::mem::replace(&mut self.lead, soft_state.lead);
            let term = self.raw.term().get();
            let change = raft::describe::leader_change(self.me, before, soft_state, term);
            actions.extend(change.map(Action::Leader));
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
        if self.raw.soft_state().role == Role::Leader {
            env::fail_point!("raftBeforeLeaderSend");
        }
        self.send(ready.messages, actions);
        if let Some(append) = ready.append {
            let raft::StorageAppend { hard_state, snapshot, entries, responses } = append;
            let snapshot = snapshot.map(Box::new);
            actions.push(Action::Append(Append { hard_state, snapshot, entries, responses }));
        }
        if let Some(apply) = ready.apply {
            let raft::StorageApply { entries, responses } = apply;
            actions.push(Action::Apply { entries, responses });
        }
        actions.extend(ready.log_reads.into_iter().map(Action::Fetch));
    }

    fn send(&mut self, messages: Vec<Message>, actions: &mut Vec<Action<R>>) {
        let is_snapshot = |message: &Message| message.message_type == MessageType::Snap;
        let (snapshots, messages): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| is_snapshot(message));
        if !messages.is_empty() {
            actions.push(Action::Send(messages));
        }
        for snapshot in snapshots {
            self.in_flight.began(MemberId(snapshot.to));
            actions.push(Action::SendSnapshot(Box::new(snapshot)));
        }
    }
}
