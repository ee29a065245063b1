//! What can be fuzzed.

/// A decoder or a core, with what it is begun with.
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Takes an input, and panics if something is wrong; gives a number by what it made happen
    /// ([`Features`](crate::features::Features)).
    pub run: fn(&[u8]) -> u64,
    /// Inputs that go far.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that inputs are made of.
    pub words: &'static [&'static str],
    /// How many inputs every test run takes.
    pub tested: u32,
    /// What panics that are no findings say.
    pub excused: &'static [&'static str],
}

impl Target {
    /// A target without words of its own.
    #[must_use]
    pub const fn new(
        name: &'static str,
        run: fn(&[u8]) -> u64,
        seeds: fn() -> Vec<Vec<u8>>,
        tested: u32,
    ) -> Self {
        Self { name, run, seeds, words: &[], tested, excused: &[] }
    }

    /// As it is, with words.
    #[must_use]
    pub const fn with_words(self, words: &'static [&'static str]) -> Self {
        Self { words, ..self }
    }

    /// As it is, but for panics with these words.
    #[must_use]
    pub const fn excuses(self, excused: &'static [&'static str]) -> Self {
        Self { excused, ..self }
    }
}

/// Inputs for a core that is driven by choices.
#[must_use]
pub fn choices() -> Vec<Vec<u8>> {
    let mut rng = env::SeededRng::new(1);
    let mut seeds = vec![Vec::new()];
    for length in [16, 64, 200, 600] {
        let mut seed = vec![0; length];
        env::Rng::fill(&mut rng, &mut seed);
        seeds.push(seed);
    }
    seeds
}
