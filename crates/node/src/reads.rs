//! Linearizable reads: which index each has to wait for.
//!
//! One round of raft's read index serves every read that waits when it begins. A round that gets no
//! answer is begun again under a fresh id, so that an answer to an old attempt can never be taken
//! for one to a new (etcd #20418). Knows nothing of views or waiters: reads are tokens.
//!
//! Invariants: at most one round is under way; a read gets an index only from a round that began
//! after it came.

use std::time::Duration;

use env::Monotonic;
use types::Index;

/// How long a round may take before it is begun again (etcd's `readIndexRetryTime`).
pub const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Reads of type `T` that wait for their index.
#[derive(Debug)]
pub struct Reads<T> {
    waiting: Vec<T>,
    round: Option<Round<T>>,
}

#[derive(Debug)]
struct Round<T> {
    reads: Vec<T>,
    /// The id of the newest attempt.
    id: u64,
    began: Monotonic,
}

impl<T> Default for Reads<T> {
    fn default() -> Self {
        Self { waiting: Vec::new(), round: None }
    }
}

impl<T> Reads<T> {
    /// A read came.
    pub fn add(&mut self, read: T) {
        self.waiting.push(read);
    }

    /// Whether a round should begin: reads wait and none is under way.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.round.is_none() && !self.waiting.is_empty()
    }

    /// Begins a round for all that wait, under an id never used before.
    ///
    /// # Panics
    /// When one is under way.
    pub fn begin(&mut self, id: u64, now: Monotonic) {
        assert!(self.round.is_none(), "a round of reads is under way");
        self.round = Some(Round { reads: std::mem::take(&mut self.waiting), id, began: now });
    }

    /// Whether a round is under way.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.round.is_some()
    }

    /// Whether the round under way has to be begun again.
    #[must_use]
    pub fn is_late(&self, now: Monotonic) -> bool {
        self.round.as_ref().is_some_and(|round| now.since(round.began) >= RETRY_INTERVAL)
    }

    /// Begins the round under way again under a fresh id; those that came meanwhile join it.
    pub fn retry(&mut self, id: u64, now: Monotonic) {
        if let Some(round) = &mut self.round {
            round.reads.append(&mut self.waiting);
            round.id = id;
            round.began = now;
        }
    }

    /// Raft answered an attempt: the reads of the round, if it is the newest attempt of it.
    pub fn answered(&mut self, id: u64, index: Index) -> Option<(Index, Vec<T>)> {
        let round = self
            .round
            .take_if(|round| round.id == id || env::planted!("read-index-of-old-round"))?;
        Some((index, round.reads))
    }

    /// Everything that waits, given up.
    pub fn drain(&mut self) -> Vec<T> {
        let mut reads = self.round.take().map_or_else(Vec::new, |round| round.reads);
        reads.append(&mut self.waiting);
        reads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_serves_all_that_wait_and_no_later_one() {
        let mut reads = Reads::default();
        reads.add('a');
        reads.add('b');
        assert!(reads.is_due());
        reads.begin(1, Monotonic(0));
        reads.add('c');
        assert!(!reads.is_due());
        assert_eq!(reads.answered(1, Index(7)), Some((Index(7), vec!['a', 'b'])));
        assert!(reads.is_due());
    }

    #[test]
    fn an_answer_to_an_old_attempt_is_nobodys() {
        let mut reads = Reads::default();
        reads.add('a');
        reads.begin(1, Monotonic(0));
        let late = Monotonic(0) + RETRY_INTERVAL;
        assert!(reads.is_late(late));
        reads.add('b');
        reads.retry(2, late);
        assert!(!reads.is_late(late));
        assert_eq!(reads.answered(1, Index(5)), None);
        assert_eq!(reads.answered(2, Index(6)), Some((Index(6), vec!['a', 'b'])));
    }

    #[test]
    fn all_can_be_given_up() {
        let mut reads = Reads::default();
        reads.add('a');
        reads.begin(1, Monotonic(0));
        reads.add('b');
        assert_eq!(reads.drain(), ['a', 'b']);
        assert!(!reads.is_due());
    }
}
