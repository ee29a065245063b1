//! Random messages for the property tests.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use env::{Rng, SeededRng};

/// How many seeds a property test runs: `PROTO_SEEDS`, else the number given.
pub fn seeds(default: u64) -> std::ops::Range<u64> {
    let wanted = std::env::var("PROTO_SEEDS").ok().and_then(|text| text.parse().ok());
    0..wanted.unwrap_or(default)
}

/// Runs a property for every seed and names the seed that fails.
pub fn for_each_seed(default: u64, property: impl Fn(&mut Random)) {
    for seed in seeds(default) {
        let one = AssertUnwindSafe(|| property(&mut Random(SeededRng::new(seed))));
        assert!(catch_unwind(one).is_ok(), "failed with seed {seed}");
    }
}

/// Values that are often at an edge.
pub struct Random(SeededRng);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    pub fn bool(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Zero, small, or anything, with every length on the wire about as likely.
    pub fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => 0,
            1 => self.below(200),
            2 => u64::MAX - self.below(2),
            _ => self.0.next_u64() >> self.below(64),
        }
    }

    pub fn signed(&mut self) -> i64 {
        self.number() as i64
    }

    pub fn bytes(&mut self) -> Bytes {
        let length = match self.below(4) {
            0 => 0,
            1 => 120 + self.below(20),
            _ => self.below(20),
        };
        let mut bytes = vec![0; length as usize];
        self.0.fill(&mut bytes);
        bytes.into()
    }

    pub fn text(&mut self) -> String {
        (0..self.below(8)).map(|_| ['a', 'Z', '/', 'ß', '水'][self.below(5) as usize]).collect()
    }

    pub fn option<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.bool().then(|| make(self))
    }

    pub fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.below(4);
        (0..length).map(|_| make(self)).collect()
    }

    /// The bytes with some of them changed, dropped, doubled or cut off.
    pub fn mutated(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() as u64 + 1) as usize;
            match self.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.below(256) as u8),
                _ if at == bytes.len() => {}
                2 => _ = bytes.remove(at),
                3 => bytes[at] ^= 1 << self.below(8),
                _ => bytes[at] = [0, 0x7f, 0x80, 0xff, 0x0b, 0x0c][self.below(6) as usize],
            }
        }
        bytes
    }
}

/// The bytes of a hexadecimal text; spaces are passed over.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
