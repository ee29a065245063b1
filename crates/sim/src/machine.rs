//! A member's machine: its disk, and the process that runs on it, if one does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use env::{Clock as _, Monotonic, Rng};
use node::by_hand::{ByHand, Part};
use node::{Options, World};
use simenv::{Latency, SimClock, SimDisk};
use telemetry::Registry;
use types::{Index, MemberId};

use crate::clocks::Clocks;
use crate::executor::{Local, TaskId};
use crate::kernel::{Kernel, Owner};
use crate::members::Standing;
use crate::network::Wire;
use crate::tasks::SimTasks;

/// What came of a start.
type Outcome = Arc<Mutex<Option<Result<ByHand, node::Error>>>>;

/// How far a process is.
pub(crate) enum Stage {
    /// There is none.
    Down,
    /// It opens its files.
    Starting(TaskId, Outcome),
    /// It has opened them, which takes until the disk is done.
    Opened(Box<ByHand>),
    /// It runs.
    Up(Box<ByHand>),
}

/// See the module.
pub struct Machine {
    pub(crate) number: usize,
    pub(crate) options: Options,
    pub(crate) disk: SimDisk,
    pub(crate) latency: Latency,
    /// Errors of the disk before the process began.
    errors_before: u64,
    /// What it is to the cluster.
    pub(crate) standing: Standing,
    /// The member that runs here, once it has run.
    pub(crate) id: Option<MemberId>,
    /// Its files have been opened once.
    pub(crate) has_run: bool,
    /// The number of the process, or of the last one.
    pub(crate) process: u64,
    pub(crate) stage: Stage,
    /// The process's metrics.
    pub(crate) registry: Registry,
    pub(crate) clocks: Clocks,
    pub(crate) clock: SimClock,
    /// Until when each part is at its last turn.
    pub(crate) free_at: [Monotonic; Part::ALL.len()],
    /// Until when the start is at its last reads and writes.
    pub(crate) disk_until: Monotonic,
    /// When its files were closed, and what was applied then, if the last process was stopped.
    pub(crate) closed: Option<(Monotonic, Index)>,
    /// Until when the disk is busy with what was asked of it so far.
    pub(crate) busy_until: Monotonic,
    /// Until when the process does not get to run.
    pub(crate) paused_until: Monotonic,
}

impl Machine {
    /// A machine with an empty disk.
    #[must_use]
    pub fn new(number: usize, options: Options) -> Self {
        let disk = Self::empty_disk(&options);
        Self {
            number,
            options,
            disk,
            latency: Latency::default(),
            errors_before: 0,
            standing: Standing::Member,
            id: None,
            has_run: false,
            process: 0,
            stage: Stage::Down,
            registry: Registry::new(),
            clocks: Clocks::true_time(),
            clock: SimClock::new(),
            free_at: Default::default(),
            disk_until: Monotonic(0),
            closed: None,
            busy_until: Monotonic(0),
            paused_until: Monotonic(0),
        }
    }

    /// A disk on which nothing is but where the data is to go.
    pub(crate) fn empty_disk(options: &Options) -> SimDisk {
        let disk = SimDisk::new();
        disk.put_dir(options.paths.data.parent().unwrap_or(&options.paths.data));
        disk
    }

    pub(crate) const fn owner(&self) -> Owner {
        Owner::Process(self.number, self.process)
    }

    /// The name in traces.
    #[must_use]
    pub fn name(&self) -> String {
        format!("m{}", self.number + 1)
    }

    fn errors(&self) -> u64 {
        let counts = self.disk.counts();
        counts.errors + counts.halves + counts.full
    }

    /// Whether the disk has failed the process.
    pub(crate) fn has_failed_disk(&self) -> bool {
        self.errors() > self.errors_before
    }

    /// The process, if it runs.
    #[must_use]
    pub fn running(&self) -> Option<&ByHand> {
        match &self.stage {
            Stage::Up(by_hand) => Some(by_hand),
            _ => None,
        }
    }

    /// Whether there is no process.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        matches!(self.stage, Stage::Down)
    }

    /// Whether a task of the process may go on, or (`None`) work beside its tasks.
    pub(crate) fn lets_run(&self, now: Monotonic, task: Option<TaskId>) -> bool {
        if self.paused_until > now {
            return false;
        }
        match &self.stage {
            Stage::Up(_) => true,
            // What it begins while it opens its files waits until it has.
            Stage::Starting(starting, _) => {
                task.is_none_or(|task| task == *starting) && self.disk_until <= now
            }
            Stage::Down | Stage::Opened(_) => false,
        }
    }

    /// Begins a process; the task that opens its files.
    pub(crate) fn begin(
        &mut self,
        kernel: &Kernel,
        wire: &Arc<Wire>,
        (drift, wall_off): (i64, i64),
    ) -> (Local, Outcome) {
        let now = kernel.now();
        self.process += 1;
        self.clocks = Clocks::new(now, drift);
        self.clock = self.clocks.clock(now, wall_off);
        self.errors_before = self.errors();
        self.disk_until = now;
        self.free_at = [now; Part::ALL.len()];
        let tasks = Arc::new(SimTasks::new(kernel.clone(), self.owner(), self.clocks));
        let random = kernel.clone();
        let world = World {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::new(self.clock.clone()),
            tasks: Arc::clone(&tasks) as _,
            network: wire.end(self.owner(), tasks),
            randomness: Arc::new(move || Box::new(random.rng()) as Box<dyn Rng>),
        };
        let options = self.options.clone();
        let outcome = Outcome::default();
        let told = Arc::clone(&outcome);
        self.registry = Registry::new();
        let registry = self.registry.clone();
        let task = Box::pin(async move {
            let started = ByHand::start(&world, &registry, &options).await;
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
        });
        (task, outcome)
    }

    /// From when on a part has something to do.
    pub(crate) fn due(&self, part: Part) -> Option<Monotonic> {
        let Stage::Up(by_hand) = &self.stage else { return None };
        let due = by_hand.due(part)?;
        let due = if due <= self.clock.now() { Monotonic(0) } else { self.clocks.when(due) };
        Some(due.max(self.free_at[part as usize]).max(self.paused_until))
    }

    /// One of the process's metrics that has no labels.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = self.registry.render();
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value)
    }

    /// Lets the process run again, all parts of it.
    pub(crate) const fn resume(&mut self) {
        self.paused_until = Monotonic(0);
        self.free_at = [Monotonic(0); Part::ALL.len()];
    }

    /// Ends the process.
    pub(crate) fn stop(&mut self) {
        self.resume();
        match std::mem::replace(&mut self.stage, Stage::Down) {
            Stage::Down => {}
            Stage::Starting(_, outcome) => {
                let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(Ok(by_hand)) = outcome.take() {
                    by_hand.kill();
                }
            }
            Stage::Opened(by_hand) | Stage::Up(by_hand) => by_hand.kill(),
        }
    }

    /// Puts a disk in the place of this one.
    pub(crate) fn set_disk(&mut self, disk: SimDisk, now: Monotonic) {
        disk.begin_at(now);
        disk.set_latency(self.latency);
        self.disk = disk;
        self.busy_until = now;
    }

    /// How long a turn that writes nothing takes.
    pub(crate) fn turn_takes(kernel: &Kernel) -> Duration {
        const USUALLY_MAX: u64 = 30_000;
        const RARELY_MAX: u64 = 20_000_000;
        let most = if kernel.below(2000) == 0 { RARELY_MAX } else { USUALLY_MAX };
        Duration::from_nanos(1000 + kernel.below(most))
    }
}
