//! The apply thread's core: entries into the applier, views and answers out, and what has to be
//! committed when.
//!
//! A state machine: [`Event`]s in, [`Action`]s out. Knows nothing of threads or who waits; of the
//! clock it asks only how long something took.
//!
//! Invariants: a view is published before the answers that it shows; at most one commit is under
//! way; compactions are carried out one after another, each after a committed state that holds its
//! mark; nothing is applied while the write buffer is at its bound, or while another member's
//! database is being installed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use apply::{Applied, Applier, Effect, Error, View, Waiter};
use backend::{CommitJob, Done, Ticket, TicketId};
use env::Clock;
use membership::Cluster;
use mvcc::{Compaction, CompactionOrder, KvHash, Slice, Step};
use proto::etcdserverpb::InternalRaftRequest;
use proto::raftpb::{Entry, Message, Snapshot};
use proto::shown::Shown;
use proto::version::Version;
use types::Index;

use crate::commit::{Installs, Loaded};

/// How many leaves of the index a compaction rewrites between two batches of entries: less than a
/// millisecond.
const COMPACTED_LEAVES_MAX: usize = 32;

/// What the applying side is told. `T` is somebody who waits for a committed state.
pub enum Event<T> {
    /// Entries are committed.
    Entries {
        /// In order.
        entries: Vec<Entry>,
        /// For raft, when they are applied.
        responses: Vec<Message>,
    },
    /// The database that came with this snapshot takes the place of the state.
    Install(Box<Snapshot>),
    /// It did.
    Installed(Box<Loaded>),
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
    /// A member is to get a snapshot of everything applied so far, with this message.
    SendSnapshot(Box<Message>),
    /// The file's schema should be of this version.
    StorageVersion(Version),
}

/// What the applying side wants done, in this order.
pub enum Action<T> {
    /// Let readers see this.
    Publish(Box<View>, Origin),
    /// Do what an applied entry asks.
    Effects(Index, Vec<Effect>),
    /// Tell raft that entries are applied.
    Done(Vec<Message>),
    /// Answer who waits for this entry. After raft was told: a change of members that follows on
    /// the answer would else meet one that raft takes to be pending.
    Answer(Applied, Cost),
    /// Commit this.
    Commit(CommitJob),
    /// Carry out a step of this compaction: at once, or after a rest.
    Compact(Box<Compaction>, Rest, Installs),
    /// Install the database of this snapshot, once everything ordered so far is done.
    Install(Box<Snapshot>),
    /// The state is another member's now.
    Installed {
        /// It is compacted up to here, and nothing of that is left to be done.
        compacted: Option<i64>,
    },
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
    /// Send this state and these members with this message.
    SendSnapshot(Box<Message>, Ticket, Cluster),
}

/// What it cost to apply an entry.
#[derive(Debug)]
pub struct Cost {
    /// How long it took.
    pub took: Duration,
    /// The request's text, if that was longer than it should.
    pub slow: Option<String>,
}

/// Where what readers see comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Entries were applied to what they saw before.
    Applied,
    /// Another member's state took the place of that: steps in between are not seen.
    Installed,
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
    Send(Box<Message>),
    Caller(T),
}

/// The applier, and what is under way around it.
pub struct Applying<T> {
    applier: Applier,
    waiting: VecDeque<Work>,
    /// A database is being installed; how many were before.
    installing: bool,
    installs: Installs,
    purposes: BTreeMap<TicketId, Purpose<T>>,
    /// The members at the freeze that is being committed.
    frozen_cluster: Option<Cluster>,
    /// Ordered and not begun; the index is being compacted for the first.
    compactions: VecDeque<CompactionOrder>,
    /// A compaction is under way, from its ticket to its last step.
    compacting: bool,
    snapshot_count: u64,
    last_snapshot: Index,
    /// A snapshot is on its way.
    snapshotting: bool,
    /// One is due whatever was applied since the last: the cluster version went down, and a server
    /// of that version should find nothing in the log from before.
    snapshot_wanted: bool,
    /// From which duration on it takes too long to apply an entry.
    slow: Duration,
    /// The version that the file's schema is to have once its own can be told.
    storage_version: Option<Version>,
}

enum Work {
    Apply { entries: VecDeque<Entry>, responses: Vec<Message> },
    Install(Box<Snapshot>),
}

impl<T> Applying<T> {
    /// The applying side at the start. `compaction` was found unfinished.
    #[must_use]
    pub fn new(
        applier: Applier,
        compaction: Option<CompactionOrder>,
        snapshot_count: u64,
        last_snapshot: Index,
    ) -> Self {
        Self {
            applier,
            waiting: VecDeque::new(),
            installing: false,
            installs: Installs::default(),
            purposes: BTreeMap::new(),
            frozen_cluster: None,
            compactions: compaction.into_iter().collect(),
            compacting: false,
            snapshot_count,
            last_snapshot,
            snapshotting: false,
            snapshot_wanted: false,
            slow: Duration::MAX,
            storage_version: None,
        }
    }

    /// Lets entries that take longer be told of.
    #[must_use]
    pub const fn slow_beyond(mut self, slow: Duration) -> Self {
        self.slow = slow;
        self
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
        clock: &dyn Clock,
    ) -> Result<Vec<Action<T>>, Error> {
        let mut actions = Vec::new();
        let mut commit_wanted = false;
        let mut changed = false;
        let mut installed = false;
        let mut finished = Vec::new();
        for event in events {
            match event {
                Event::Entries { entries, responses } => {
                    self.waiting.push_back(Work::Apply { entries: entries.into(), responses });
                }
                Event::Install(snapshot) => self.waiting.push_back(Work::Install(snapshot)),
                Event::Installed(loaded) => {
                    self.installed(*loaded);
                    installed = true;
                }
                Event::Committed(done) => {
                    self.committed(done, &mut actions);
                    changed = true;
                }
                Event::Compacted { compaction, step } => {
                    finished.extend(self.compacted(compaction, *step, &mut actions));
                    changed = true;
                }
                Event::Tick => commit_wanted = true,
                Event::Ticket(who) => self.want(Purpose::Caller(who)),
                Event::SendSnapshot(message) => self.want(Purpose::Send(message)),
                Event::StorageVersion(version) => self.migrate(version)?,
            }
        }
        self.migrate_late()?;
        let mut applied = Vec::new();
        let mut done = Vec::new();
        let install = self.apply(waiter, clock, &mut applied, &mut done)?;
        if changed || installed || !applied.is_empty() {
            let origin = if installed { Origin::Installed } else { Origin::Applied };
            actions.push(Action::Publish(Box::new(self.applier.view()), origin));
        }
        // Who waited for a compaction sees none of the records that it removed.
        actions.extend(finished);
        if installed {
            let revision = self.applier.view().read.compact_revision();
            let compacted = self.compactions.is_empty().then_some(revision);
            actions.push(Action::Installed { compacted });
        }
        for (result, _) in &mut applied {
            self.keep_compactions(result);
            actions.extend(effects_of(result));
        }
        if !done.is_empty() {
            actions.push(Action::Done(done));
        }
        actions.extend(applied.into_iter().map(|(result, cost)| Action::Answer(result, cost)));
        if let Some(snapshot) = install {
            self.installing = true;
            self.last_snapshot = Index(snapshot.metadata.index);
            actions.push(Action::Install(snapshot));
        }
        if !self.installing {
            self.snapshot_if_due();
            self.begin_compaction();
            self.commit(commit_wanted, &mut actions);
        }
        Ok(actions)
    }

    /// Applies what waits, up to a snapshot that is to be installed.
    fn apply(
        &mut self,
        waiter: impl Fn(u64) -> Waiter,
        clock: &dyn Clock,
        applied: &mut Vec<(Applied, Cost)>,
        done: &mut Vec<Message>,
    ) -> Result<Option<Box<Snapshot>>, Error> {
        let mut before = clock.now();
        while !self.installing
            && let Some(work) = self.waiting.pop_front()
        {
            let (mut entries, mut responses) = match work {
                Work::Apply { entries, responses } => (entries, responses),
                Work::Install(snapshot) => return Ok(Some(snapshot)),
            };
            while let Some(entry) = entries.pop_front() {
                if self.applier.is_full() {
                    entries.push_front(entry);
                    self.waiting.push_front(Work::Apply { entries, responses });
                    return Ok(None);
                }
                let result = self.applier.apply(&entry, &waiter)?;
                let now = clock.now();
                let took = now.since(before);
                before = now;
                let slow = (took > self.slow).then(|| shown(&entry));
                applied.push((result, Cost { took, slow }));
            }
            done.append(&mut responses);
        }
        Ok(None)
    }

    /// Goes on with another member's state. What was under way in the old file is void; who waits
    /// for a committed state gets one of the new.
    fn installed(&mut self, loaded: Loaded) {
        let Loaded { applier, compaction } = loaded;
        self.applier = applier;
        self.installing = false;
        self.installs = self.installs.next();
        self.compactions = compaction.into_iter().collect();
        self.compacting = false;
        self.snapshotting = false;
        self.frozen_cluster = None;
        for purpose in std::mem::take(&mut self.purposes).into_values() {
            match purpose {
                Purpose::Compaction(_) | Purpose::Snapshot => {}
                purpose @ (Purpose::Send(_) | Purpose::Caller(_)) => self.want(purpose),
            }
        }
    }

    /// Takes the compactions that were ordered out of the effects: they are this side's own affair.
    fn keep_compactions(&mut self, applied: &mut Applied) {
        let effects = std::mem::take(&mut applied.effects);
        for effect in effects {
            match effect {
                Effect::Compact(order) => self.compactions.push_back(order),
                Effect::ClusterVersion { from, to } => {
                    self.snapshot_wanted |= from.is_some_and(|from| to < from);
                    applied.effects.push(Effect::ClusterVersion { from, to });
                }
                effect => applied.effects.push(effect),
            }
        }
    }

    fn want(&mut self, purpose: Purpose<T>) {
        let id = self.applier.freeze_now();
        self.purposes.insert(id, purpose);
    }

    /// Carries the oldest compaction on by a slice of the index, or begins it once that is done.
    fn begin_compaction(&mut self) {
        if self.compacting {
            return;
        }
        let Some(order) = self.compactions.front() else { return };
        if self.applier.compact_index(order, COMPACTED_LEAVES_MAX) == Slice::More {
            return;
        }
        let compaction = self.applier.begin_compaction(*order);
        self.compactions.pop_front();
        self.compacting = true;
        self.want(Purpose::Compaction(Box::new(compaction)));
    }

    /// Whether the next round has something to do without any event.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.compacting && !self.installing && !self.compactions.is_empty()
    }

    /// Takes a step in; after the last one, gives the news of it.
    fn compacted(
        &mut self,
        compaction: Box<Compaction>,
        step: Step,
        actions: &mut Vec<Action<T>>,
    ) -> Option<Action<T>> {
        let Step { done, more, hash, .. } = step;
        self.committed(done, actions);
        if more {
            actions.push(Action::Compact(compaction, Rest::Pause, self.installs));
            return None;
        }
        self.compacting = false;
        Some(Action::CompactionFinished { revision: compaction.revision(), hash })
    }

    fn snapshot_if_due(&mut self) {
        let since = self.applier.index().get().saturating_sub(self.last_snapshot.get());
        if !self.snapshotting && (since > self.snapshot_count || self.snapshot_wanted) {
            self.snapshotting = true;
            self.snapshot_wanted = false;
            self.want(Purpose::Snapshot);
        }
    }

    fn committed(&mut self, done: Done, actions: &mut Vec<Action<T>>) {
        let tickets = self.applier.committed(done);
        for ticket in tickets {
            match self.purposes.remove(&ticket.id) {
                Some(Purpose::Compaction(compaction)) => {
                    env::fail_point!("compactAfterCommitScheduledCompact");
                    actions.push(Action::Compact(compaction, Rest::None, self.installs));
                }
                Some(Purpose::Snapshot) => {
                    self.last_snapshot = ticket.state.position().index;
                    self.snapshotting = false;
                    actions.push(Action::Snapshot(ticket, self.frozen_members()));
                }
                Some(Purpose::Send(message)) => {
                    actions.push(Action::SendSnapshot(message, ticket, self.frozen_members()));
                }
                Some(Purpose::Caller(who)) => actions.push(Action::Ticket(who, ticket)),
                None => {}
            }
        }
    }

    fn frozen_members(&self) -> Cluster {
        self.frozen_cluster.clone().expect("a freeze came before")
    }

    /// Brings the file's schema to a version; one that cannot be told yet, as nothing is committed,
    /// with the next commit.
    fn migrate(&mut self, version: Version) -> Result<(), Error> {
        let Ok(current) = self.applier.backend().schema_version()? else {
            self.storage_version = Some(version);
            return Ok(());
        };
        if let Ok(steps) = backend::schema::migration::plan(current, version)
            && !steps.is_empty()
        {
            self.applier.backend().migrate(&steps);
            tracing::info!("new-storage-version" = %version, "updated storage version");
            if let Some(target) = self.applier.cluster().downgrade().target_version() {
                tracing::info!("target-version" = %target, "server-version" = %proto::version::SERVER,
                    "The server is ready to downgrade");
            }
        }
        Ok(())
    }

    fn migrate_late(&mut self) -> Result<(), Error> {
        match self.storage_version.take() {
            Some(version) => self.migrate(version),
            None => Ok(()),
        }
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
        !self.installing && self.waiting.is_empty() && self.applier.is_committed()
    }
}

/// What an entry asks of others, if it does.
fn effects_of<T>(applied: &mut Applied) -> Option<Action<T>> {
    let effects = std::mem::take(&mut applied.effects);
    (!effects.is_empty()).then_some(Action::Effects(applied.index, effects))
}

/// The text of an entry's request.
fn shown(entry: &Entry) -> String {
    proto::decode::<InternalRaftRequest>(entry.data.clone())
        .map_or_else(|_| String::new(), |request| request.shown())
}
