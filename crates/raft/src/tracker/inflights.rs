//! The append messages that are on their way to a follower.

use std::collections::VecDeque;

use types::Index;

use super::InflightLimits;

/// A window of unacknowledged append messages, bounded by count and bytes.
///
/// Invariants: the indexes rise; `bytes` is the sum over the window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inflights {
    /// The last index of each message, and its payload's bytes.
    messages: VecDeque<(Index, u64)>,
    bytes: u64,
    limits: InflightLimits,
}

impl Inflights {
    /// An empty window.
    #[must_use]
    pub fn new(limits: InflightLimits) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, limits }
    }

    /// Notes a message that ends at `last`.
    ///
    /// # Panics
    /// If the window is full: the caller asks [`is_full`](Self::is_full) first.
    pub fn add(&mut self, last: Index, bytes: u64) {
        assert!(!self.is_full(), "an append was sent into a full window");
        self.messages.push_back((last, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Drops every message that ends at or before `acknowledged`.
    pub fn free_to(&mut self, acknowledged: Index) {
        while let Some((last, bytes)) = self.messages.front().copied() {
            if last > acknowledged {
                return;
            }
            self.messages.pop_front();
            self.bytes -= bytes;
        }
    }

    /// Whether no further message may be sent. The bytes' limit is soft: the message that reaches
    /// it is still sent.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.messages.len() >= self.limits.messages || self.bytes >= self.limits.bytes
    }

    /// How many messages there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn reset(&mut self) {
        // The room of a burst is given back, since there is a window per follower.
        self.messages = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_full_by_count_or_by_bytes_and_frees_up_to_an_index() {
        let mut window = Inflights::new(InflightLimits { messages: 3, bytes: 10 });
        window.add(Index(5), 4);
        window.add(Index(7), 5);
        assert!(!window.is_full());
        window.add(Index(8), 0);
        assert!(window.is_full(), "three messages");
        window.free_to(Index(4));
        assert_eq!(window.count(), 3);
        window.free_to(Index(7));
        assert_eq!(window.count(), 1);
        window.add(Index(9), 100);
        assert!(window.is_full(), "more bytes than allowed");
        window.free_to(Index(9));
        assert!(!window.is_full() && window.count() == 0);
    }
}
