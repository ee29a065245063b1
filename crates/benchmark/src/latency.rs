//! Latencies in buckets that are never wider than a 32nd of their value.

use std::time::Duration;

/// Linear buckets in each power of two, as a power of two.
const SUB_BITS: u32 = 5;

/// How often each latency was seen, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let bucket = bucket(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, its) in self.counts.iter_mut().zip(&other.counts) {
            *mine += its;
        }
        self.total += other.total;
    }

    /// The latency that this share of the requests did not exceed; zero when there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper_bound(bucket));
            }
        }
        Duration::ZERO
    }
}

fn bucket(micros: u64) -> usize {
    let exponent = micros.max(1).ilog2().saturating_sub(SUB_BITS);
    (u64::from(exponent << SUB_BITS) + (micros >> exponent)) as usize
}

fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let exponent = (bucket >> SUB_BITS).saturating_sub(1);
    let within = bucket - (exponent << SUB_BITS);
    ((within + 1) << exponent) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_value_and_is_narrow() {
        for micros in (0..5000).chain([1 << 20, (1 << 30) + 12345]) {
            let bound = upper_bound(bucket(micros));
            assert!(bound >= micros && bound - micros <= micros / 32, "{micros} {bound}");
        }
    }

    #[test]
    fn quantiles() {
        let mut latencies = Latencies::default();
        (1..=1000).for_each(|millis| latencies.record(Duration::from_millis(millis)));
        let median = latencies.quantile(0.5).as_millis();
        assert!((500..=516).contains(&median), "{median}");
        let tail = latencies.quantile(0.99).as_millis();
        assert!((990..=1022).contains(&tail), "{tail}");
    }
}
