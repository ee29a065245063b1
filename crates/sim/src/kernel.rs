//! What everything in a simulation shares: the time, chance, what is to be done when, and the trace.
//!
//! Knows no members. Deeds are done by who holds the simulation, never from within a call here.
//!
//! Invariant: what is to be done at one time is done in the order in which it was asked for.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt::Arguments;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use env::{Monotonic, Rng, SeededRng, Task, Work};

use crate::executor::Woken;
use crate::sim::Sim;
use crate::trace::{Lines, Trace};

/// Something to be done with the simulation.
pub type Deed = Box<dyn FnOnce(&mut Sim) + Send>;

/// Whose something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Owner {
    /// A process of a member: which one, and its how manieth.
    Process(usize, u64),
    /// Nobody's that could end: clients, and what breaks things.
    Outside,
}

/// See the module. Clones share it.
#[derive(Clone)]
pub struct Kernel {
    state: Arc<Mutex<State>>,
    /// Apart from the rest, since things that wake others may be dropped at any time.
    pub(crate) woken: Woken,
}

struct State {
    now: Monotonic,
    rng: SeededRng,
    deeds: BinaryHeap<Planned>,
    planned: u64,
    begun: Vec<(Owner, Task)>,
    work: Vec<(Owner, Work)>,
    trace: Trace,
}

struct Planned {
    at: Monotonic,
    number: u64,
    deed: Deed,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    /// The earliest is the greatest: it is on top of the heap.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl Kernel {
    /// A simulation's beginning.
    #[must_use]
    pub fn new(seed: u64, lines: Lines) -> Self {
        let state = State {
            now: Monotonic::default(),
            rng: SeededRng::new(seed),
            deeds: BinaryHeap::new(),
            planned: 0,
            begun: Vec::new(),
            work: Vec::new(),
            trace: Trace::new(lines),
        };
        Self { state: Arc::new(Mutex::new(state)), woken: Woken::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Monotonic {
        self.state().now
    }

    pub(crate) fn set_now(&self, now: Monotonic) {
        self.state().now = now;
    }

    /// Does something at a time.
    pub fn at(&self, at: Monotonic, deed: impl FnOnce(&mut Sim) + Send + 'static) {
        let mut state = self.state();
        state.planned += 1;
        let planned = Planned { at, number: state.planned, deed: Box::new(deed) };
        state.deeds.push(planned);
    }

    /// Does something after a while.
    pub fn after(&self, wait: Duration, deed: impl FnOnce(&mut Sim) + Send + 'static) {
        self.at(self.now() + wait, deed);
    }

    /// What is due.
    pub(crate) fn due(&self) -> Option<Deed> {
        let mut state = self.state();
        let now = state.now;
        let is_due = state.deeds.peek().is_some_and(|next| next.at <= now);
        is_due.then(|| state.deeds.pop()).flatten().map(|planned| planned.deed)
    }

    /// When the next deed is due.
    pub(crate) fn next(&self) -> Option<Monotonic> {
        self.state().deeds.peek().map(|planned| planned.at)
    }

    pub(crate) fn begin(&self, owner: Owner, task: Task) {
        self.state().begun.push((owner, task));
    }

    pub(crate) fn take_begun(&self) -> Vec<(Owner, Task)> {
        std::mem::take(&mut self.state().begun)
    }

    pub(crate) fn add_work(&self, owner: Owner, work: Work) {
        self.state().work.push((owner, work));
    }

    pub(crate) fn take_work(&self) -> Vec<(Owner, Work)> {
        std::mem::take(&mut self.state().work)
    }
}

/// Chance.
impl Kernel {
    /// A number in `0..bound`.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        self.state().rng.below(bound)
    }

    /// Whether something of this many in a million happens.
    #[must_use]
    pub fn happens(&self, millionths: u64) -> bool {
        millionths > 0 && self.below(1_000_000) < millionths
    }

    /// A time up to another, often a short one.
    #[must_use]
    pub fn time_up_to(&self, most: Duration) -> Duration {
        let mut state = self.state();
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let scale = state.rng.below(3);
        Duration::from_nanos(state.rng.below((most >> (4 * scale)).max(1)))
    }

    /// A source of chance of its own.
    #[must_use]
    pub fn rng(&self) -> SeededRng {
        SeededRng::new(self.state().rng.next_u64())
    }
}

/// The trace.
impl Kernel {
    /// Notes a line.
    pub fn note(&self, who: &str, what: Arguments<'_>) {
        let mut state = self.state();
        let now = state.now;
        state.trace.line(now, who, what);
    }

    /// Notes numbers without a line.
    pub fn count(&self, numbers: [u64; 3]) {
        self.state().trace.count(numbers);
    }

    /// The hash over the trace.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.state().trace.hash()
    }

    /// The last lines of the trace.
    #[must_use]
    pub fn last_lines(&self) -> Vec<String> {
        self.state().trace.last().map(str::to_owned).collect()
    }
}
