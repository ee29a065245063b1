//! What all rounds of faults showed together.

use super::fault::Injection;
use super::stage::Back;
use checker::Counts;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// See the module.
pub struct Total {
    start: Instant,
    /// How often each kind was made.
    faults: BTreeMap<&'static str, u64>,
    back: Vec<Back>,
    pub counts: Counts,
    /// Compactions after which all members gave equal hashes.
    pub compared: u64,
    /// Syncs that slow disks held up.
    pub stalls: u64,
}

impl Total {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            faults: BTreeMap::new(),
            back: Vec::new(),
            counts: Counts::default(),
            compared: 0,
            stalls: 0,
        }
    }

    /// Adds what was made at once, and how soon service was back behind it.
    pub fn add(&mut self, injections: &[Injection], back: Back) {
        self.back.push(back);
        for injection in injections {
            *self.faults.entry(injection.name).or_default() += 1;
        }
    }

    /// All faults.
    pub fn injected(&self) -> u64 {
        self.faults.values().sum()
    }

    /// The faults of one kind.
    pub fn count(&self, name: &str) -> u64 {
        self.faults.get(name).copied().unwrap_or_default()
    }

    /// The time within which service was back behind this share of the faults.
    pub fn back(&self, of: impl Fn(&Back) -> Duration, share: f64) -> Duration {
        let mut times: Vec<Duration> = self.back.iter().map(of).collect();
        times.sort_unstable();
        times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1]
    }

    pub fn print(&self) {
        println!("{} faults in {:.0?}:", self.injected(), self.start.elapsed());
        for (name, count) in &self.faults {
            println!("  {count:4} {name}");
        }
        for (what, of) in
            [("some member", Back::first as fn(&Back) -> Duration), ("all", Back::all)]
        {
            let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| self.back(of, share));
            println!(
                "{what} acknowledged a write again: half {half:.2?}, p99 {most:.2?}, worst {worst:.2?}"
            );
        }
        let Self { counts, compared, stalls, .. } = self;
        let checked = counts.checked();
        println!("{checked} operations with a known outcome checked, none violates a promise");
        println!("{counts}; {compared} compactions with equal hashes; {stalls} syncs held up");
    }
}
