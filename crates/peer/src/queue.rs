//! Messages that wait to go out.
//!
//! Invariants: at most `messages_max` messages, and at most [`limits::OUTGOING_BYTES_MAX`] bytes
//! unless a single message is larger; a closed queue takes nothing more.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use proto::raftpb::Message;

use crate::limits;

/// What a message weighs beside its data.
const MESSAGE_BYTES: usize = 128;
/// What an entry weighs beside its data.
const ENTRY_BYTES: usize = 32;

/// Messages that wait to go out.
pub(crate) struct Queue {
    messages_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    messages: VecDeque<(Message, usize)>,
    bytes: usize,
    is_closed: bool,
    wakers: Vec<Waker>,
}

/// What became of a message that was offered to a queue. One that was not taken is handed back.
#[derive(Debug)]
#[must_use]
pub(crate) enum Offer {
    Taken,
    Full(Message),
    Closed(Message),
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(messages_max: usize) -> Self {
        Self { messages_max, state: Mutex::default() }
    }

    /// Appends a message if there is room.
    pub(crate) fn push(&self, message: Message) -> Offer {
        let weight = weight(&message);
        let mut state = self.lock();
        if state.is_closed {
            return Offer::Closed(message);
        }
        let is_heavy = state.bytes.saturating_add(weight) > limits::OUTGOING_BYTES_MAX;
        if state.messages.len() >= self.messages_max || is_heavy && !state.messages.is_empty() {
            return Offer::Full(message);
        }
        state.bytes += weight;
        state.messages.push_back((message, weight));
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Offer::Taken
    }

    /// Takes the first message; `None` when the queue is closed and empty.
    pub(crate) fn poll_pop(&self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = self.lock();
        if let Some((message, weight)) = state.messages.pop_front() {
            state.bytes -= weight;
            return Poll::Ready(Some(message));
        }
        if state.is_closed {
            return Poll::Ready(None);
        }
        let waker = context.waker();
        if !state.wakers.iter().any(|other| other.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        Poll::Pending
    }

    /// Waits for a message; `None` when the queue is closed and empty.
    pub(crate) async fn pop(&self) -> Option<Message> {
        poll_fn(|context| self.poll_pop(context)).await
    }

    /// Closes the queue; says how many messages are lost.
    pub(crate) fn close(&self) -> usize {
        let mut state = self.lock();
        let lost = std::mem::take(&mut state.messages);
        state.bytes = 0;
        state.is_closed = true;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        lost.len()
    }

    /// Closes the queue; what is in it goes out still.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About how much memory a message keeps.
pub(crate) fn weight(message: &Message) -> usize {
    let entries = message.entries.iter().map(|entry| entry.data.len() + ENTRY_BYTES);
    let snapshot = message.snapshot.as_ref().map_or(0, |snapshot| snapshot.data.len());
    MESSAGE_BYTES + message.context.len() + snapshot + entries.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proto::raftpb::Entry;

    use super::*;

    fn message(bytes: usize) -> Message {
        let data = Bytes::from(vec![0; bytes]);
        Message { entries: vec![Entry { data, ..Entry::default() }], ..Message::default() }
    }

    #[tokio::test]
    async fn the_count_is_bounded() {
        let queue = Queue::new(2);
        for _ in 0..2 {
            assert!(matches!(queue.push(message(0)), Offer::Taken));
        }
        assert!(matches!(queue.push(message(0)), Offer::Full(_)));
        queue.pop().await.unwrap();
        assert!(matches!(queue.push(message(0)), Offer::Taken));
    }

    #[tokio::test]
    async fn bytes_are_bounded_but_one_message_always_has_room() {
        let queue = Queue::new(100);
        assert!(matches!(queue.push(message(limits::OUTGOING_BYTES_MAX + 1)), Offer::Taken));
        assert!(matches!(queue.push(message(0)), Offer::Full(_)));
        queue.pop().await.unwrap();
        assert!(matches!(queue.push(message(limits::OUTGOING_BYTES_MAX / 2)), Offer::Taken));
        assert!(matches!(queue.push(message(limits::OUTGOING_BYTES_MAX / 2)), Offer::Full(_)));
        assert!(matches!(queue.push(message(0)), Offer::Taken));
    }

    #[tokio::test]
    async fn closing_wakes_those_who_wait() {
        let queue = Queue::new(2);
        let close = async { queue.close() };
        let (one, other, lost) = tokio::join!(queue.pop(), queue.pop(), close);
        assert_eq!((one, other, lost), (None, None, 0));
        assert!(matches!(queue.push(message(0)), Offer::Closed(_)));
        assert!(queue.is_closed());
    }
}
