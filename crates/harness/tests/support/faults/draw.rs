//! Draws faults from a seed.

use super::fault::{Fault, Injection, between, everywhere, from_to};
use env::{Rng as _, SeededRng};
use std::time::Duration;

/// The name of the longest pauses.
pub const LONG_PAUSE: &str = "pause a member for a minute";

/// How long they last.
const LONG_PAUSE_TIME: Duration = Duration::from_secs(60);

/// The kinds, with how often each is drawn.
const KINDS: [(&str, u64); 21] = [
    ("cut off the leader", 8),
    ("lose what the leader sends", 6),
    ("lose what the leader is sent", 6),
    ("cut off a minority", 6),
    ("leave no majority", 6),
    ("lose one way of a link", 5),
    ("leave a bridge", 4),
    ("flap the leader's links", 6),
    ("flap all links", 4),
    ("delay all links", 6),
    ("delay the leader's links", 5),
    ("kill the leader", 8),
    ("kill a follower", 5),
    ("kill a majority", 4),
    ("kill all", 4),
    ("pause the leader for a moment", 8),
    ("pause the leader", 6),
    ("pause a follower", 4),
    ("pause a majority", 3),
    ("slow the leader's disk", 5),
    ("slow a follower's disk", 3),
];

/// What every test run does once.
const FEW: [&str; 8] = [
    "cut off the leader",
    "lose what the leader sends",
    "lose what the leader is sent",
    "flap the leader's links",
    "delay all links",
    "kill the leader",
    "pause the leader",
    "kill all",
];

/// The names of faults, shuffled as cards: each comes as often as its weight says before they are
/// shuffled again, so that so many faults have so many of each kind.
pub struct Deck {
    rng: SeededRng,
    kinds: Vec<(&'static str, u64)>,
    names: Vec<&'static str>,
}

impl Deck {
    /// How many the fixed few are.
    pub const FEW_COUNT: u64 = FEW.len() as u64;

    /// All kinds, but for those that take fail points where the program has none.
    pub fn new(seed: u64, fail_points: bool) -> Self {
        let kinds = KINDS.into_iter().filter(|(name, _)| fail_points || !name.ends_with("disk"));
        Self { rng: SeededRng::new(seed), kinds: kinds.collect(), names: Vec::new() }
    }

    /// The fixed few, in order.
    pub fn few() -> Self {
        let kinds = FEW.into_iter().map(|name| (name, 1)).collect();
        Self { rng: SeededRng::new(0), kinds, names: FEW.into_iter().rev().collect() }
    }

    /// The next name.
    pub fn next(&mut self) -> &'static str {
        if self.names.is_empty() {
            let copies = |&(name, weight): &(_, u64)| std::iter::repeat_n(name, weight as usize);
            self.names = self.kinds.iter().flat_map(copies).collect();
            shuffle(&mut self.rng, &mut self.names);
        }
        self.names.pop().expect("there are kinds")
    }

    /// Takes back what was drawn and not used.
    pub fn put_back(&mut self, name: &'static str) {
        self.names.push(name);
    }

    /// How often each kind has come at least, after so many.
    pub fn floors(&self, drawn: u64) -> impl Iterator<Item = (&'static str, u64)> {
        let all: u64 = self.kinds.iter().map(|(_, weight)| weight).sum();
        self.kinds.iter().map(move |&(name, weight)| (name, weight * (drawn / all)))
    }
}

/// Draws the particulars of faults for a cluster of some members.
pub struct Draw {
    rng: SeededRng,
    members: usize,
}

impl Draw {
    pub const fn new(seed: u64, members: usize) -> Self {
        Self { rng: SeededRng::new(seed), members }
    }

    /// A long pause of any member.
    pub fn long_pause(&mut self, leader: usize) -> Injection {
        let member = if self.rng.below(2) == 0 { leader } else { self.other(leader) };
        Injection { name: LONG_PAUSE, fault: Fault::Pause(vec![member]), hold: LONG_PAUSE_TIME }
    }

    /// A fault of this name, while this member leads.
    pub fn fault(&mut self, name: &'static str, leader: usize) -> Injection {
        let (members, one) = (self.members, self.other(leader));
        let rest: Vec<usize> = (0..members).filter(|&member| member != leader).collect();
        let fault = match name {
            "cut off the leader" => Fault::Cut(between(&[leader], &rest)),
            "lose what the leader sends" => Fault::Cut(from_to(&[leader], &rest)),
            "lose what the leader is sent" => Fault::Cut(from_to(&rest, &[leader])),
            "cut off a minority" => {
                let (few, many) = self.split(members.div_ceil(2) - 1);
                Fault::Cut(between(&few, &many))
            }
            "leave no majority" => self.no_majority(),
            "lose one way of a link" => Fault::Cut(vec![(one, self.other(one))]),
            "leave a bridge" => {
                let (half, mut other) = self.split(members / 2);
                other.pop();
                Fault::Cut(between(&half, &other))
            }
            "flap the leader's links" => {
                Fault::Flap { pairs: between(&[leader], &rest), period: self.millis(100, 600) }
            }
            "flap all links" => {
                Fault::Flap { pairs: everywhere(members), period: self.millis(100, 600) }
            }
            "delay all links" => self.slow(everywhere(members), 30),
            "delay the leader's links" => self.slow(between(&[leader], &rest), 150),
            "kill the leader" => Fault::Kill(vec![leader]),
            "kill a follower" => Fault::Kill(vec![one]),
            "kill a majority" => Fault::Kill(self.split(members / 2 + 1).0),
            "kill all" => Fault::Kill((0..members).collect()),
            "pause the leader for a moment" | "pause the leader" => Fault::Pause(vec![leader]),
            "pause a follower" => Fault::Pause(vec![one]),
            "pause a majority" => Fault::Pause(self.split(members / 2 + 1).0),
            "slow the leader's disk" => self.slow_disk(leader),
            "slow a follower's disk" => self.slow_disk(one),
            other => unreachable!("no fault is called {other}"),
        };
        let hold = match name {
            "pause the leader for a moment" => self.millis(50, 900),
            "pause the leader" => self.millis(1_000, 5_000),
            _ => self.millis(500, 4_000),
        };
        Injection { name, fault, hold }
    }

    /// Some time.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.rng.below(to - from))
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.rng.below(chances) == 0
    }

    fn other(&mut self, than: usize) -> usize {
        let step = 1 + self.rng.below(self.members as u64 - 1) as usize;
        (than + step) % self.members
    }

    /// Some members, and the others.
    fn split(&mut self, count: usize) -> (Vec<usize>, Vec<usize>) {
        let mut all: Vec<usize> = (0..self.members).collect();
        shuffle(&mut self.rng, &mut all);
        let rest = all.split_off(count);
        (all, rest)
    }

    /// Groups none of which is a majority.
    fn no_majority(&mut self) -> Fault {
        let group = if self.members > 3 { self.members.div_ceil(2) - 1 } else { 1 };
        let (one, rest) = self.split(group);
        let (other, third) = rest.split_at(group);
        let mut pairs = between(&one, &rest);
        pairs.extend(between(other, third));
        Fault::Cut(pairs)
    }

    fn slow(&mut self, pairs: Vec<super::fault::Pair>, most: u64) -> Fault {
        Fault::Slow { pairs, delay: self.millis(5, most), jitter: self.millis(1, most) }
    }

    /// From a disk that is only slow to one that stands still for longer than an election takes.
    fn slow_disk(&mut self, member: usize) -> Fault {
        Fault::SlowDisk { members: vec![member], time: self.millis(100, 3_000) }
    }
}

fn shuffle<T>(rng: &mut SeededRng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last as u64 + 1) as usize);
    }
}
