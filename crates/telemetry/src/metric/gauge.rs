//! A number that goes up and down.

use super::shard::add_float;
use super::text::Writer;
use super::{Metric, Sealed};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that goes up and down. Clones are the same number.
#[derive(Clone, Default)]
pub struct Gauge {
    bits: Arc<AtomicU64>,
}

impl Gauge {
    /// A gauge at zero that no registry prints.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.bits.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.add(-1.0);
    }

    /// Adds, or takes away a negative value.
    pub fn add(&self, value: f64) {
        add_float(&self.bits, value);
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::Relaxed))
    }
}

impl Metric for Gauge {}

impl Sealed for Gauge {
    fn write(&self, writer: &mut Writer<'_>, name: &str, labels: &str) {
        writer.sample(name, labels, self.value());
    }
}
