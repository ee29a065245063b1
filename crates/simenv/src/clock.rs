//! Time that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use env::{Clock, Monotonic, WallTime};

/// Where the wall clock stands when the monotonic one is at zero: 2026-01-01.
const WALL_START: u64 = 1_767_225_600_000_000_000;

/// The clocks of a machine. Clones share them.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Hands>);

#[derive(Debug)]
struct Hands {
    monotonic: AtomicU64,
    /// The wall clock less the monotonic one.
    wall_ahead: AtomicU64,
}

impl SimClock {
    /// Clocks at their beginning.
    #[must_use]
    pub fn new() -> Self {
        let (monotonic, wall_ahead) = (AtomicU64::new(0), AtomicU64::new(WALL_START));
        Self(Arc::new(Hands { monotonic, wall_ahead }))
    }

    /// Moves both clocks on to a point; never back.
    pub fn advance_to(&self, now: Monotonic) {
        self.0.monotonic.fetch_max(now.0, Ordering::Relaxed);
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        self.advance_to(self.now() + by);
    }

    /// Sets the wall clock alone.
    pub fn set_wall(&self, wall: WallTime) {
        self.0.wall_ahead.store(wall.0.wrapping_sub(self.now().0), Ordering::Relaxed);
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Monotonic {
        Monotonic(self.0.monotonic.load(Ordering::Relaxed))
    }

    fn wall(&self) -> WallTime {
        WallTime(self.now().0.wrapping_add(self.0.wall_ahead.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_may_jump_and_the_other_may_not() {
        let clock = SimClock::new();
        clock.advance(Duration::from_secs(5));
        clock.set_wall(WallTime(7));
        clock.advance_to(Monotonic(1));
        assert_eq!((clock.now(), clock.wall()), (Monotonic(5_000_000_000), WallTime(7)));
        clock.advance(Duration::from_nanos(2));
        assert_eq!(clock.wall(), WallTime(9));
    }
}
