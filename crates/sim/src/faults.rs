//! What goes wrong by a seed, and when: a schedule that is made before the run, so that it can be made
//! shorter.
//!
//! Knows nothing of how a fault is carried out: see `strike`.

use std::time::Duration;

use env::{Rng as _, SeededRng};

use crate::network::Weather;

/// Kinds of faults, each with its weight; 0 for never.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults {
    /// Between two of them, at most.
    pub pause: Duration,
    /// A process is killed.
    pub kill: u64,
    /// A machine loses power.
    pub power: u64,
    /// All machines lose power.
    pub power_all: u64,
    /// A process is told to stop.
    pub stop: u64,
    /// A process is killed while it opens its files.
    pub kill_in_start: u64,
    /// A process does not get to run.
    pub stall: u64,
    /// Members don't reach each other.
    pub cut: u64,
    /// The network is bad for a while.
    pub weather: u64,
    /// A disk takes its time.
    pub slow: u64,
    /// A disk fails.
    pub error: u64,
    /// A member defragments its file, or leadership moves.
    pub upkeep: u64,
    /// The members change.
    pub members: u64,
    /// The wall clock jumps.
    pub jump: u64,
    /// A member loses its data, once in a run, and comes back under its old id.
    pub wipe: u64,
    /// Snapshots break off on their way, in millionths.
    pub interrupt: u64,
    /// Clocks run at other speeds.
    pub drift: bool,
    /// The wall clock jumps at starts.
    pub wall: bool,
    /// Answers to clients are lost, in millionths.
    pub loss: u64,
}

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Struck {
    /// Times at which all machines lost power.
    pub power_all: u64,
    /// Pauses of processes.
    pub stalls: u64,
    /// Cuts of links, one-way ones and whole partitions each as one.
    pub cuts: u64,
    /// Spells of bad weather.
    pub weathers: u64,
    /// Disks that were made slow for a while.
    pub slow_disks: u64,
    /// Disks that were made to fail.
    pub disk_errors: u64,
    /// Disks whose reads were made to fail for a while.
    pub read_errors: u64,
    /// Defragmentations asked for.
    pub defragmentations: u64,
    /// Moves of leadership asked for.
    pub moves: u64,
    /// Changes of members asked for.
    pub changes: u64,
    /// Jumps of a wall clock while its process ran.
    pub jumps: u64,
    /// Members that lost their data.
    pub wipes: u64,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        pause: Duration::from_secs(3600),
        kill: 0,
        power: 0,
        power_all: 0,
        kill_in_start: 0,
        stall: 0,
        cut: 0,
        weather: 0,
        slow: 0,
        error: 0,
        upkeep: 0,
        members: 0,
        stop: 0,
        jump: 0,
        wipe: 0,
        interrupt: 0,
        drift: false,
        wall: false,
        loss: 0,
    };

    /// What goes wrong by a seed: any kinds, and the rest not at all.
    #[must_use]
    pub fn of(rng: &mut SeededRng) -> Self {
        let mut weight = |most: u64| if rng.below(3) == 0 { 0 } else { rng.below(most) };
        Self {
            kill: weight(10),
            power: weight(10),
            power_all: weight(5),
            kill_in_start: weight(10),
            stall: weight(6),
            cut: weight(10),
            weather: weight(10),
            slow: weight(4),
            error: weight(4),
            upkeep: weight(8),
            members: weight(8),
            stop: weight(6),
            jump: weight(4),
            interrupt: weight(600_000),
            loss: weight(20_000),
            drift: weight(2) == 1,
            wall: weight(2) == 1,
            pause: Duration::from_millis(500 + weight(8_000)),
            wipe: weight(4),
        }
    }

    /// The network as it is between two spells.
    pub(crate) const fn fair_weather(&self) -> Weather {
        Weather { interrupt: self.interrupt, ..Weather::FAIR }
    }

    /// Chooses one by weight.
    fn choose(&self, rng: &mut SeededRng) -> Option<Kind> {
        let all = [
            (self.kill, Kind::Kill),
            (self.power, Kind::Power),
            (self.power_all, Kind::PowerAll),
            (self.kill_in_start, Kind::KillInStart),
            (self.stall, Kind::Stall),
            (self.cut, Kind::Cut),
            (self.weather, Kind::Weather),
            (self.slow, Kind::Slow),
            (self.error, Kind::Error),
            (self.upkeep, Kind::Upkeep),
            (self.members, Kind::Members),
            (self.stop, Kind::Stop),
            (self.jump, Kind::Jump),
            (self.wipe, Kind::Wipe),
        ];
        let mut left = rng.below(all.iter().map(|(weight, _)| weight).sum());
        for (weight, kind) in all {
            if left < weight {
                return Some(kind);
            }
            left -= weight;
        }
        None
    }
}

/// One thing that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Strike {
    /// When.
    pub at: Duration,
    /// Who is started before, if it is down: a bit for each machine.
    pub starts: u64,
    /// What goes wrong, if anything does.
    pub kind: Option<Kind>,
    /// With which machine.
    pub number: usize,
    /// What else is chance about it follows from this.
    pub seed: u64,
}

impl Faults {
    /// All that goes wrong in so long a time with so many machines.
    #[must_use]
    pub fn strikes(&self, machines: usize, time: Duration, rng: &mut SeededRng) -> Vec<Strike> {
        let mut strikes = Vec::new();
        let mut at = self.pause;
        while at < time {
            let starts = rng.next_u64();
            let kind = self.choose(rng);
            let number = rng.below(machines as u64) as usize;
            strikes.push(Strike { at, starts, kind, number, seed: rng.next_u64() });
            let most = u64::try_from(self.pause.as_millis()).unwrap_or(u64::MAX);
            at += Duration::from_millis(rng.below(most) + 1);
        }
        strikes
    }
}

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is told at its weight in `Faults`")]
pub enum Kind {
    Kill,
    Power,
    PowerAll,
    KillInStart,
    Stall,
    Cut,
    Weather,
    Slow,
    Error,
    Upkeep,
    Members,
    Stop,
    Jump,
    Wipe,
}
