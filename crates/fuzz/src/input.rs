//! An input read as choices: what a target for a stateful core is driven by.
//!
//! Invariant: any bytes are choices; when they end, every further choice is the first one.

use bytes::Bytes;

/// The rest of an input.
#[derive(Clone, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of an input.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all of it was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `bound`, which is at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// Yes once in so many times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 1 % count
    }

    /// Any number, small ones and those at an end of a type more often.
    pub fn number(&mut self) -> u64 {
        let byte = self.byte();
        match byte {
            0..200 => u64::from(byte % 50),
            200..220 => (1 << (byte % 64)) - 1,
            220..240 => u64::MAX - u64::from(byte - 220),
            _ => {
                let (mut bytes, taken) = ([0; 8], self.take(8));
                bytes[..taken.len()].copy_from_slice(taken);
                u64::from_le_bytes(bytes)
            }
        }
    }

    /// As [`number`](Self::number), with a sign.
    pub fn signed(&mut self) -> i64 {
        self.number() as i64
    }

    /// Up to `max` bytes as they stand.
    pub fn take(&mut self, max: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(max.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes of a length that the input says; at most 255.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte());
        self.take(length)
    }

    /// As [`bytes`](Self::bytes), shared.
    pub fn shared(&mut self) -> Bytes {
        Bytes::copy_from_slice(self.bytes())
    }

    /// As [`bytes`](Self::bytes), as text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// One of a few keys, so that requests meet.
    pub fn key(&mut self) -> Bytes {
        const KEYS: [&str; 12] =
            ["a", "aa", "ab", "b", "b/1", "b/2", "c", "\0", "a\0", "z", "zz", "k"];
        match self.below(16) {
            12 => Bytes::new(),
            13 => Bytes::from_static(b"\xff\xff"),
            14 => self.shared(),
            15 => Bytes::from(vec![b'k'; 40]),
            known => Bytes::from_static(KEYS[known].as_bytes()),
        }
    }

    /// The end of a range: often none, often one of all keys.
    pub fn range_end(&mut self) -> Bytes {
        match self.below(4) {
            0 | 1 => Bytes::new(),
            2 => Bytes::from_static(b"\0"),
            _ => self.key(),
        }
    }

    /// What is left.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }
}
