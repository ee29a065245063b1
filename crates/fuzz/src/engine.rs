//! Runs a target on input after input, and says what is wrong.
//!
//! Does not know where findings go, or when to stop.
//!
//! Invariants: the same seed gives the same inputs, whatever the machine does meanwhile; the corpus
//! and what was seen are bounded.

use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::measure;
use crate::mutate::Mutator;
use crate::target::Target;

/// No input may keep a target busy for longer.
pub const TIME_MAX: Duration = Duration::from_secs(1);
/// No input may make a target allocate more at a time.
pub const MEMORY_MAX: u64 = 64 << 20;

/// How many inputs are kept.
const CORPUS_MAX: usize = 2048;
/// How many ways of an input are known apart.
const SEEN_MAX: usize = 1 << 16;
/// Inputs are not longer than this, or than twice the longest that a target begins with.
const INPUT_BYTES_MAX: usize = 2048;
/// After how many inputs the memory is looked at.
const MEMORY_INTERVAL: u64 = 32;

/// What the last panic said.
static PANIC: Mutex<String> = Mutex::new(String::new());
/// How many there were, on whatever thread.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The target panicked.
    Panic(String),
    /// It was busy for so long.
    Slow(Duration),
    /// It allocated so much at a time.
    Memory(u64),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panic(text) => write!(f, "panic: {text}"),
            Self::Slow(time) => write!(f, "busy for {time:?}"),
            Self::Memory(bytes) => write!(f, "allocated {} MiB", bytes >> 20),
        }
    }
}

/// An input with what is wrong about it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The input.
    pub input: Vec<u8>,
    /// What is wrong.
    pub fault: Fault,
}

/// A target and the inputs that went new ways.
pub struct Fuzzer {
    target: &'static Target,
    mutator: Mutator,
    corpus: Vec<Vec<u8>>,
    seen: HashSet<u64>,
    /// Seeds that were not run yet, the last first.
    waiting: Vec<Vec<u8>>,
    /// Inputs since the memory was looked at.
    recent: Vec<Vec<u8>>,
    peak: u64,
    executions: u64,
    slowest: Duration,
}

impl Fuzzer {
    /// Begins with a target's seeds.
    #[must_use]
    pub fn new(target: &'static Target, seed: u64) -> Self {
        let mut waiting = (target.seeds)();
        let longest = waiting.iter().map(Vec::len).max().unwrap_or_default();
        waiting.push(Vec::new());
        Self {
            target,
            mutator: Mutator::new(seed, target.words, (2 * longest).max(INPUT_BYTES_MAX)),
            corpus: Vec::new(),
            seen: HashSet::new(),
            waiting,
            recent: Vec::new(),
            peak: 0,
            executions: 0,
            slowest: Duration::ZERO,
        }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        self.waiting.pop().unwrap_or_else(|| self.mutator.next(&self.corpus))
    }

    /// Takes an input, and gives what it found; of a memory that grew, the inputs that may have made
    /// it grow, for [`replay`] in processes of their own.
    pub fn take(&mut self, input: Vec<u8>) -> Result<Vec<Vec<u8>>, Finding> {
        let begin = Instant::now();
        let ran = run(self.target, &input);
        self.executions += 1;
        let took = begin.elapsed();
        let features = match ran {
            Ok(features) => features,
            Err(fault) => return Err(Finding { input, fault }),
        };
        if took > TIME_MAX
            && let Some(fault) = slowness(self.target, &input)
        {
            return Err(Finding { input, fault });
        }
        self.slowest = self.slowest.max(took);
        if self.seen.len() < SEEN_MAX && self.seen.insert(features) {
            self.keep(input.clone());
        }
        self.recent.push(input);
        if self.executions.is_multiple_of(MEMORY_INTERVAL) {
            let suspects = std::mem::take(&mut self.recent);
            let (now, peak) = measure::address_space();
            if peak > self.peak.max(now + MEMORY_MAX) {
                self.peak = peak;
                return Ok(suspects);
            }
        }
        Ok(Vec::new())
    }

    fn keep(&mut self, input: Vec<u8>) {
        if self.corpus.len() < CORPUS_MAX {
            self.corpus.push(input);
        } else {
            let place = self.mutator.below(CORPUS_MAX);
            self.corpus[place] = input;
        }
    }

    /// How many inputs were taken.
    #[must_use]
    pub const fn executions(&self) -> u64 {
        self.executions
    }

    /// How many ways were seen.
    #[must_use]
    pub fn ways(&self) -> usize {
        self.seen.len()
    }

    /// The longest that an input took, with whatever else the machine did.
    #[must_use]
    pub const fn slowest(&self) -> Duration {
        self.slowest
    }
}

thread_local! {
    /// This thread runs a target: its panics are findings.
    static IN_TARGET: Cell<bool> = const { Cell::new(false) };
}

/// Lets panics be counted, and those of targets be remembered in place of printed.
pub fn catch_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut last) = PANIC.lock() {
            *last = info.to_string();
        }
        if !IN_TARGET.get() {
            before(info);
        }
    }));
}

/// Takes one input for certain: also looks at time and memory. For a process that does nothing else.
///
/// # Errors
/// What is wrong.
pub fn replay(target: &Target, input: &[u8]) -> Result<u64, Fault> {
    // What is made once and kept does not count.
    run(target, &[])?;
    let (before, _) = measure::address_space();
    let features = run(target, input)?;
    let (_, peak) = measure::address_space();
    if peak > before + MEMORY_MAX {
        return Err(Fault::Memory(peak - before));
    }
    slowness(target, input).map_or(Ok(features), Err)
}

fn run(target: &Target, input: &[u8]) -> Result<u64, Fault> {
    let before = PANICS.load(Ordering::Relaxed);
    // A target begins anew with each input, or puts things right by itself after a panic.
    IN_TARGET.set(true);
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    IN_TARGET.set(false);
    if let Ok(features) = ran
        && PANICS.load(Ordering::Relaxed) == before
    {
        return Ok(features);
    }
    let text = PANIC.lock().map(|text| text.clone()).unwrap_or_default();
    if target.excused.iter().any(|words| text.contains(words)) {
        return Ok(0);
    }
    Err(Fault::Panic(text))
}

/// Whether an input keeps the target busy for too long, however often it is tried.
fn slowness(target: &Target, input: &[u8]) -> Option<Fault> {
    let mut least = Duration::MAX;
    for _ in 0..3 {
        let before = measure::processor_time();
        // It has gone well before.
        let _ = run(target, input);
        least = least.min(measure::processor_time() - before);
        if least <= TIME_MAX {
            return None;
        }
    }
    Some(Fault::Slow(least))
}

#[cfg(test)]
#[path = "engine_test.rs"]
mod tests;
