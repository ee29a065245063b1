//! Durations as Go prints them.

use std::fmt;
use std::time::Duration;

/// A duration in nanoseconds that prints as Go's `time.Duration`: `1.5s`, `2h0m0s`, `300ms`, `0s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct GoDuration(pub i64);

impl From<Duration> for GoDuration {
    /// Durations beyond 292 years become the longest one.
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let nanos = self.0.unsigned_abs();
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write_fraction(f, nanos, 3, "µs"),
            1_000_000..1_000_000_000 => write_fraction(f, nanos, 6, "ms"),
            _ => write_clock(f, nanos),
        }
    }
}

/// Hours and minutes where there are any, then seconds with their fraction.
fn write_clock(f: &mut fmt::Formatter<'_>, nanos: u64) -> fmt::Result {
    let seconds = nanos / 1_000_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 {
        write!(f, "{hours}h")?;
    }
    if hours > 0 || minutes > 0 {
        write!(f, "{minutes}m")?;
    }
    write_fraction(f, nanos % 60_000_000_000, 9, "s")
}

/// `value / 10^digits` without trailing zeros, then the unit.
fn write_fraction(
    f: &mut fmt::Formatter<'_>,
    value: u64,
    digits: usize,
    unit: &str,
) -> fmt::Result {
    let scale = 10_u64.pow(digits as u32);
    write!(f, "{}", value / scale)?;
    let fraction = format!("{:0digits$}", value % scale);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        write!(f, ".{fraction}")?;
    }
    f.write_str(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_go_does() {
        let cases: [(i64, &str); 14] = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (7_200_000_000_000, "2h0m0s"),
            (-1_000_000, "-1ms"),
            (999, "999ns"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(GoDuration(nanos).to_string(), text);
        }
    }
}
