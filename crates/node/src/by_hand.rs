//! A member without threads: whoever holds it takes the turns of its parts, one at a time, in any
//! order and at a time of its own.
//!
//! Knows nothing of who that is. What a part writes takes time on a disk: a turn that wrote gives a
//! [`Written`], to be told with [`ByHand::tell`] when that time has passed; until then the part is
//! busy.
//!
//! Invariant: a part has nothing to do exactly when its thread would wait.

use std::sync::Arc;
use std::time::Duration;

use env::Monotonic;
use telemetry::Registry;
use types::Index;

use crate::applying;
use crate::commit::{Begun, Finished};
use crate::handle::Node;
use crate::log::Round;
use crate::monitor;
use crate::shared::Shared;
use crate::start::{Assembled, Error, Options, assemble};
use crate::turns::{Cores, Turn};
use crate::watching::WatchTurns;
use crate::world::World;

/// The parts of a member that take turns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// Consensus.
    Raft,
    /// The writer of the log.
    Log,
    /// The replicated state.
    Apply,
    /// The writer of the database file.
    Commit,
    /// The watches.
    Watch,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Raft, Self::Log, Self::Apply, Self::Commit, Self::Watch];
}

/// What a turn wrote, for others to hear of.
#[must_use]
pub struct Written(What);

enum What {
    Log(Round),
    /// The first half of a commit.
    Prepared(Index),
    Finished(Finished),
}

/// What the commit part is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    /// A first half is written, and the log is to be durable up to here.
    Waiting(Index),
}

/// A member in the hands of its driver.
pub struct ByHand {
    shared: Arc<Shared>,
    cores: Cores,
    watch: WatchTurns,
    stage: Stage,
    log_busy: bool,
    commit_busy: bool,
}

impl ByHand {
    /// Opens or makes a member's files, as [`start`](crate::start) does. What it does by itself goes
    /// on in the tasks of its world.
    ///
    /// # Errors
    /// [`Error`]; nothing was lost.
    pub async fn start(
        world: &World,
        registry: &Registry,
        options: &Options,
    ) -> Result<Self, Error> {
        let Assembled { shared, mut cores, trial } = assemble(world, registry, options).await?;
        cores.log.prepare_segment(&shared);
        let watch = WatchTurns::new(&shared);
        monitor::start(&Node(Arc::clone(&shared)), options, trial);
        let stage = Stage::Idle;
        Ok(Self { shared, cores, watch, stage, log_busy: false, commit_busy: false })
    }

    /// What callers ask.
    #[must_use]
    pub fn node(&self) -> Node {
        Node(Arc::clone(&self.shared))
    }

    /// From when on a part has something to do if nothing comes; `None` while it has nothing, or is
    /// busy.
    #[must_use]
    pub fn due(&self, part: Part) -> Option<Monotonic> {
        let shared = &self.shared;
        if shared.has_failed() {
            return None;
        }
        let now = Some(shared.clock.now());
        match part {
            Part::Raft if !shared.consensus.is_empty() => now,
            Part::Raft => Some(self.cores.raft.due()),
            Part::Log => now.filter(|_| !self.log_busy && !shared.log.is_empty()),
            Part::Apply if !shared.apply.is_empty() => now,
            Part::Apply => self.cores.apply.due().or(now),
            Part::Commit if self.commit_busy => None,
            Part::Commit => now.filter(|_| match self.stage {
                Stage::Idle => !self.cores.commit.is_idle() || !shared.commit.is_empty(),
                Stage::Waiting(index) => shared.synced.has_reached(index),
            }),
            Part::Watch if !shared.watch.is_empty() => now,
            Part::Watch => self.watch.wait(shared).map(|wait| shared.clock.now() + wait),
        }
    }

    /// Takes a turn. A failure is the member's: see [`Node::failure`].
    ///
    /// # Panics
    /// When the part is busy, and where its thread would.
    pub fn turn(&mut self, part: Part) -> Option<Written> {
        let turn = self.try_turn(part);
        turn.unwrap_or_else(|reason| {
            self.shared.fail(reason);
            None
        })
    }

    fn try_turn(&mut self, part: Part) -> Result<Option<Written>, String> {
        const AT_ONCE: Duration = Duration::ZERO;
        let Self { shared, cores, .. } = self;
        match part {
            Part::Raft => cores.raft.turn(shared, AT_ONCE),
            Part::Log => {
                assert!(!self.log_busy, "what was written is told before the next turn");
                let round = cores.log.write(shared, Some(AT_ONCE))?;
                self.log_busy = true;
                return Ok(Some(Written(What::Log(round))));
            }
            Part::Apply => {
                let turn = cores.apply.turn(shared, AT_ONCE)?;
                debug_assert!(turn == Turn::More || shared.consensus.is_closed());
            }
            Part::Commit => return self.commit_turn(),
            Part::Watch => {
                self.watch.turn(shared, Some(AT_ONCE)).map_err(|error| error.to_string())?;
            }
        }
        Ok(None)
    }

    fn commit_turn(&mut self) -> Result<Option<Written>, String> {
        assert!(!self.commit_busy, "what was written is told before the next turn");
        let Self { shared, cores, .. } = self;
        let what = match self.stage {
            Stage::Waiting(index) if shared.synced.has_reached(index) => {
                What::Finished(cores.commit.finish(shared, true)?)
            }
            Stage::Waiting(_) => return Ok(None),
            Stage::Idle => {
                cores.commit.drain(shared, Some(Duration::ZERO));
                match cores.commit.begin(shared)? {
                    None => return Ok(None),
                    Some(Begun::Finished(finished)) => What::Finished(finished),
                    Some(Begun::Waiting(index)) => What::Prepared(index),
                }
            }
        };
        self.commit_busy = true;
        Ok(Some(Written(what)))
    }

    /// Tells what a turn wrote: it is on the disk now.
    pub fn tell(&mut self, written: Written) {
        let Self { shared, cores, .. } = self;
        match written.0 {
            What::Log(round) => {
                cores.log.tell(shared, round);
                self.log_busy = false;
            }
            What::Prepared(index) => {
                cores.commit.ask_log(shared, index);
                self.stage = Stage::Waiting(index);
                self.commit_busy = false;
            }
            What::Finished(finished) => {
                cores.commit.tell(shared, finished);
                self.stage = Stage::Idle;
                self.commit_busy = false;
            }
        }
    }

    /// Whether everything that was written was told, so that it can be [stopped](Self::stop).
    #[must_use]
    pub const fn can_stop(&self) -> bool {
        !self.log_busy && !self.commit_busy
    }

    /// Ends as a member does that is told to: what was proposed and applied is committed to the file,
    /// and the log is closed last. All of it at once, as if nothing else happened meanwhile.
    ///
    /// # Errors
    /// What the disk refused.
    ///
    /// # Panics
    /// While it cannot.
    pub fn stop(mut self) -> Result<(), String> {
        assert!(self.can_stop(), "what was written is told before the end");
        let shared = Arc::clone(&self.shared);
        self.shared.peers.stop();
        shared.stopping.send_replace(true);
        shared.watch.close();
        WatchTurns::end(&shared);
        shared.consensus.close();
        shared.apply.complete(applying::Event::Tick);
        while self.cores.apply.turn(&shared, Duration::ZERO)? == Turn::More {
            self.write_all()?;
        }
        shared.commit.close();
        self.write_all()?;
        shared.log.close();
        self.write_all()?;
        self.cores.log.close(&shared)
    }

    /// Lets log and commits write until neither has more.
    fn write_all(&mut self) -> Result<(), String> {
        loop {
            let mut writers = [Part::Log, Part::Commit].into_iter();
            let Some(part) = writers.find(|part| self.due(*part).is_some()) else {
                return Ok(());
            };
            if let Some(written) = self.try_turn(part)? {
                self.tell(written);
            }
        }
    }

    /// Ends everything at once, as the end of the process does: nothing more is written.
    pub fn kill(self) {
        self.shared.peers.stop();
        self.shared.close();
        WatchTurns::end(&self.shared);
    }
}
