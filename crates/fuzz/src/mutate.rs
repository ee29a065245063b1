//! New inputs from old ones.
//!
//! Knows no target: it is given the corpus and a dictionary. The same numbers give the same inputs.

use env::{Rng, SeededRng};

/// Numbers at which lengths, counts and types end.
const NUMBERS: [u64; 20] = [
    0,
    1,
    2,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x0001_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    u64::MAX >> 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// How many changes an input gets at most.
const CHANGES_MAX: u64 = 6;
/// How much is repeated or made up at once.
const PIECE_BYTES_MAX: u64 = 40;

/// Makes inputs.
pub struct Mutator {
    rng: SeededRng,
    words: &'static [&'static str],
    bytes_max: usize,
}

impl Mutator {
    /// By a seed. Inputs are not longer than `bytes_max`; `words` are put in now and then.
    #[must_use]
    pub const fn new(seed: u64, words: &'static [&'static str], bytes_max: usize) -> Self {
        Self { rng: SeededRng::new(seed), words, bytes_max }
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { self.rng.below(bound as u64) as usize }
    }

    /// An input near one of the corpus, or one that is made up.
    pub fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        if corpus.is_empty() || self.below(40) == 0 {
            return self.made_up();
        }
        let number = self.below(corpus.len());
        let mut input = corpus[number].clone();
        let most = 1 + self.rng.below(CHANGES_MAX);
        let changes = 1 + self.rng.below(most);
        for _ in 0..changes {
            let other = self.below(corpus.len());
            self.change(&mut input, &corpus[other]);
        }
        input.truncate(self.bytes_max);
        input
    }

    fn made_up(&mut self) -> Vec<u8> {
        let pieces = 1 + self.rng.below(7);
        let length = self.rng.below(1 + PIECE_BYTES_MAX * pieces) as usize;
        let mut input = vec![0; length.min(self.bytes_max)];
        self.rng.fill(&mut input);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len());
        match self.below(14) {
            0 | 1 if !input.is_empty() => input[at] ^= 1 << self.below(8),
            2 if !input.is_empty() => input[at] = self.rng.below(256) as u8,
            3 if !input.is_empty() => input[at] = input[at].wrapping_add(1),
            4 => input.truncate(at),
            5 => {
                let end = at + self.below(input.len() - at + 1).min(PIECE_BYTES_MAX as usize);
                input.drain(at..end);
            }
            6 => {
                let end = at + self.below(input.len() - at + 1).min(PIECE_BYTES_MAX as usize);
                let piece = input[at..end].to_vec();
                self.insert(input, at, &piece);
            }
            7 => {
                let piece = self.number();
                self.insert(input, at, &piece);
            }
            8 | 9 => {
                let piece = self.number();
                let end = (at + piece.len()).min(input.len());
                input[at..end].copy_from_slice(&piece[..end - at]);
            }
            10 => {
                let from = self.below(other.len());
                let end = from + self.below(other.len() - from + 1);
                let piece = other[from..end].to_vec();
                self.insert(input, at, &piece);
            }
            11 => {
                let from = self.below(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            12 if !self.words.is_empty() => {
                let word = self.words[self.below(self.words.len())];
                self.insert(input, at, word.as_bytes());
            }
            _ => {
                let piece = self.made_up();
                let piece = &piece[..piece.len().min(PIECE_BYTES_MAX as usize)];
                self.insert(input, at, piece);
            }
        }
    }

    fn insert(&self, input: &mut Vec<u8>, at: usize, piece: &[u8]) {
        if input.len() + piece.len() <= self.bytes_max {
            input.splice(at..at, piece.iter().copied());
        }
    }

    /// A number of some width, one way round or the other, or as a varint.
    fn number(&mut self) -> Vec<u8> {
        let known = NUMBERS[self.below(NUMBERS.len())];
        let number = match self.below(4) {
            0 => self.rng.below(4096),
            1 => known.wrapping_add(self.rng.below(9)).wrapping_sub(4),
            _ => known,
        };
        let width = 1 << self.below(4);
        match self.below(3) {
            0 => number.to_le_bytes()[..width].to_vec(),
            1 => number.to_be_bytes()[8 - width..].to_vec(),
            _ => varint(number),
        }
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
