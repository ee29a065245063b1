//! A number that only grows.

use super::shard::{Padded, SHARDS, mine};
use super::text::Writer;
use super::{Metric, Sealed};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A number that only grows. Clones count together.
#[derive(Clone, Default)]
pub struct Counter {
    shards: Arc<[Padded; SHARDS]>,
}

impl Counter {
    /// A counter that no registry prints.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.shards[mine(SHARDS)].0.fetch_add(count, Ordering::Relaxed);
    }

    /// The sum so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.shards.iter().map(|shard| shard.0.load(Ordering::Relaxed)).sum()
    }
}

impl Metric for Counter {}

impl Sealed for Counter {
    fn write(&self, writer: &mut Writer<'_>, name: &str, labels: &str) {
        writer.sample(name, labels, self.value() as f64);
    }
}
