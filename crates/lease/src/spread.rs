//! Spreads deadlines that pile up at a promotion, so that revoking them does not take all of what
//! the leader may revoke in a second (server/lease/lessor.go, `Promote`).
//!
//! Knows neither leases nor clocks: durations in, delays out.

use std::time::Duration;

const SECOND: u128 = 1_000_000_000;

/// How much later than planned each deadline should be, for deadlines in ascending order.
///
/// In a window that begins as one second, up to three quarters of `revokes_per_second` deadlines
/// stay as they are. Each further one is put where that rate has it, counted from the beginning of
/// the window, and the window is drawn out to there. A deadline behind the window opens a new one.
pub(crate) fn delays(deadlines: &[Duration], revokes_per_second: usize) -> Vec<Duration> {
    let target = u128::from((3 * revokes_per_second as u64 / 4).max(1));
    let mut window_begin = deadlines.first().map_or(0, Duration::as_nanos);
    let mut window_end = window_begin + SECOND;
    let mut in_window = 0;
    let mut delays = Vec::with_capacity(deadlines.len());
    for deadline in deadlines.iter().map(Duration::as_nanos) {
        if deadline > window_end {
            window_begin = deadline;
            window_end = deadline + SECOND;
            in_window = 1;
            delays.push(Duration::ZERO);
            continue;
        }
        in_window += 1;
        if in_window <= target {
            delays.push(Duration::ZERO);
            continue;
        }
        let place = SECOND * in_window / target;
        let delay = place.saturating_sub(deadline - window_begin);
        window_end = window_begin + delay;
        delays.push(Duration::from_nanos(u64::try_from(delay).unwrap_or(u64::MAX)));
    }
    delays
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_deadlines_stay() {
        let deadlines: Vec<_> = (0..700).map(|n| Duration::from_millis(n / 10)).collect();
        assert!(delays(&deadlines, 1000).iter().all(Duration::is_zero));
        assert!(delays(&[], 1000).is_empty());
    }

    #[test]
    fn a_pile_is_spread_at_three_quarters_of_the_rate() {
        let deadlines = vec![Duration::from_secs(5); 10_000];
        let delays = delays(&deadlines, 1000);
        let mut per_second = std::collections::BTreeMap::new();
        for (deadline, delay) in deadlines.iter().zip(&delays) {
            *per_second.entry((*deadline + *delay).as_secs()).or_insert(0) += 1;
        }
        assert!(per_second.values().all(|count| *count <= 751), "{per_second:?}");
        assert_eq!(delays.last().map(Duration::as_secs), Some(13));
    }

    #[test]
    fn deadlines_far_apart_are_windows_of_their_own() {
        let deadlines: Vec<_> = (0..5_000).map(|n| Duration::from_secs(n * 2)).collect();
        assert!(delays(&deadlines, 1000).iter().all(Duration::is_zero));
    }
}
