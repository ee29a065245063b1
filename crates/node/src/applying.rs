//! The apply thread's core: entries into the applier, views and answers out, and what has to be
//! committed when.
//!
//! A state machine: [`Event`]s in, [`Action`]s out. Knows nothing of threads, clocks or who waits.
//!
//! Invariants: a view is published before the answers that it shows; at most one commit is under
//! way; compactions are carried out one after another, each after a committed state that holds its
//! mark; nothing is applied while the write buffer is at its bound.

use std::collections::{BTreeMap, VecDeque};

use apply::{Applied, Applier, Effect, Error, View, Waiter};
use backend::{CommitJob, Done, Ticket, TicketId};
use membership::Cluster;
use mvcc::{Compaction, KvHash, Step};
use proto::raftpb::{Entry, Message};
use proto::version::Version;
use types::Index;

/// What the applying side is told. `T` is somebody who waits for a committed state.
pub enum Event<T> {
    /// Entries are committed.
    Entries {
        /// In order.
        entries: Vec<Entry>,
        /// For raft, when they are applied.
        responses: Vec<Message>,
    },
    /// A job of the commit thread is done.
    Committed(Done),
    /// A step of a compaction is done.
    Compacted {
        /// The compaction.
        compaction: Box<Compaction>,
        /// What the step did.
        step: Box<Step>,
    },
    /// The batch interval has passed.
    Tick,
    /// Somebody wants a committed state with everything applied so far.
    Ticket(T),
    /// The file's schema should be of this version.
    StorageVersion(Version),
}

/// What the applying side wants done, in this order.
pub enum Action<T> {
    /// Let readers see this.
    Publish(Box<View>),
    /// Do what an applied entry asks.
    Effects(Index, Vec<Effect>),
    /// Tell raft that entries are applied.
    Done(Vec<Message>),
    /// Answer who waits for this entry. After raft was told: a change of members that follows on
    /// the answer would else meet one that raft takes to be pending.
    Answer(Applied),
    /// Commit this.
    Commit(CommitJob),
    /// Carry out a step of this compaction: at once, or after a rest.
    Compact(Box<Compaction>, Rest),
    /// A compaction has come to its end.
    CompactionFinished {
        /// The revision compacted at.
        revision: i64,
        /// Its hash, if it covers all.
        hash: Option<KvHash>,
    },
    /// Somebody's wish for a committed state is fulfilled.
    Ticket(T, Ticket),
    /// A raft snapshot is due, of this state and these members.
    Snapshot(Ticket, Cluster),
}

/// Whether to pause before a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// At once.
    None,
    /// For `--compaction-sleep-interval`.
    Pause,
}

/// Why a committed state is wanted.
enum Purpose<T> {
    Compaction(Box<Compaction>),
    Snapshot,
    Caller(T),
}

/// The applier, and what is under way around it.
pub struct Applying<T> {
    applier: Applier,
    waiting: VecDeque<Batch>,
    purposes: BTreeMap<TicketId, Purpose<T>>,
    /// The members at the freeze that is being committed.
    frozen_cluster: Option<Cluster>,
    compactions: VecDeque<Box<Compaction>>,
    /// A compaction is under way, from its ticket to its last step.
    compacting: bool,
    snapshot_count: u64,
    last_snapshot: Index,
    /// A snapshot is on its way.
    snapshotting: bool,
}

struct Batch {
    entries: VecDeque<Entry>,
    responses: Vec<Message>,
}

impl<T> Applying<T> {
    /// The applying side at the start. `compaction` was found unfinished.
    #[must_use]
    pub fn new(
        applier: Applier,
        compaction: Option<Compaction>,
        snapshot_count: u64,
        last_snapshot: Index,
    ) -> Self {
        Self {
            applier,
            waiting: VecDeque::new(),
            purposes: BTreeMap::new(),
            frozen_cluster: None,
            compactions: compaction.into_iter().map(Box::new).collect(),
            compacting: false,
            snapshot_count,
            last_snapshot,
            snapshotting: false,
        }
    }

    /// What readers may see now.
    #[must_use]
    pub fn view(&self) -> View {
        self.applier.view()
    }

    /// The applier, at the start and for its sizes.
    #[must_use]
    pub const fn applier(&self) -> &Applier {
        &self.applier
    }

    /// Takes everything that has come, and gives what is to be done about it. `waiter` says
    /// whether somebody here waits for a request.
    ///
    /// # Errors
    /// Final.
    pub fn round(
        &mut self,
        events: impl Iterator<Item = Event<T>>,
        waiter: impl Fn(u64) -> Waiter,
    ) -> Result<Vec<Action<T>>, Error> {
        let mut actions = Vec::new();
        let mut commit_wanted = false;
        let mut changed = false;
        for event in events {
            match event {
                Event::Entries { entries, responses } => {
                    self.waiting.push_back(Batch { entries: entries.into(), responses });
                }
                Event::Committed(done) => {
                    self.committed(done, &mut actions);
                    changed = true;
                }
                Event::Compacted { compaction, step } => {
                    self.compacted(compaction, *step, &mut actions);
                    changed = true;
                }
                Event::Tick => commit_wanted = true,
                Event::Ticket(who) => self.want(Purpose::Caller(who)),
                Event::StorageVersion(version) => self.migrate(version)?,
            }
        }
        let mut applied = Vec::new();
        let mut done = Vec::new();
        self.apply(waiter, &mut applied, &mut done)?;
        if changed || !applied.is_empty() {
            actions.push(Action::Publish(Box::new(self.applier.view())));
        }
        for result in &mut applied {
            self.keep_compactions(result);
            let effects = std::mem::take(&mut result.effects);
            if !effects.is_empty() {
                actions.push(Action::Effects(result.index, effects));
            }
        }
        if !done.is_empty() {
            actions.push(Action::Done(done));
        }
        actions.extend(applied.into_iter().map(Action::Answer));
        self.snapshot_if_due();
        self.begin_compaction();
        self.commit(commit_wanted, &mut actions);
        Ok(actions)
    }

    fn apply(
        &mut self,
        waiter: impl Fn(u64) -> Waiter,
        applied: &mut Vec<Applied>,
        done: &mut Vec<Message>,
    ) -> Result<(), Error> {
        while let Some(batch) = self.waiting.front_mut() {
            while let Some(entry) = batch.entries.pop_front() {
                if self.applier.is_full() {
                    batch.entries.push_front(entry);
                    return Ok(());
                }
                applied.push(self.applier.apply(&entry, &waiter)?);
            }
            done.append(&mut batch.responses);
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Takes the compactions that were ordered out of the effects: they are this side's own affair.
    fn keep_compactions(&mut self, applied: &mut Applied) {
        let effects = std::mem::take(&mut applied.effects);
        for effect in effects {
            match effect {
                Effect::Compact(compaction) => self.compactions.push_back(compaction),
                effect => applied.effects.push(effect),
            }
        }
    }

    fn want(&mut self, purpose: Purpose<T>) {
        let id = self.applier.freeze_now();
        self.purposes.insert(id, purpose);
    }

    fn begin_compaction(&mut self) {
        if !self.compacting
            && let Some(compaction) = self.compactions.pop_front()
        {
            env::fail_point!("compactBeforeCommitScheduledCompact");
            self.compacting = true;
            self.want(Purpose::Compaction(compaction));
        }
    }

    fn compacted(&mut self, compaction: Box<Compaction>, step: Step, actions: &mut Vec<Action<T>>) {
        let Step { done, more, hash, .. } = step;
        self.committed(done, actions);
        if more {
            actions.push(Action::Compact(compaction, Rest::Pause));
            return;
        }
        self.compacting = false;
        actions.push(Action::CompactionFinished { revision: compaction.revision(), hash });
    }

    fn snapshot_if_due(&mut self) {
        let since = self.applier.index().get().saturating_sub(self.last_snapshot.get());
        if !self.snapshotting && since > self.snapshot_count {
            self.snapshotting = true;
            self.want(Purpose::Snapshot);
        }
    }

    fn committed(&mut self, done: Done, actions: &mut Vec<Action<T>>) {
        let tickets = self.applier.committed(done);
        for ticket in tickets {
            match self.purposes.remove(&ticket.id) {
                Some(Purpose::Compaction(compaction)) => {
                    env::fail_point!("compactAfterCommitScheduledCompact");
                    actions.push(Action::Compact(compaction, Rest::None));
                }
                Some(Purpose::Snapshot) => {
                    let cluster = self.frozen_cluster.clone().expect("a freeze came before");
                    self.last_snapshot = ticket.state.position().index;
                    self.snapshotting = false;
                    actions.push(Action::Snapshot(ticket, cluster));
                }
                Some(Purpose::Caller(who)) => actions.push(Action::Ticket(who, ticket)),
                None => {}
            }
        }
    }

    fn migrate(&mut self, version: Version) -> Result<(), Error> {
        let Ok(current) = self.applier.backend().schema_version()? else { return Ok(()) };
        if let Ok(steps) = backend::schema::migration::plan(current, version)
            && !steps.is_empty()
        {
            self.applier.backend().migrate(&steps);
            tracing::info!("new-storage-version" = %version, "updated storage version");
        }
        Ok(())
    }

    fn commit(&mut self, wanted: bool, actions: &mut Vec<Action<T>>) {
        let due = self.applier.is_commit_due() || self.applier.is_full() || wanted;
        let has_wishes = !self.purposes.is_empty();
        let is_needed = has_wishes || (due && self.applier.can_commit());
        if !is_needed {
            return;
        }
        let cluster = self.applier.cluster().clone();
        if let Some(job) = self.applier.freeze() {
            self.frozen_cluster = Some(cluster);
            actions.push(Action::Commit(job));
        }
    }

    /// Whether everything that came is applied and committed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.applier.is_committed()
    }
}
