//! The order of all faults of a run.

use super::draw::{Deck, Draw};
use super::fault::Injection;

/// Of so many faults one has another one with it.
const SINGLE: u64 = 4;

/// How often the other one is drawn again where it clashes with the first.
const TRIES: u32 = 20;

/// See the module.
pub struct Course {
    deck: Deck,
    /// How many faults are wanted, and how many pauses of a minute among them.
    wanted: u64,
    long_pauses: u64,
    made: u64,
    long_made: u64,
    pairs: bool,
}

impl Course {
    /// The fixed few, one after the other.
    pub fn few() -> Self {
        let (deck, wanted) = (Deck::few(), Deck::FEW_COUNT);
        Self { deck, wanted, long_pauses: 0, made: 0, long_made: 0, pairs: false }
    }

    /// So many faults, drawn from a seed, with long pauses spread among them.
    pub fn drawn(seed: u64, wanted: u64, long_pauses: u64, fail_points: bool) -> Self {
        let deck = Deck::new(seed, fail_points);
        Self { deck, wanted, long_pauses, made: 0, long_made: 0, pairs: true }
    }

    /// Whether all were made.
    pub const fn is_done(&self) -> bool {
        self.made >= self.wanted
    }

    /// The next fault, sometimes two at once, in a cluster that this member leads.
    pub fn next(&mut self, draw: &mut Draw, leader: usize) -> Vec<Injection> {
        if (self.made * self.long_pauses + self.wanted / 2) / self.wanted > self.long_made {
            (self.made, self.long_made) = (self.made + 1, self.long_made + 1);
            return vec![draw.long_pause(leader)];
        }
        let mut injections = vec![draw.fault(self.deck.next(), leader)];
        if self.pairs && draw.one_in(SINGLE) {
            injections.extend(self.another(draw, leader, &injections[0]));
        }
        self.made += injections.len() as u64;
        injections
    }

    fn another(&mut self, draw: &mut Draw, leader: usize, one: &Injection) -> Option<Injection> {
        let name = self.deck.next();
        for _ in 0..TRIES {
            let other = draw.fault(name, leader);
            if !one.fault.clashes(&other.fault) {
                return Some(other);
            }
        }
        self.deck.put_back(name);
        None
    }

    /// How many of each kind a finished run has at least.
    pub fn floors(&self) -> Vec<(&'static str, u64)> {
        let mut floors: Vec<_> = self.deck.floors(self.wanted - self.long_pauses).collect();
        floors.push((super::draw::LONG_PAUSE, self.long_pauses));
        floors
    }
}
