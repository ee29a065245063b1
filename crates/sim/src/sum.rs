//! Many seeds, and what comes of them together.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::run::{Counts, Outcome, run};
use crate::trace::Lines;

/// How much of the trace is kept of a seed that went wrong.
const LINES: usize = 60;

/// What came of some seeds.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// How many.
    pub seeds: u64,
    /// Virtual time.
    pub time: Duration,
    /// Real time.
    pub took: Duration,
    /// What was counted, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// Those that went wrong.
    pub wrong: Vec<Outcome>,
}

impl Sum {
    /// Runs seeds, so many at a time.
    #[must_use]
    pub fn of(seeds: Range<u64>, jobs: usize) -> Self {
        let (start, next) = (Instant::now(), AtomicU64::new(seeds.start));
        let sum = Mutex::new(Self::default());
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return;
                        }
                        let outcome = run(&Plan::of(seed), Lines::Last(LINES));
                        sum.lock().unwrap_or_else(PoisonError::into_inner).add(outcome);
                    }
                });
            }
        });
        let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        Self { took: start.elapsed(), ..sum }
    }

    fn add(&mut self, outcome: Outcome) {
        for wrong in &outcome.wrong {
            eprintln!("seed {}: {wrong}", outcome.seed);
        }
        self.seeds += 1;
        self.time += outcome.time;
        for (name, count) in outcome.counts.named() {
            *self.counts.entry(name).or_default() += count;
        }
        if !outcome.wrong.is_empty() {
            self.wrong.push(outcome);
        }
    }

    /// A count by its name.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.wrong {
            writeln!(f, "{outcome}")?;
        }
        let (hours, took) = (self.time.as_secs_f64() / 3600.0, self.took.as_secs_f64());
        let speed = self.time.as_secs_f64() / took.max(f64::MIN_POSITIVE);
        writeln!(
            f,
            "{} seeds, {} went wrong; {hours:.3} virtual hours in {took:.1} s, {speed:.0} times \
             real time",
            self.seeds,
            self.wrong.len()
        )?;
        self.counts.iter().try_for_each(|(name, count)| writeln!(f, "{count:>12} {name}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        for wrong in &self.wrong {
            writeln!(f, "WRONG: {wrong}")?;
        }
        write!(f, "seed {}, {:?}, trace {:016x}", self.seed, self.time, self.hash)
    }
}

impl Counts {
    /// All counts with their names.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 42] {
        let Self { ends, struck, fates, compared, checked, .. } = self;
        [
            ("steps", self.steps),
            ("calls answered", self.answered),
            ("answers lost", self.lost_answers),
            ("logins", self.logins),
            ("asked for: change of users", self.auth_changes),
            ("operations checked", checked.operations),
            ("watch events checked", checked.events),
            ("watches checked", checked.watches),
            ("revisions checked", checked.revisions),
            ("lease ends checked", checked.expiries),
            ("crashes: killed", ends.kills),
            ("crashes: power cut", ends.power_cuts),
            ("crashes: in start-up", ends.in_start),
            ("crashes: disk failed", ends.failures),
            ("stops", ends.stops),
            ("faults: all lose power", struck.power_all),
            ("faults: pause", struck.stalls),
            ("faults: cut", struck.cuts),
            ("faults: bad network", struck.weathers),
            ("faults: slow disk", struck.slow_disks),
            ("faults: disk error", struck.disk_errors),
            ("faults: unreadable disk", struck.read_errors),
            ("faults: jump of a wall clock", struck.jumps),
            ("faults: loss of all data", struck.wipes),
            ("asked for: defragmentation", struck.defragmentations),
            ("asked for: move of leadership", struck.moves),
            ("asked for: change of members", struck.changes),
            ("messages sent", fates.sent),
            ("messages dropped", fates.dropped),
            ("messages over a cut", fates.cut),
            ("messages duplicated", fates.duplicated),
            ("messages reordered", fates.reordered),
            ("messages delayed", fates.delayed),
            ("snapshots sent", fates.snapshots),
            ("snapshots interrupted", fates.interrupted),
            ("compared: states at an index", compared.states),
            ("compared: changes at a revision", compared.revisions),
            ("compared: whole stores", compared.hashes),
            ("compared: acknowledged writes", compared.writes),
            ("terms with a leader", compared.terms),
            ("outcomes unknown", checked.unknown),
            ("outcomes unknown, found applied", checked.unknown_applied),
        ]
    }
}
