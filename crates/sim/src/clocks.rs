//! How a process's clocks go beside the true time.

use std::time::Duration;

use env::{Monotonic, WallTime};
use simenv::SimClock;

/// Where the wall clock stands at the beginning of a simulation: 2026-01-01.
const WALL_START: u64 = 1_767_225_600_000_000_000;

const MILLION: u128 = 1_000_000;

/// The clocks of one process. Its monotonic clock is at zero when it starts.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    start: Monotonic,
    /// How much faster than the true time, in millionths; below 0 slower.
    drift: i64,
}

impl Clocks {
    /// Clocks that tell the true time.
    #[must_use]
    pub const fn true_time() -> Self {
        Self { start: Monotonic(0), drift: 0 }
    }

    /// The clocks of a process that starts now.
    #[must_use]
    pub const fn new(start: Monotonic, drift: i64) -> Self {
        Self { start, drift }
    }

    fn rate(self) -> u128 {
        (MILLION as i64 + self.drift).max(1) as u128
    }

    /// What the process takes for the time.
    #[must_use]
    pub fn local(self, now: Monotonic) -> Monotonic {
        let passed = u128::from(now.0.saturating_sub(self.start.0));
        Monotonic((passed * self.rate() / MILLION) as u64)
    }

    /// When the process takes it to be that time.
    #[must_use]
    pub fn when(self, local: Monotonic) -> Monotonic {
        let passed = (u128::from(local.0) * MILLION).div_ceil(self.rate());
        Monotonic(self.start.0.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    /// When the process takes a while to have passed.
    #[must_use]
    pub fn after(self, now: Monotonic, wait: Duration) -> Monotonic {
        self.when(self.local(now) + wait)
    }

    /// Brings a clock to the time.
    pub fn set(self, clock: &SimClock, now: Monotonic) {
        clock.advance_to(self.local(now));
    }

    /// A clock for the process, its wall clock so much off.
    #[must_use]
    pub fn clock(self, now: Monotonic, wall_off: i64) -> SimClock {
        let clock = SimClock::new();
        self.set(&clock, now);
        clock.set_wall(WallTime((WALL_START + now.0).saturating_add_signed(wall_off)));
        clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_drifts_gets_to_every_time_and_not_before() {
        for drift in [-100_000, -1, 0, 1, 7, 100_000] {
            let clocks = Clocks::new(Monotonic(12_345), drift);
            for local in [0, 1, 999, 1_000_000_007, 86_400_000_000_000] {
                let when = clocks.when(Monotonic(local));
                assert!(clocks.local(when).0 >= local, "{drift} {local}");
                assert!(local == 0 || clocks.local(Monotonic(when.0 - 1)).0 < local);
            }
        }
    }
}
