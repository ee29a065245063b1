//! What happened, line by line, and a hash over all of it.
//!
//! Invariant: the hash is the same whether or not lines are kept.

use std::collections::VecDeque;
use std::fmt::Write as _;

use env::Monotonic;

/// What becomes of the lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lines {
    /// They are printed.
    Printed,
    /// So many of the last are kept.
    Last(usize),
}

/// See the module.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    lines: Lines,
    last: VecDeque<String>,
    text: String,
}

impl Trace {
    /// An empty trace.
    #[must_use]
    pub const fn new(lines: Lines) -> Self {
        Self { hash: 0, lines, last: VecDeque::new(), text: String::new() }
    }

    /// Adds numbers that are in no line.
    pub const fn count(&mut self, numbers: [u64; 3]) {
        let mut at = 0;
        while at < numbers.len() {
            self.hash = mix(self.hash, numbers[at]);
            at += 1;
        }
    }

    /// Adds a line.
    pub fn line(&mut self, at: Monotonic, who: &str, what: std::fmt::Arguments<'_>) {
        self.text.clear();
        let seconds = at.0 as f64 / 1e9;
        // Writing to a string does not fail.
        let _ = write!(self.text, "{seconds:12.6} {who:<8} {what}");
        self.hash = mix_bytes(self.hash, self.text.as_bytes());
        match self.lines {
            Lines::Printed => println!("{}", self.text),
            Lines::Last(0) => {}
            Lines::Last(most) => {
                let mut line = match self.last.len() < most {
                    true => String::new(),
                    false => self.last.pop_front().unwrap_or_default(),
                };
                line.clone_from(&self.text);
                self.last.push_back(line);
            }
        }
    }

    /// The hash over everything so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines.
    pub fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}

/// Adds a number to a hash.
#[must_use]
pub const fn mix(hash: u64, number: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Adds bytes to a hash.
#[must_use]
pub fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(hash, u64::from_le_bytes(last)), bytes.len() as u64)
}
