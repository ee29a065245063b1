//! How often values fell into which range.

use super::shard::{add_float, mine};
use super::text::{Writer, go_float};
use super::{Metric, Sealed};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Fewer than a counter's, since each shard holds every bucket.
const SHARDS: usize = 4;

/// Counts of values by upper bound, with their sum. Clones count together.
///
/// Invariants: the bounds rise strictly and are finite; each shard has one bucket more than there
/// are bounds, for values above the last.
#[derive(Clone)]
pub struct Histogram {
    inner: Arc<Inner>,
}

struct Inner {
    bounds: Box<[f64]>,
    shards: [Shard; SHARDS],
}

#[repr(align(128))]
struct Shard {
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram that no registry prints.
    ///
    /// # Panics
    /// If the bounds don't rise or are not finite.
    #[must_use]
    pub fn new(bounds: &[f64]) -> Self {
        assert!(bounds.iter().all(|bound| bound.is_finite()), "bounds are finite: {bounds:?}");
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "bounds rise: {bounds:?}");
        let shard = || Shard {
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        };
        let shards = std::array::from_fn(|_| shard());
        Self { inner: Arc::new(Inner { bounds: bounds.into(), shards }) }
    }

    /// Counts a value. A value equal to a bound belongs below it; NaN counts above all bounds.
    pub fn observe(&self, value: f64) {
        let bucket = match value.is_nan() {
            true => self.inner.bounds.len(),
            false => self.inner.bounds.partition_point(|bound| *bound < value),
        };
        let shard = &self.inner.shards[mine(SHARDS)];
        shard.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        add_float(&shard.sum, value);
    }

    /// Counts a duration in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        (0..=self.inner.bounds.len()).map(|bucket| self.bucket(bucket)).sum()
    }

    /// The sum of the values counted.
    #[must_use]
    pub fn sum(&self) -> f64 {
        let sum_of = |shard: &Shard| f64::from_bits(shard.sum.load(Ordering::Relaxed));
        self.inner.shards.iter().map(sum_of).sum()
    }

    fn bucket(&self, bucket: usize) -> u64 {
        let count_in = |shard: &Shard| shard.buckets[bucket].load(Ordering::Relaxed);
        self.inner.shards.iter().map(count_in).sum()
    }
}

impl Metric for Histogram {}

impl Sealed for Histogram {
    fn write(&self, writer: &mut Writer<'_>, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let bucket_name = format!("{name}_bucket");
        let mut below = 0;
        let bounds = self.inner.bounds.iter().copied().chain([f64::INFINITY]);
        for (bucket, bound) in bounds.enumerate() {
            below += self.bucket(bucket);
            let labels = format!("{labels}{comma}le=\"{}\"", go_float(bound));
            writer.sample(&bucket_name, &labels, below as f64);
        }
        writer.sample(&format!("{name}_sum"), labels, self.sum());
        // The count is what the last bucket said, not a second reading of moving numbers.
        writer.sample(&format!("{name}_count"), labels, below as f64);
    }
}

/// `count` bounds, the first `start`, each `factor` times the one before: what Prometheus calls
/// `ExponentialBuckets`.
#[must_use]
pub fn exponential_buckets(start: f64, factor: f64, count: usize) -> Vec<f64> {
    std::iter::successors(Some(start), |bound| Some(bound * factor)).take(count).collect()
}
