//! How a thread's core is fed: a queue that its owner drains whole.
//!
//! Requests and what comes from other members may be refused at a bound; completions always have
//! room, since what they complete was admitted before. So no thread ever waits to hand something to
//! another, and none can deadlock.
//!
//! A consumer whose work on more would only have to wait behind what it has under way says so
//! ([`Inbox::drain_for`]): what is as patient does not wake it then piece by piece, but gathers until
//! something else comes. That makes batches larger, and threads change less often, the more there is
//! to do.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many bytes from other members may wait, and what each item counts at least.
const FOREIGN_BYTES_MAX: usize = 64 << 20;
const FOREIGN_BYTES_MIN: usize = 256;

/// As many patient items wake also a busy consumer.
const GATHERED_MAX: usize = 512;

/// The queue of one consumer.
#[derive(Debug)]
pub struct Inbox<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    /// How many requests may wait.
    requests_max: usize,
}

#[derive(Debug)]
struct State<T> {
    items: Vec<T>,
    /// How many of the items are [`Urgency::Proposal`] and [`Urgency::Answer`].
    proposals: usize,
    answers: usize,
    requests: usize,
    urgent: usize,
    foreign_bytes: usize,
    waiting: Option<Wants>,
    closed: bool,
}

/// How soon a consumer has to hear of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// It is more work, which may wait until work is done.
    Proposal,
    /// It ends work of others, which may wait while this one is at work.
    Answer,
    /// At once.
    Pressing,
}

/// What a consumer that waits is to be woken for. Many patient items wake it, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wants {
    /// Whatever comes.
    Anything,
    /// What is no more work.
    Answers,
    /// What is pressing.
    Pressing,
}

impl<T> State<T> {
    fn has(&self, wanted: Wants) -> bool {
        let patient = match wanted {
            Wants::Anything => 0,
            Wants::Answers => self.proposals,
            Wants::Pressing => self.proposals + self.answers,
        };
        self.items.len() > patient || patient >= GATHERED_MAX
    }
}

/// Why a request was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Too many wait already.
    Full,
    /// The consumer is gone.
    Closed,
}

impl<T> Inbox<T> {
    /// An empty queue for at most so many waiting requests.
    #[must_use]
    pub fn new(requests_max: usize) -> Self {
        let state = State {
            items: Vec::new(),
            proposals: 0,
            answers: 0,
            requests: 0,
            urgent: 0,
            foreign_bytes: 0,
            waiting: None,
            closed: false,
        };
        Self { state: Mutex::new(state), arrived: Condvar::new(), requests_max }
    }

    /// Adds a request that a busy consumer need not hear of at once.
    ///
    /// # Errors
    /// [`Refused`], and the request is dropped.
    pub fn request(&self, item: T) -> Result<(), Refused> {
        self.admit(item, |state| {
            state.requests += 1;
            state.proposals += 1;
        })
    }

    /// Adds a request that a busy consumer hears of too.
    ///
    /// # Errors
    /// [`Refused`], and the request is dropped.
    pub fn urgent(&self, item: T) -> Result<(), Refused> {
        self.admit(item, |state| state.urgent += 1)
    }

    fn admit(&self, item: T, count: impl FnOnce(&mut State<T>)) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.requests + state.urgent >= self.requests_max {
            return Err(Refused::Full);
        }
        count(&mut state);
        state.items.push(item);
        self.wake(state);
        Ok(())
    }

    /// Adds what came from another member and is this large. Something always finds room.
    ///
    /// # Errors
    /// [`Refused`], and it is dropped.
    pub fn foreign(&self, item: T, bytes: usize, urgency: Urgency) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.foreign_bytes > 0 && state.foreign_bytes.saturating_add(bytes) > FOREIGN_BYTES_MAX
        {
            return Err(Refused::Full);
        }
        state.foreign_bytes += bytes.max(FOREIGN_BYTES_MIN);
        state.proposals += usize::from(urgency == Urgency::Proposal);
        state.answers += usize::from(urgency == Urgency::Answer);
        state.items.push(item);
        self.wake(state);
        Ok(())
    }

    /// Adds a completion, or anything else whose number is bounded by who sends it. Dropped when
    /// the consumer is gone.
    pub fn complete(&self, item: T) {
        let mut state = self.lock();
        if !state.closed {
            state.items.push(item);
            self.wake(state);
        }
    }

    /// As [`complete`](Self::complete), but a consumer that waits finds it only when something else
    /// comes.
    pub fn leave(&self, item: T) {
        let mut state = self.lock();
        if !state.closed {
            state.items.push(item);
        }
    }

    /// Takes all that is there, waiting for at most `timeout` for the first; the vector is empty
    /// when none came. `into` is emptied and lends its memory.
    pub fn drain(&self, into: &mut Vec<T>, timeout: Option<Duration>) {
        self.drain_for(Wants::Anything, into, timeout);
    }

    /// As [`drain`](Self::drain), and waits until there is what is wanted.
    pub fn drain_for(&self, wanted: Wants, into: &mut Vec<T>, timeout: Option<Duration>) {
        into.clear();
        let mut state = self.lock();
        if !state.has(wanted) && !state.closed && timeout != Some(Duration::ZERO) {
            state.waiting = Some(wanted);
            state = match timeout {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(timeout) => {
                    let waited = self.arrived.wait_timeout(state, timeout);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.waiting = None;
        }
        std::mem::swap(&mut state.items, into);
        state.proposals = 0;
        state.answers = 0;
        state.requests = 0;
        state.urgent = 0;
        state.foreign_bytes = 0;
    }

    /// Ends the queue: what comes from now on is refused or dropped, a waiting consumer wakes.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state);
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The consumer is woken only if it waits: under load it finds the item by itself.
    fn wake(&self, state: MutexGuard<'_, State<T>>) {
        let is_wanted = state.waiting.is_some_and(|wanted| state.closed || state.has(wanted));
        drop(state);
        if is_wanted {
            self.arrived.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_wait_for_a_busy_consumer_until_something_else_or_many_come() {
        let inbox = Inbox::new(GATHERED_MAX);
        inbox.request(1).unwrap();
        assert!(!inbox.lock().has(Wants::Pressing));
        assert!(inbox.lock().has(Wants::Anything));
        inbox.complete(2);
        let mut items = Vec::new();
        inbox.drain_for(Wants::Pressing, &mut items, None);
        assert_eq!(items, [1, 2]);
        for number in 0..GATHERED_MAX {
            inbox.request(number).unwrap();
        }
        inbox.drain_for(Wants::Pressing, &mut items, None);
        assert_eq!(items.len(), GATHERED_MAX);
        // Also what did not end the wait is taken when the time is over.
        inbox.request(3).unwrap();
        inbox.foreign(4, 0, Urgency::Answer).unwrap();
        assert!(!inbox.lock().has(Wants::Pressing));
        inbox.drain_for(Wants::Pressing, &mut items, Some(Duration::from_millis(1)));
        assert_eq!(items, [3, 4]);
        inbox.foreign(5, 0, Urgency::Proposal).unwrap();
        inbox.foreign(6, 0, Urgency::Answer).unwrap();
        assert!(!inbox.lock().has(Wants::Pressing));
        inbox.drain_for(Wants::Answers, &mut items, None);
        assert_eq!(items, [5, 6]);
    }

    #[test]
    fn requests_are_refused_at_the_bound_and_completions_never() {
        let inbox = Inbox::new(2);
        assert_eq!(inbox.request(1), Ok(()));
        assert_eq!(inbox.request(2), Ok(()));
        assert_eq!(inbox.request(3), Err(Refused::Full));
        inbox.complete(4);
        let mut items = Vec::new();
        inbox.drain(&mut items, None);
        assert_eq!(items, [1, 2, 4]);
        assert_eq!(inbox.request(5), Ok(()));
    }

    #[test]
    fn what_others_send_is_bounded_by_bytes() {
        let inbox = Inbox::new(0);
        assert_eq!(inbox.foreign(1, FOREIGN_BYTES_MAX + 1, Urgency::Pressing), Ok(()));
        assert_eq!(inbox.foreign(2, 0, Urgency::Pressing), Err(Refused::Full));
        inbox.complete(3);
        let mut items = Vec::new();
        inbox.drain(&mut items, None);
        assert_eq!(items, [1, 3]);
        assert_eq!(inbox.foreign(4, 0, Urgency::Pressing), Ok(()));
    }

    #[test]
    fn a_waiting_consumer_is_woken() {
        let inbox = Inbox::new(1);
        std::thread::scope(|scope| {
            let consumer = scope.spawn(|| {
                let mut items = Vec::new();
                inbox.drain(&mut items, None);
                items
            });
            inbox.complete(7);
            assert_eq!(consumer.join().expect("no panic"), [7]);
        });
    }

    #[test]
    fn nothing_enters_a_closed_queue() {
        let inbox = Inbox::new(1);
        inbox.close();
        assert_eq!(inbox.request(1), Err(Refused::Closed));
        inbox.complete(2);
        let mut items = vec![9];
        inbox.drain(&mut items, None);
        assert!(items.is_empty() && inbox.is_closed());
    }
}
