//! The threads of a member: each drives one core, and ends when its queue is closed.
//!
//! A thread that fails or panics ends the member: nothing it was at is acknowledged.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::applying;
use crate::commit::Begun;
use crate::shared::Shared;
use crate::turns::{ApplyTurns, CommitTurns, Cores, LogTurns, RaftTurns, Turn};
use crate::watching::WatchTurns;

/// The running threads.
pub(crate) struct Threads {
    raft: JoinHandle<()>,
    apply: JoinHandle<()>,
    commit: JoinHandle<()>,
    log: JoinHandle<()>,
    watch: JoinHandle<()>,
}

impl Threads {
    pub(crate) fn start(shared: &Arc<Shared>, cores: Cores) -> std::io::Result<Self> {
        let Cores { raft, log, apply, commit } = cores;
        Ok(Self {
            raft: spawn(shared, "raft", move |shared| {
                run_raft(shared, raft);
                Ok(())
            })?,
            log: spawn(shared, "log", move |shared| run_log(shared, log))?,
            apply: spawn(shared, "apply", move |shared| run_apply(shared, apply))?,
            commit: spawn(shared, "commit", move |shared| run_commit(shared, commit))?,
            watch: spawn(shared, "watch", |shared| run_watch(shared))?,
        })
    }

    /// Ends the threads in the order in which each has nothing more to do: what was proposed and
    /// applied is committed to the file, and the log is closed last.
    pub(crate) fn stop(self, shared: &Shared) {
        let join = |thread: JoinHandle<()>| {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        };
        shared.begin_stop();
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

fn run_raft(shared: &Shared, mut raft: RaftTurns) {
    while !shared.consensus.is_closed() {
        let wait = raft.due().since(shared.clock.now());
        raft.turn(shared, wait);
    }
}

fn run_log(shared: &Arc<Shared>, mut log: LogTurns) -> Result<(), String> {
    log.prepare_segment(shared);
    while !shared.log.is_closed() {
        let round = log.write(shared, None)?;
        log.tell(shared, round);
    }
    if shared.has_failed() { Ok(()) } else { log.close(shared) }
}

fn run_apply(shared: &Arc<Shared>, mut apply: ApplyTurns) -> Result<(), String> {
    loop {
        let wait = apply.due().map_or(Duration::ZERO, |due| due.since(shared.clock.now()));
        if apply.turn(shared, wait)? == Turn::Last {
            return Ok(());
        }
    }
}

fn run_commit(shared: &Shared, mut commit: CommitTurns) -> Result<(), String> {
    loop {
        let closed = shared.commit.is_closed();
        commit.drain(shared, closed.then_some(Duration::ZERO));
        while let Some(begun) = commit.begin(shared)? {
            let finished = match begun {
                Begun::Finished(finished) => finished,
                Begun::Waiting(index) => {
                    commit.ask_log(shared, index);
                    let is_synced = shared.synced.wait(index);
                    commit.finish(shared, is_synced)?
                }
            };
            commit.tell(shared, finished);
        }
        if closed {
            return Ok(());
        }
    }
}

fn run_watch(shared: &Shared) -> Result<(), String> {
    let mut watch = WatchTurns::new(shared);
    while !shared.watch.is_closed() {
        let wait = watch.wait(shared);
        watch.turn(shared, wait).map_err(|error| error.to_string())?;
    }
    WatchTurns::end(shared);
    Ok(())
}
