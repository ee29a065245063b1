//! The turns of a member's cores: each takes what is in its core's queue, has the core do a bounded
//! piece of work, and carries out what comes of it.
//!
//! Knows no threads: who calls decides when a turn is taken, and how long it may wait for something
//! to do. What a turn wrote is told to others by a second call, so that its caller may let time pass
//! in between.
//!
//! Invariant: turns of one core are taken one after another, and what one wrote is told before the
//! next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use apply::Waiter;
use backend::Ticket;
use env::Monotonic;
use membership::Cluster;
use proto::RequestKind;
use proto::error::Error as Known;
use proto::raftpb::{Message, Snapshot};
use telemetry::GoDuration;
use types::Index;

use crate::applying::{self, Applying, Cost, Origin, Rest};
use crate::coalesce::coalesce;
use crate::commit::{self, Begun, Commits, Finished};
use crate::consensus::{self, Consensus};
use crate::effects;
use crate::inbox::Wants;
use crate::install::Installer;
use crate::log::{self, Append, Log, Round};
use crate::metrics::Slow;
use crate::shared::{Applied, Leadership, ReadWaiter, Shared, TicketWaiter};

/// What the turns need to know of the flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// `--heartbeat-interval`.
    pub(crate) tick: Duration,
    /// `--backend-batch-interval`.
    pub(crate) batch_interval: Duration,
    /// `--compaction-batch-limit`.
    pub(crate) compaction_batch: usize,
    /// `--compaction-sleep-interval`.
    pub(crate) compaction_sleep: Duration,
    /// `--snapshot-catchup-entries`.
    pub(crate) catchup_entries: u64,
}

/// The cores but the watch hub, which begins with the first view.
pub(crate) struct Cores {
    pub(crate) raft: RaftTurns,
    pub(crate) log: LogTurns,
    pub(crate) apply: ApplyTurns,
    pub(crate) commit: CommitTurns,
}

/// How long proposals wait at most while the last ones are on their way to others.
const GATHER_MAX: Duration = Duration::from_millis(1);

/// Raft's turns.
pub(crate) struct RaftTurns {
    consensus: Consensus<ReadWaiter>,
    tick: Duration,
    next_tick: Monotonic,
    events: Vec<consensus::Event<ReadWaiter>>,
    /// Appends that the log has been given and has not stored yet.
    appending: usize,
    /// The term and vote that the log was given last.
    promised: Option<(u64, u64)>,
    /// The last entry that the log was given.
    last: Index,
    /// Until then proposals may wait for others to store what they were sent.
    next_append: Monotonic,
    /// What this turn sends.
    messages: Vec<Message>,
}

impl RaftTurns {
    pub(crate) fn new(consensus: Consensus<ReadWaiter>, pace: Pace, now: Monotonic) -> Self {
        let next_tick = now + pace.tick;
        Self {
            consensus,
            tick: pace.tick,
            next_tick,
            events: Vec::new(),
            appending: 0,
            promised: None,
            last: Index(0),
            next_append: now,
            messages: Vec::new(),
        }
    }

    /// When a turn is due though nothing has come.
    pub(crate) const fn due(&self) -> Monotonic {
        self.next_tick
    }

    /// Waits for at most so long if there is nothing to do.
    pub(crate) fn turn(&mut self, shared: &Shared, wait: Duration) {
        let (wants, wait) = self.wants(shared, wait);
        shared.consensus.drain_for(wants, &mut self.events, Some(wait));
        let is_stored = |event: &&_| matches!(event, consensus::Event::Appended(_));
        self.appending -= self.events.iter().filter(is_stored).count();
        let now = shared.clock.now();
        if now >= self.next_tick {
            if now.since(self.next_tick) > self.tick {
                late_tick(shared, now.since(self.next_tick));
            }
            self.events.push(consensus::Event::Tick);
            self.next_tick = now + self.tick;
        }
        loop {
            let actions = self.consensus.round(now, self.events.drain(..));
            publish_status(shared, &self.consensus, now);
            for action in actions {
                self.perform(shared, action);
            }
            if self.events.is_empty() {
                break;
            }
        }
        if !self.messages.is_empty() {
            shared.peers.transport().send(coalesce(std::mem::take(&mut self.messages)));
        }
    }

    fn perform(&mut self, shared: &Shared, action: consensus::Action<ReadWaiter>) {
        use consensus::Action;
        match action {
            Action::Append(append) => self.append(shared, append),
            Action::Send(messages) => self.messages.extend(messages),
            Action::Apply { entries, responses } => {
                shared.apply.complete(applying::Event::Entries { entries, responses });
            }
            Action::Install(snapshot) => shared.apply.complete(applying::Event::Install(snapshot)),
            Action::SendSnapshot(message) => {
                shared.apply.complete(applying::Event::SendSnapshot(message));
            }
            Action::Release(index) => shared.log.complete(log::Task::Release(index)),
            Action::Reads(index, reads) => {
                for read in reads {
                    // A reader that gave up wants no answer.
                    let _ = read.send(index);
                }
            }
            Action::LateRead => {
                shared.metrics.requests.late_read();
                tracing::warn!("waiting for ReadIndex response took too long, retrying");
            }
            Action::Dropped(id) => shared.waiters.answer(id, Err(())),
            Action::Progress(id, progress) => shared.progress.answer(id, progress),
            Action::Shown(id, state) => shared.shown.answer(id, state),
            Action::Fetch(read) => {
                shared.log.complete(log::Task::Read {
                    low: read.low,
                    high: read.high,
                    bytes_max: read.size_max,
                });
            }
            Action::Proven(index) => drop(shared.proven.send_replace(Some(index))),
            Action::Leader(line) => tracing::info!("{line}"),
        }
    }

    /// What ends the wait for something to do. What is proposed while the log is at work would wait
    /// behind that. Others could begin to store it a little sooner, but each append by itself costs
    /// every member a round (etcd, too, gives raft's next work out when the last is stored); the
    /// same holds while they have not said that they have the last one, but only for a moment, since
    /// they may be far away.
    fn wants(&self, shared: &Shared, wait: Duration) -> (Wants, Duration) {
        if self.appending > 0 {
            return (Wants::Pressing, wait);
        }
        let status = self.consensus.status();
        if status.is_leader && status.committed < self.last {
            let left = self.next_append.since(shared.clock.now());
            if !left.is_zero() {
                return (Wants::Answers, wait.min(left));
            }
        }
        (Wants::Anything, wait)
    }

    /// Has an append stored. One that tells no more than a new commit index need not wait for the
    /// log: what is committed is found out again after a crash.
    fn append(&mut self, shared: &Shared, append: Append) {
        let is_commit = append.entries.is_empty() && append.snapshot.is_none();
        let promise = append.hard_state.map(|state| (state.term, state.vote));
        let is_known = promise.is_none() || promise == self.promised;
        self.promised = promise.or(self.promised);
        if is_commit && is_known && self.appending == 0 {
            if let Some(hard_state) = append.hard_state {
                shared.log.leave(log::Task::Commit(hard_state));
            }
            self.events.push(consensus::Event::Appended(append));
        } else {
            if let Some(last) = append.entries.last() {
                self.last = Index(last.index);
                self.next_append = shared.clock.now() + GATHER_MAX;
            }
            self.appending += 1;
            shared.log.complete(log::Task::Append(append));
        }
    }
}

/// A tick more than one tick late is a heartbeat too late, if there is somebody to hear it.
fn late_tick(shared: &Shared, late: Duration) {
    let has_followers = shared.view().cluster.members().nth(1).is_some();
    if shared.status().is_leader && has_followers {
        shared.metrics.late_heartbeat();
        tracing::warn!(
            "exceeded-duration" = %GoDuration::from(late),
            "leader failed to send out heartbeat on time; took too long, leader is overloaded \
             likely from slow disk"
        );
    }
}

fn publish_status(shared: &Shared, consensus: &Consensus<ReadWaiter>, now: Monotonic) {
    let status = consensus.status();
    if status == shared.status() {
        return;
    }
    let before = shared.status();
    shared.set_status(status);
    shared.metrics.status(before, status);
    if before.leader != status.leader {
        shared.leadership.send_replace(Leadership { leader: status.leader, since: now });
    }
    if before.is_leader && !status.is_leader {
        shared.deadlines().demote();
    }
}

/// The log's turns.
pub(crate) struct LogTurns {
    log: Log,
    catchup_entries: u64,
    tasks: Vec<log::Task>,
}

impl LogTurns {
    pub(crate) fn new(log: Log, pace: Pace) -> Self {
        Self { log, catchup_entries: pace.catchup_entries, tasks: Vec::new() }
    }

    /// Lets the next segment of the log be made beside what is written to this one.
    pub(crate) fn prepare_segment(&mut self, shared: &Arc<Shared>) {
        let Some(job) = self.log.prepare() else { return };
        let prepared = Arc::clone(shared);
        shared.tasks.spawn_blocking(Box::new(move || {
            let outcome = Box::new(job.run());
            Box::new(move || prepared.log.complete(log::Task::Prepared(outcome)))
        }));
    }

    /// Writes all that has come, waiting for it for at most so long.
    pub(crate) fn write(
        &mut self,
        shared: &Shared,
        wait: Option<Duration>,
    ) -> Result<Round, String> {
        shared.log.drain(&mut self.tasks, wait);
        self.log.run(&mut self.tasks).map_err(|error| error.to_string())
    }

    /// Tells what was written.
    pub(crate) fn tell(&mut self, shared: &Arc<Shared>, round: Round) {
        shared.metrics.storage.log_round(&round);
        for done in round.done {
            deliver_log(shared, done, self.catchup_entries);
        }
        if round.new_segment {
            self.prepare_segment(shared);
        }
    }

    /// Writes the last, and closes the files.
    pub(crate) fn close(mut self, shared: &Shared) -> Result<(), String> {
        self.write(shared, Some(Duration::ZERO))?;
        self.log.close().map_err(|error| error.to_string())
    }
}

fn deliver_log(shared: &Arc<Shared>, done: log::Done, catchup_entries: u64) {
    match done {
        log::Done::Appended(append) => {
            shared.consensus.complete(consensus::Event::Appended(append));
        }
        log::Done::Synced(index) => shared.synced.reach(index),
        log::Done::SnapshotSaved(snapshot) => {
            let index = snapshot.metadata.index;
            let compact_to = Index(index.saturating_sub(catchup_entries).max(1));
            shared.consensus.complete(consensus::Event::SnapshotSaved { snapshot, compact_to });
        }
        log::Done::Purged(files) => {
            for file in files {
                tracing::info!(path = %file.display(), "purged");
            }
        }
        log::Done::Read(job) => {
            let reader = Arc::clone(shared);
            shared.tasks.spawn_blocking(Box::new(move || {
                let read = job.run();
                Box::new(move || match read {
                    Ok(entries) => reader.consensus.complete(consensus::Event::Fetched(entries)),
                    Err(error) => reader.fail(error.to_string()),
                })
            }));
        }
    }
}

/// The applying side's turns.
pub(crate) struct ApplyTurns {
    applying: Applying<TicketWaiter>,
    around: Surroundings,
    next_commit: Monotonic,
    events: Vec<applying::Event<TicketWaiter>>,
}

/// What the applying side needs to have its actions carried out.
struct Surroundings {
    pace: Pace,
    installer: Installer,
}

/// Whether turns follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// They do.
    More,
    /// That was the last.
    Last,
}

impl ApplyTurns {
    pub(crate) fn new(
        applying: Applying<TicketWaiter>,
        pace: Pace,
        installer: Installer,
        now: Monotonic,
    ) -> Self {
        let next_commit = now + pace.batch_interval;
        let around = Surroundings { pace, installer };
        Self { applying, around, next_commit, events: Vec::new() }
    }

    /// When a turn is due though nothing has come; `None` for at once.
    pub(crate) fn due(&self) -> Option<Monotonic> {
        (!self.applying.has_more()).then_some(self.next_commit)
    }

    /// Waits for at most so long if there is nothing to do.
    pub(crate) fn turn(&mut self, shared: &Arc<Shared>, wait: Duration) -> Result<Turn, String> {
        shared.apply.drain(&mut self.events, Some(wait));
        if shared.has_failed() {
            return Ok(Turn::Last);
        }
        let now = shared.clock.now();
        let stopping = shared.consensus.is_closed();
        if now >= self.next_commit || stopping {
            self.events.push(applying::Event::Tick);
            self.next_commit = now + self.around.pace.batch_interval;
        }
        let waiter = |id| {
            if shared.waiters.is_registered(id) { Waiter::Present } else { Waiter::Absent }
        };
        let actions = self
            .applying
            .round(self.events.drain(..), waiter, &*shared.clock)
            .map_err(|error| error.to_string())?;
        for action in actions {
            perform_apply(shared, action, &self.around);
        }
        if stopping && self.applying.is_settled() {
            shared.apply.close();
            return Ok(Turn::Last);
        }
        Ok(Turn::More)
    }
}

fn perform_apply(
    shared: &Arc<Shared>,
    action: applying::Action<TicketWaiter>,
    around: &Surroundings,
) {
    use applying::Action;
    match action {
        Action::Publish(view, origin) => {
            let read = view.read.clone();
            shared.watch.complete(match origin {
                Origin::Applied => watch::Event::View(read),
                Origin::Installed => watch::Event::Replaced(read),
            });
            shared.publish(*view);
        }
        Action::Effects(index, effects) => effects::perform(shared, index, effects),
        Action::Answer(applied, cost) => {
            note_applied(shared, &applied, cost);
            let apply::Applied { index, request_id, revision, outcome, .. } = applied;
            if request_id != 0 {
                shared.waiters.answer(request_id, Ok(Applied { index, revision, outcome }));
            }
        }
        Action::Done(responses) => {
            shared.consensus.complete(consensus::Event::Applied(responses));
        }
        Action::Commit(job) => shared.commit.complete(commit::Task::Commit(job)),
        Action::Compact(compaction, rest, file) => {
            let task = commit::compaction_step(compaction, around.pace.compaction_batch, file);
            compact(shared, task, rest, around);
        }
        Action::Install(snapshot) => {
            tracing::info!(
                "incoming-leader-snapshot-index" = snapshot.metadata.index,
                "applying snapshot"
            );
            shared.metrics.install_begins();
            shared.commit.complete(commit::Task::Install(around.installer.job(&snapshot)));
        }
        Action::Installed { compacted } => {
            shared.metrics.install_ends();
            effects::installed(shared, compacted);
        }
        Action::CompactionFinished { revision, hash } => {
            if let Some(hash) = hash {
                shared.hashes().insert(hash);
            }
            let seconds = shared.clock.wall().0 / 1_000_000_000;
            shared.metrics.store.compaction_ends(shared.clock.now(), seconds);
            tracing::info!("compact-revision" = revision, "finished scheduled compaction");
            shared.compacted.send_replace(revision);
        }
        Action::Ticket(waiter, ticket) => {
            // Somebody who gave up wants no ticket.
            let _ = waiter.send(ticket);
        }
        Action::Snapshot(ticket, cluster) => {
            let position = ticket.state.position();
            tracing::info!(
                "local-member-applied-index" = position.index.get(),
                "triggering snapshot"
            );
            let snapshot = snapshot_of(&ticket, &cluster);
            shared.log.complete(log::Task::Snapshot(Box::new(snapshot)));
        }
        Action::SendSnapshot(message, ticket, cluster) => {
            effects::send_snapshot(shared, *message, &ticket, &cluster);
        }
    }
}

/// Has a step of a compaction carried out, after a rest if there is to be one.
fn compact(shared: &Arc<Shared>, task: commit::Task, rest: Rest, around: &Surroundings) {
    if rest == Rest::None {
        shared.metrics.store.compaction_begins(shared.clock.now());
    }
    let sleep = around.pace.compaction_sleep;
    if rest == Rest::None || sleep.is_zero() {
        shared.commit.complete(task);
        return;
    }
    let rested = Arc::clone(shared);
    shared.tasks.spawn(Box::pin(async move {
        rested.tasks.sleep(sleep).await;
        rested.commit.complete(task);
    }));
}

/// Counts what an entry has cost, with a warning if that was much.
fn note_applied(shared: &Shared, applied: &apply::Applied, cost: Cost) {
    let metrics = &shared.metrics;
    metrics.applied(applied.index.get());
    metrics.store.count(applied.counts);
    let Some(kind) = applied.kind else { return };
    if kind == RequestKind::Compaction {
        metrics.store.compaction_applied(cost.took);
    }
    // A compaction that was made already is no failure, as in Go.
    let is_success = !matches!(&applied.outcome, Err(error) if *error != Known::Compacted);
    metrics.requests.applied(kind, cost.took, is_success, || Slow {
        request: cost.slow.unwrap_or_default(),
        response: match applied.outcome.as_ref().ok().and_then(apply::Response::encoded_len) {
            Some(bytes) => format!("size:{bytes}"),
            None => String::new(),
        },
        error: applied.outcome.as_ref().err().map(|error| error.text().to_owned()),
    });
}

/// The raft snapshot of a committed state.
pub(crate) fn snapshot_of(ticket: &Ticket, cluster: &Cluster) -> Snapshot {
    let position = ticket.state.position();
    Snapshot {
        data: crate::document::encode(cluster),
        metadata: proto::raftpb::SnapshotMetadata {
            conf_state: position.conf_state.clone(),
            index: position.index.get(),
            term: position.term.get(),
        },
    }
}

/// The turns of the database file's writer. One takes a task from the queue; where the task needs
/// the log to be durable first, there is a second half to it.
pub(crate) struct CommitTurns {
    commits: Commits,
    tasks: VecDeque<commit::Task>,
    drained: Vec<commit::Task>,
    start: Monotonic,
    /// When the second half's first was done.
    prepared: Option<Monotonic>,
}

impl CommitTurns {
    pub(crate) fn new(commits: Commits) -> Self {
        let (tasks, drained) = (VecDeque::new(), Vec::new());
        Self { commits, tasks, drained, start: Monotonic::default(), prepared: None }
    }

    /// Takes in what has come, waiting for it for at most so long.
    pub(crate) fn drain(&mut self, shared: &Shared, wait: Option<Duration>) {
        shared.commit.drain(&mut self.drained, wait);
        self.tasks.extend(self.drained.drain(..));
    }

    /// Whether everything that was taken in is done.
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Carries out a task, or its first half; `None` when there is none.
    pub(crate) fn begin(&mut self, shared: &Shared) -> Result<Option<Begun>, String> {
        let Some(task) = self.tasks.pop_front() else { return Ok(None) };
        self.start = shared.clock.now();
        self.prepared = None;
        self.commits.begin(task).map(Some).map_err(|error| error.to_string())
    }

    /// Asks for the log to be made durable for the second half.
    pub(crate) fn ask_log(&mut self, shared: &Shared, index: Index) {
        self.prepared = Some(shared.clock.now());
        shared.log.complete(log::Task::Sync(index));
    }

    /// Carries out the second half, if the log has come that far.
    pub(crate) fn finish(&mut self, shared: &Shared, is_synced: bool) -> Result<Finished, String> {
        let now = shared.clock.now();
        if !is_synced {
            self.commits.give_up();
            return Ok(Finished::Nothing);
        }
        let finished = self.commits.finish().map_err(|error| error.to_string())?;
        if let Some(prepared) = self.prepared {
            let after = shared.clock.now().since(now);
            shared.metrics.storage.committed(prepared.since(self.start), after);
        }
        Ok(finished)
    }

    /// Tells what came of a task.
    pub(crate) fn tell(&self, shared: &Shared, finished: Finished) {
        match finished {
            Finished::Committed(done) => shared.apply.complete(applying::Event::Committed(done)),
            Finished::Compacted { compaction, step } => {
                let took = shared.clock.now().since(self.start);
                shared.metrics.store.compaction_step(took, step.deleted);
                shared.apply.complete(applying::Event::Compacted { compaction, step });
            }
            Finished::Installed(loaded) => {
                shared.apply.complete(applying::Event::Installed(loaded));
            }
            Finished::Nothing => {}
        }
    }
}
