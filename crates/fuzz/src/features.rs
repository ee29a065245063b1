//! What an input made a target do, in one number.
//!
//! Stands for coverage: inputs with the same number went the same way as far as a target tells. Long
//! counts are told by their magnitude, texts without their numbers, so that the numbers stay few.

/// Gathers what happened.
#[derive(Clone, Copy, Debug)]
pub struct Features(u64);

impl Default for Features {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Features {
    /// Something out of a few things happened.
    pub fn note(&mut self, what: u64) {
        self.0 = (self.0 ^ what).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
    }

    /// Something was so large, or happened so often.
    pub fn size(&mut self, size: usize) {
        self.note(u64::from(usize::BITS - size.leading_zeros()) << 8 | 1);
    }

    /// Something was said. Words that are not letters alone do not count, nor does what is far
    /// behind: they tell of the input.
    pub fn text(&mut self, text: &str) {
        let is_plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphabetic());
        for word in text.split([' ', ',', ':']).filter(is_plain).take(8) {
            word.bytes().for_each(|byte| self.note(u64::from(byte)));
        }
    }

    /// How something ended: with a size, or with an error that says why.
    pub fn outcome<E: std::fmt::Display>(&mut self, outcome: Result<usize, E>) {
        match outcome {
            Ok(size) => self.size(size),
            Err(error) => self.text(&error.to_string()),
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}
