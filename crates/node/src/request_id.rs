//! Request ids: unique over the cluster without asking anybody (spec/apply.md 6.1).
//!
//! `(low 16 bits of the member id) << 48 | counter`, the counter starting at
//! `(unix_ms & (2^40 - 1)) << 8`. A restarted member starts at a later millisecond, and the low
//! byte overflows into the timestamp on purpose.

use std::sync::atomic::{AtomicU64, Ordering};

use env::WallTime;
use types::MemberId;

const COUNTER_BITS: u32 = 48;
const TIMESTAMP_MASK: u64 = (1 << 40) - 1;

/// Hands out request ids.
#[derive(Debug)]
pub struct RequestIds {
    prefix: u64,
    counter: AtomicU64,
}

impl RequestIds {
    /// Ids of this member, from a start at `now`.
    #[must_use]
    pub fn new(member: MemberId, now: WallTime) -> Self {
        Self {
            prefix: (member.get() & 0xffff) << COUNTER_BITS,
            counter: AtomicU64::new((now.unix_millis() & TIMESTAMP_MASK) << 8),
        }
    }

    /// The next id; never 0 in practice, since the counter starts at a timestamp.
    #[must_use]
    pub fn next(&self) -> u64 {
        let count = self.counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.prefix | (count & ((1 << COUNTER_BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_member_time_and_count() {
        let ids = RequestIds::new(MemberId(0x1234_5678), WallTime(7_000_000));
        assert_eq!(ids.next(), 0x5678_0000_0000_0701);
        assert_eq!(ids.next(), 0x5678_0000_0000_0702);
    }

    #[test]
    fn the_count_runs_over_into_the_time() {
        let ids = RequestIds::new(MemberId(1), WallTime(7_000_000));
        let last = (0..256).map(|_| ids.next()).last();
        assert_eq!(last, Some(0x0001_0000_0000_0800));
    }
}
