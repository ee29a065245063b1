//! Requests that wait for their entry to be applied.
//!
//! Knows nothing of what they wait for. Sharded, since network threads register and the apply
//! thread answers at the same time.
//!
//! Invariant: an id is answered at most once; a waiter that gave up leaves nothing behind. Who waits
//! when they are closed, or comes later, is never answered and hears so at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

const SHARDS: usize = 64;

type Shard<T> = HashMap<u64, oneshot::Sender<T>>;

/// Waiters by request id.
#[derive(Debug)]
pub struct Waiters<T> {
    shards: Box<[Mutex<Shard<T>>]>,
    /// Set before the shards are emptied, read while one is held: nobody slips in behind.
    closed: AtomicBool,
}

/// A registered waiter. Dropping it takes it off the list.
#[derive(Debug)]
pub struct Waiter<'a, T> {
    waiters: &'a Waiters<T>,
    id: u64,
    receiver: oneshot::Receiver<T>,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, closed: AtomicBool::new(false) }
    }
}

impl<T> Waiters<T> {
    /// Waits for an id from now on.
    ///
    /// # Panics
    /// When somebody waits for this id already: ids are unique.
    pub fn register(&self, id: u64) -> Waiter<'_, T> {
        let (sender, receiver) = oneshot::channel();
        let mut shard = self.shard(id);
        if !self.closed.load(Ordering::SeqCst) {
            let before = shard.insert(id, sender);
            assert!(before.is_none(), "request id {id:x} is given twice");
        }
        drop(shard);
        Waiter { waiters: self, id, receiver }
    }

    /// Tells all who wait, and all to come, that there are no more answers.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for shard in &*self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Whether somebody here waits for the id.
    #[must_use]
    pub fn is_registered(&self, id: u64) -> bool {
        self.shard(id).contains_key(&id)
    }

    /// Answers the waiter of an id, if there is one.
    pub fn answer(&self, id: u64, answer: T) {
        let sender = self.shard(id).remove(&id);
        if let Some(sender) = sender {
            // The receiver may have given up at this moment; then nobody wants the answer.
            let _ = sender.send(answer);
        }
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, Shard<T>> {
        let shard = &self.shards[(id % SHARDS as u64) as usize];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Waiter<'_, T> {
    /// The answer; `None` when the one who answers is gone.
    pub async fn answer(&mut self) -> Option<T> {
        (&mut self.receiver).await.ok()
    }
}

impl<T> Drop for Waiter<'_, T> {
    fn drop(&mut self) {
        self.waiters.shard(self.id).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reaches_its_waiter_once() {
        let waiters = Waiters::default();
        let mut waiter = waiters.register(7);
        assert!(waiters.is_registered(7));
        waiters.answer(8, "another's");
        waiters.answer(7, "mine");
        waiters.answer(7, "again");
        assert_eq!(waiter.receiver.try_recv(), Ok("mine"));
        assert!(!waiters.is_registered(7));
    }

    #[test]
    fn who_waits_when_they_are_closed_hears_so() {
        let waiters = Waiters::<()>::default();
        let mut before = waiters.register(7);
        waiters.close();
        let mut behind = waiters.register(8);
        for waiter in [&mut before, &mut behind] {
            let answer = std::pin::pin!(waiter.answer());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert_eq!(answer.poll(&mut context), std::task::Poll::Ready(None));
        }
    }

    #[test]
    fn a_waiter_that_gives_up_leaves_nothing() {
        let waiters = Waiters::<()>::default();
        drop(waiters.register(7));
        assert!(!waiters.is_registered(7));
    }
}
