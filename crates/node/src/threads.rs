//! The threads of a member: each drives one core, and ends when its queue is closed.
//!
//! A thread that fails or panics ends the member: nothing it was at is acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use apply::Waiter;
use backend::Ticket;
use env::Monotonic;
use membership::Cluster;
use proto::RequestKind;
use proto::error::Error as Known;
use proto::raftpb::Snapshot;
use telemetry::GoDuration;
use types::{Index, MemberId};

use crate::applying::{self, Applying, Cost, Rest};
use crate::commit::{self, Commits, Finished};
use crate::consensus::{self, Consensus};
use crate::effects;
use crate::install::Installer;
use crate::log::{self, Log};
use crate::metrics::Slow;
use crate::shared::{Applied, Leadership, ReadWaiter, Shared, TicketWaiter};

/// What the threads need to know of the flags.
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

/// The cores that the threads drive.
pub(crate) struct Cores {
    pub(crate) consensus: Consensus<ReadWaiter>,
    pub(crate) log: Log,
    pub(crate) applying: Applying<TicketWaiter>,
    pub(crate) commits: Commits,
}

/// The running threads.
pub(crate) struct Threads {
    raft: JoinHandle<()>,
    apply: JoinHandle<()>,
    commit: JoinHandle<()>,
    log: JoinHandle<()>,
    watch: JoinHandle<()>,
}

impl Threads {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        cores: Cores,
        installer: Installer,
        pace: Pace,
    ) -> std::io::Result<Self> {
        let Cores { consensus, log, applying, commits } = cores;
        Ok(Self {
            raft: spawn(shared, "raft", move |shared| {
                run_raft(shared, consensus, pace);
                Ok(())
            })?,
            log: spawn(shared, "log", move |shared| run_log(shared, log, pace))?,
            apply: spawn(shared, "apply", move |shared| {
                run_apply(shared, applying, &Surroundings { pace, installer })
            })?,
            commit: spawn(shared, "commit", move |shared| run_commit(shared, commits))?,
            watch: spawn(shared, "watch", |shared| {
                crate::watching::run(shared).map_err(|error| error.to_string())
            })?,
        })
    }

    /// Ends the threads in the order in which each has nothing more to do: what was proposed and
    /// applied is committed to the file, and the log is closed last.
    pub(crate) fn stop(self, shared: &Shared) {
        let join = |thread: JoinHandle<()>| {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        };
        shared.stopping.send_replace(true);
        shared.watch.close();
        join(self.watch);
        shared.consensus.close();
        join(self.raft);
        shared.apply.complete(applying::Event::Tick);
        join(self.apply);
        shared.commit.close();
        join(self.commit);
        shared.log.close();
        join(self.log);
    }
}

fn spawn(
    shared: &Arc<Shared>,
    name: &'static str,
    body: impl FnOnce(&Arc<Shared>) -> Result<(), String> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    Builder::new().name(name.to_owned()).spawn(move || {
        let guard = FailOnPanic { shared: &shared, name };
        if let Err(reason) = body(&shared) {
            shared.fail(reason);
        }
        std::mem::forget(guard);
    })
}

/// Ends the member when its thread unwinds.
struct FailOnPanic<'a> {
    shared: &'a Shared,
    name: &'static str,
}

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        self.shared.fail(format!("the {} thread panicked", self.name));
    }
}

/// What the apply thread needs to have its actions carried out.
struct Surroundings {
    pace: Pace,
    installer: Installer,
}

fn run_raft(shared: &Shared, mut consensus: Consensus<ReadWaiter>, pace: Pace) {
    let mut events = Vec::new();
    let mut next_tick = shared.clock.now() + pace.tick;
    while !shared.consensus.is_closed() {
        let wait = next_tick.since(shared.clock.now());
        shared.consensus.drain(&mut events, Some(wait));
        let now = shared.clock.now();
        if now >= next_tick {
            if now.since(next_tick) > pace.tick {
                late_tick(shared, now.since(next_tick));
            }
            events.push(consensus::Event::Tick);
            next_tick = now + pace.tick;
            shared.ticked.store(now.0, Ordering::Relaxed);
        }
        let actions = consensus.round(now, events.drain(..));
        publish_status(shared, &consensus, now);
        for action in actions {
            perform_raft(shared, action);
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

fn perform_raft(shared: &Shared, action: consensus::Action<ReadWaiter>) {
    use consensus::Action;
    match action {
        Action::Append(append) => shared.log.complete(log::Task::Append(append)),
        Action::Apply { entries, responses } => {
            shared.apply.complete(applying::Event::Entries { entries, responses });
        }
        Action::Install(snapshot) => shared.apply.complete(applying::Event::Install(snapshot)),
        Action::Send(messages) => shared.peers.transport().send(messages),
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
        Action::Fetch(read) => {
            shared.log.complete(log::Task::Read {
                low: read.low,
                high: read.high,
                bytes_max: read.size_max,
            });
        }
        Action::Role(role) => {
            let leader =
                if role.lead == MemberId(0) { "none".to_owned() } else { role.lead.to_string() };
            tracing::info!("local-member-id" = %shared.member_id, %leader, role = %role.role,
                "raft role changed");
        }
    }
}

fn run_log(shared: &Arc<Shared>, mut log: Log, pace: Pace) -> Result<(), String> {
    let mut tasks = Vec::new();
    prepare_segment(shared, &mut log);
    while !shared.log.is_closed() {
        shared.log.drain(&mut tasks, None);
        let round = log.run(&mut tasks).map_err(|error| error.to_string())?;
        shared.metrics.storage.log_round(&round);
        let began_segment = round.new_segment;
        for done in round.done {
            deliver_log(shared, done, pace);
        }
        if began_segment {
            prepare_segment(shared, &mut log);
        }
    }
    if shared.has_failed() {
        return Ok(());
    }
    shared.log.drain(&mut tasks, Some(Duration::ZERO));
    log.run(&mut tasks).map_err(|error| error.to_string())?;
    log.close().map_err(|error| error.to_string())
}

/// Lets the next segment of the log be made beside what is written to this one.
fn prepare_segment(shared: &Arc<Shared>, log: &mut Log) {
    let Some(job) = log.prepare() else { return };
    let prepared = Arc::clone(shared);
    shared.tasks.spawn_blocking(Box::new(move || {
        prepared.log.complete(log::Task::Prepared(Box::new(job.run())));
    }));
}

fn deliver_log(shared: &Arc<Shared>, done: log::Done, pace: Pace) {
    match done {
        log::Done::Appended(append) => {
            shared.consensus.complete(consensus::Event::Appended(append));
        }
        log::Done::Synced(index) => shared.synced.reach(index),
        log::Done::SnapshotSaved(snapshot) => {
            let index = snapshot.metadata.index;
            let compact_to = Index(index.saturating_sub(pace.catchup_entries).max(1));
            shared.consensus.complete(consensus::Event::SnapshotSaved { snapshot, compact_to });
        }
        log::Done::Purged(files) => {
            for file in files {
                tracing::info!(path = %file.display(), "purged");
            }
        }
        log::Done::Read(job) => {
            let reader = Arc::clone(shared);
            shared.tasks.spawn_blocking(Box::new(move || match job.run() {
                Ok(entries) => reader.consensus.complete(consensus::Event::Fetched(entries)),
                Err(error) => reader.fail(error.to_string()),
            }));
        }
    }
}

fn run_apply(
    shared: &Arc<Shared>,
    mut applying: Applying<TicketWaiter>,
    around: &Surroundings,
) -> Result<(), String> {
    let interval = around.pace.batch_interval;
    let mut events = Vec::new();
    let mut next_commit = shared.clock.now() + interval;
    loop {
        let until_commit = next_commit.since(shared.clock.now());
        let wait = if applying.has_more() { Duration::ZERO } else { until_commit };
        shared.apply.drain(&mut events, Some(wait));
        if shared.has_failed() {
            return Ok(());
        }
        let now = shared.clock.now();
        let stopping = shared.consensus.is_closed();
        if now >= next_commit || stopping {
            events.push(applying::Event::Tick);
            next_commit = now + interval;
        }
        let waiter = |id| {
            if shared.waiters.is_registered(id) { Waiter::Present } else { Waiter::Absent }
        };
        let actions = applying
            .round(events.drain(..), waiter, &*shared.clock)
            .map_err(|error| error.to_string())?;
        for action in actions {
            perform_apply(shared, action, around);
        }
        if stopping && applying.is_settled() {
            shared.apply.close();
            return Ok(());
        }
    }
}

fn perform_apply(
    shared: &Arc<Shared>,
    action: applying::Action<TicketWaiter>,
    around: &Surroundings,
) {
    use applying::Action;
    match action {
        Action::Publish(view) => {
            shared.watch.complete(watch::Event::View(view.read.clone()));
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

fn run_commit(shared: &Arc<Shared>, mut commits: Commits) -> Result<(), String> {
    let mut drained = Vec::new();
    let mut tasks = VecDeque::new();
    loop {
        let closed = shared.commit.is_closed();
        shared.commit.drain(&mut drained, closed.then_some(Duration::ZERO));
        tasks.extend(drained.drain(..));
        while let Some(task) = tasks.pop_front() {
            let start = shared.clock.now();
            let mut waited = None;
            let finished = commits.run(task, |index| {
                let prepared = shared.clock.now();
                shared.log.complete(log::Task::Sync(index));
                let is_synced = shared.synced.wait(index);
                waited = Some((prepared, shared.clock.now()));
                is_synced
            });
            let finished = finished.map_err(|error| error.to_string())?;
            let now = shared.clock.now();
            if let Some((prepared, synced)) = waited {
                shared.metrics.storage.committed(prepared.since(start), now.since(synced));
            }
            match finished {
                Finished::Committed(done) => {
                    shared.apply.complete(applying::Event::Committed(done));
                }
                Finished::Compacted { compaction, step } => {
                    shared.metrics.store.compaction_step(now.since(start), step.deleted);
                    shared.apply.complete(applying::Event::Compacted { compaction, step });
                }
                Finished::Installed(loaded) => {
                    shared.apply.complete(applying::Event::Installed(loaded));
                }
                Finished::Nothing => {}
            }
        }
        if closed {
            return Ok(());
        }
    }
}
