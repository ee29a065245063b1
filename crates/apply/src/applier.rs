//! The state machine: what it owns, how it takes an entry, and what it gives for commits and views.

use backend::{Backend, CommitJob, Done, Position, Ticket, TicketId};
use bytes::Bytes;
use membership::Store as Members;
use mvcc::{Compaction, CompactionOrder, Counts, Slice, Store};
use proto::RequestKind;
use proto::error::Error as Known;
use proto::etcdserverpb::InternalRaftRequest;
use proto::raftpb::{ConfState, Entry, EntryType};
use proto::version::Version;
use types::{Index, MemberId, Term};

use crate::alarms::Alarms;
use crate::applied::{Applied, Effect, Response};
use crate::quota::Quota;
use crate::view::View;

/// What the applier is told of this member. Nothing here changes the state, but for rules that all
/// members share.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// This member.
    pub member: MemberId,
    /// `--quota-backend-bytes`.
    pub quota: Quota,
    /// What is left of leases is stored (feature `LeaseCheckpointPersist`).
    pub persist_checkpoints: bool,
    /// `--max-learners`.
    pub learners_max: usize,
}

/// The parts of the state, loaded from the same file.
pub struct Parts {
    /// Their file.
    pub backend: Backend,
    /// Keys.
    pub store: Store,
    /// Leases, with their keys attached.
    pub leases: lease::Leases,
    /// Users and roles.
    pub auth: auth::Store,
    /// Members.
    pub members: Members,
    /// The configuration as of the file's position.
    pub conf_state: ConfState,
}

/// Whether somebody here waits for the answer to an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiter {
    /// Somebody does.
    Present,
    /// Nobody does: what only answers may be left out.
    Absent,
}

/// Why the process has to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file.
    #[error(transparent)]
    Backend(#[from] backend::Error),
    /// An entry is not what any etcd writes.
    #[error("entry {index} cannot be applied: {reason}")]
    Entry {
        /// Where it stands.
        index: Index,
        /// What is wrong with it.
        reason: String,
    },
}

/// The replicated state and its only writer.
pub struct Applier {
    pub(crate) backend: Backend,
    pub(crate) store: Store,
    pub(crate) leases: lease::Leases,
    pub(crate) auth: auth::Store,
    pub(crate) members: Members,
    pub(crate) alarms: Alarms,
    pub(crate) settings: Settings,
    pub(crate) conf_state: ConfState,
    /// The store's operations for the entry that is being applied.
    pub(crate) counts: Counts,
    index: Index,
    term: Term,
}

impl Applier {
    /// The state as it was loaded, as of the file's position.
    ///
    /// # Errors
    /// When the alarms cannot be read.
    pub fn new(parts: Parts, settings: Settings) -> Result<Self, Error> {
        let Parts { backend, store, leases, auth, members, conf_state } = parts;
        let alarms = Alarms::load(&backend)?;
        let position = backend.last_committed().position().clone();
        let (index, term) = (position.index, position.term);
        Ok(Self {
            backend,
            store,
            leases,
            auth,
            members,
            alarms,
            settings,
            conf_state,
            counts: Counts::default(),
            index,
            term,
        })
    }

    /// The last entry applied.
    #[must_use]
    pub const fn index(&self) -> Index {
        self.index
    }

    /// The configuration after it.
    #[must_use]
    pub const fn conf_state(&self) -> &ConfState {
        &self.conf_state
    }

    /// The cluster's members and version.
    #[must_use]
    pub const fn cluster(&self) -> &membership::Cluster {
        self.members.cluster()
    }

    /// The write side of the file, for what is local to this member: its storage version.
    pub const fn backend(&mut self) -> &mut Backend {
        &mut self.backend
    }

    pub(crate) fn cluster_version(&self) -> Option<Version> {
        self.members.cluster().version()
    }

    /// Applies the next entry. `waiter` says whether somebody here waits for the request with an id.
    ///
    /// # Errors
    /// Final: the process ends with the reason.
    ///
    /// # Panics
    /// When the entry is not the next one.
    pub fn apply(
        &mut self,
        entry: &Entry,
        waiter: impl FnOnce(u64) -> Waiter,
    ) -> Result<Applied, Error> {
        assert!(
            entry.index == self.index.0 + 1,
            "entry {} comes after entry {}",
            entry.index,
            self.index
        );
        env::fail_point!("beforeApplyOneEntryNormal");
        let index = Index(entry.index);
        let mut effects = Vec::new();
        self.counts = Counts::default();
        let mut kind = None;
        let (request_id, outcome) = match entry.entry_type {
            EntryType::Normal if entry.data.is_empty() => {
                effects.push(Effect::TermBegun);
                (0, Ok(Response::Empty))
            }
            EntryType::Normal => {
                self.normal(index, &entry.data, waiter, &mut kind, &mut effects)?
            }
            EntryType::ConfChange | EntryType::ConfChangeV2 => {
                env::fail_point!("beforeApplyOneConfChange");
                self.conf_change(entry, &mut effects)?
            }
        };
        self.index = index;
        self.term = Term(entry.term);
        let (revision, counts) = (self.store.revision(), self.counts);
        Ok(Applied { index, request_id, kind, counts, revision, outcome, effects })
    }

    /// A request, in whichever of its forms.
    fn normal(
        &mut self,
        index: Index,
        data: &Bytes,
        waiter: impl FnOnce(u64) -> Waiter,
        kind: &mut Option<RequestKind>,
        effects: &mut Vec<Effect>,
    ) -> Result<(u64, Result<Response, Known>), Error> {
        let Ok(request) = proto::decode::<InternalRaftRequest>(data.clone()) else {
            // What etcd 3.5 proposes for the cluster itself is no such message.
            let legacy = membership::LegacyRequest::parse(data);
            let (id, legacy) =
                legacy.map_err(|error| Error::Entry { index, reason: error.to_string() })?;
            self.legacy(legacy, effects);
            return Ok((id, Ok(Response::Empty)));
        };
        *kind = Some(RequestKind::of(&request));
        let header_id = request.header.as_ref().map_or(0, |header| header.id);
        let id = if request.id == 0 { header_id } else { request.id };
        let outcome = self.request(index, &request, waiter(id), effects)?;
        Ok((id, outcome))
    }

    /// What readers may see: everything applied so far.
    #[must_use]
    pub fn view(&self) -> View {
        View {
            index: self.index,
            term: self.term,
            read: self.store.view(&self.backend),
            auth: self.auth.view().clone(),
            leases: self.leases.view().clone(),
            cluster: self.members.cluster().clone(),
            alarms: self.alarms.clone(),
        }
    }

    fn position(&self) -> Position {
        Position { index: self.index, term: self.term, conf_state: self.conf_state.clone() }
    }

    /// Whether what was written should be committed now rather than at the next tick.
    #[must_use]
    pub fn is_commit_due(&self) -> bool {
        self.backend.is_commit_due()
    }

    /// Whether nothing more may be applied before a commit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.backend.is_full()
    }

    /// Whether there is something to commit and no commit under way.
    #[must_use]
    pub fn can_commit(&self) -> bool {
        let behind = self.backend.last_committed().position().index < self.index;
        self.backend.can_freeze() && (behind || self.backend.pending_operations() > 0)
    }

    /// Whether everything applied is in the file, and no commit is under way.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        self.backend.can_freeze() && !self.can_commit()
    }

    /// Freezes everything applied so far for the commit thread; `None` while a commit is under way.
    pub fn freeze(&mut self) -> Option<CommitJob> {
        let position = self.position();
        self.backend.can_freeze().then(|| self.backend.freeze(position))
    }

    /// Asks for a committed state that has everything applied so far.
    pub fn freeze_now(&mut self) -> TicketId {
        self.backend.freeze_now()
    }

    /// Takes the result of a job of the commit thread; gives the tickets that it resolves.
    pub fn committed(&mut self, done: Done) -> Vec<Ticket> {
        self.backend.committed(done)
    }

    /// Removes from the index some of what a compaction removes: as much as so many leaves of it
    /// have.
    pub fn compact_index(&mut self, order: &CompactionOrder, leaves_max: usize) -> Slice {
        self.store.compact_index(order, leaves_max)
    }

    /// The job for the records of a compaction whose index is compacted.
    #[must_use]
    pub fn begin_compaction(&self, order: CompactionOrder) -> Compaction {
        self.store.begin_compaction(order)
    }

    /// A handle to the sizes of the file.
    #[must_use]
    pub fn sizes(&self) -> backend::Sizes {
        self.backend.sizes()
    }
}
