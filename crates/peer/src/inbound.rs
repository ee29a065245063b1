//! What peers bring to raft: messages, snapshots, and what became of what was sent.
//!
//! One queue for all peers, so that raft takes messages in the order of their arrival; each peer
//! has credits of its own, so that one that floods it keeps no other from it. Proposals have a
//! queue apart, since they may have to wait for a leader.
//!
//! Invariants: what waits for a peer is bounded by [`limits::INBOUND_MESSAGES_MAX`] and
//! [`limits::INBOUND_BYTES_MAX`], for proposals again; of reports there is at most one per peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::raftpb::{Message, MessageType};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use types::MemberId;

use crate::limits;
use crate::queue::weight;

/// Something that raft has to know.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A message from a peer.
    Message(Message),
    /// A snapshot from a peer, whose database is on disk under the snapshot's index.
    Snapshot(Message),
    /// Messages to this peer were lost.
    Unreachable(MemberId),
    /// What became of the snapshot that was sent to a peer.
    SnapshotStatus {
        /// The peer.
        to: MemberId,
        /// Whether it has it.
        outcome: SnapshotOutcome,
    },
    /// A peer says that this member was removed from the cluster for good.
    Removed,
}

/// Whether a peer has the snapshot that was sent to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotOutcome {
    /// It has, on its disk.
    Finished,
    /// It may have to be sent again.
    Failed,
}

/// The end of the queue that raft's side holds. When it is dropped, peers' messages are refused.
pub struct Inbound {
    inbox: Arc<Inbox>,
}

impl Inbound {
    /// Waits for the next event: reports first, then messages, then proposals. `None` once the
    /// transport is stopped. May be dropped without loss.
    pub async fn next(&mut self) -> Option<Event> {
        self.take(Proposals::Taken).await
    }

    /// As [`next`](Self::next), but leaves proposals where they are: there is no leader to take
    /// them.
    pub async fn next_but_proposals(&mut self) -> Option<Event> {
        self.take(Proposals::Left).await
    }

    async fn take(&mut self, proposals: Proposals) -> Option<Event> {
        loop {
            let arrived = self.inbox.arrived.notified();
            {
                let mut queues = self.inbox.lock();
                if let Some(event) = queues.pop(proposals) {
                    return Some(event);
                }
                if queues.is_stopped {
                    return None;
                }
            }
            arrived.await;
        }
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        let mut queues = self.inbox.lock();
        queues.is_refusing = true;
        queues.messages.clear();
        queues.proposals.clear();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Proposals {
    Taken,
    Left,
}

/// The end of the queue that connections hold.
pub(crate) struct Inbox {
    queues: Mutex<Queues>,
    arrived: Notify,
}

#[derive(Default)]
struct Queues {
    /// No receiver is left.
    is_refusing: bool,
    is_stopped: bool,
    is_removed: bool,
    statuses: BTreeMap<MemberId, SnapshotOutcome>,
    unreachable: BTreeSet<MemberId>,
    messages: VecDeque<Held>,
    proposals: VecDeque<Held>,
}

/// An event with the credits that it holds until it is taken.
struct Held {
    event: Event,
    _credit: Credit,
}

impl Queues {
    fn pop(&mut self, proposals: Proposals) -> Option<Event> {
        if std::mem::take(&mut self.is_removed) {
            return Some(Event::Removed);
        }
        if let Some((to, outcome)) = self.statuses.pop_first() {
            return Some(Event::SnapshotStatus { to, outcome });
        }
        if let Some(peer) = self.unreachable.pop_first() {
            return Some(Event::Unreachable(peer));
        }
        if let Some(held) = self.messages.pop_front() {
            return Some(held.event);
        }
        match proposals {
            Proposals::Taken => self.proposals.pop_front().map(|held| held.event),
            Proposals::Left => None,
        }
    }
}

/// Why an event found no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("receiving buffer is full")]
    Full,
    #[error("raft: stopped")]
    Stopped,
}

impl Inbox {
    /// The two ends of a queue.
    pub(crate) fn new() -> (Arc<Self>, Inbound) {
        let inbox = Arc::new(Self { queues: Mutex::default(), arrived: Notify::new() });
        (Arc::clone(&inbox), Inbound { inbox })
    }

    /// Puts a message into the queue, if its sender has credit.
    pub(crate) fn push(&self, message: Message, credits: &Credits) -> Result<(), Refused> {
        let budget = credits.of(message.message_type);
        let credit = budget.try_take(weight(&message)).ok_or(Refused::Full)?;
        self.put(Event::Message(message), credit)
    }

    /// As [`push`](Self::push), but waits for credit.
    pub(crate) async fn push_when_possible(
        &self,
        event: Event,
        credits: &Credits,
    ) -> Result<(), Refused> {
        let credit = match &event {
            Event::Message(message) | Event::Snapshot(message) => {
                credits.of(message.message_type).take(weight(message)).await
            }
            _ => credits.messages.take(0).await,
        };
        self.put(event, credit)
    }

    /// Reports that messages to a peer were lost.
    pub(crate) fn report_unreachable(&self, peer: MemberId) {
        self.report(|queues| _ = queues.unreachable.insert(peer));
    }

    /// Reports what became of a snapshot.
    pub(crate) fn report_snapshot(&self, to: MemberId, outcome: SnapshotOutcome) {
        self.report(|queues| _ = queues.statuses.insert(to, outcome));
    }

    /// Reports that this member is one no more.
    pub(crate) fn report_removed(&self) {
        self.report(|queues| queues.is_removed = true);
    }

    /// Lets the receiver end once it has taken what is there.
    pub(crate) fn stop(&self) {
        self.report(|queues| queues.is_stopped = true);
    }

    fn report(&self, change: impl FnOnce(&mut Queues)) {
        change(&mut self.lock());
        self.arrived.notify_one();
    }

    fn put(&self, event: Event, credit: Credit) -> Result<(), Refused> {
        let is_proposal = matches!(
            &event,
            Event::Message(message) if message.message_type == MessageType::Prop
        );
        {
            let mut queues = self.lock();
            if queues.is_refusing || queues.is_stopped {
                return Err(Refused::Stopped);
            }
            let queue = match is_proposal {
                true => &mut queues.proposals,
                false => &mut queues.messages,
            };
            queue.push_back(Held { event, _credit: credit });
        }
        self.arrived.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one sender may have waiting, and what may be under way from it.
#[derive(Clone)]
pub(crate) struct Credits {
    messages: Budget,
    proposals: Budget,
    /// Posted messages that are read.
    pub(crate) posts: Arc<Semaphore>,
    /// Their bytes.
    pub(crate) post_bytes: Arc<Semaphore>,
    /// Snapshots that are received.
    pub(crate) snapshots: Arc<Semaphore>,
}

impl Credits {
    /// Full credits.
    pub(crate) fn new() -> Self {
        Self {
            messages: Budget::new(),
            proposals: Budget::new(),
            posts: Arc::new(Semaphore::new(limits::POSTS_MAX)),
            post_bytes: Arc::new(Semaphore::new(limits::MESSAGE_BYTES_MAX)),
            snapshots: Arc::new(Semaphore::new(limits::SNAPSHOTS_RECEIVED_MAX)),
        }
    }

    fn of(&self, kind: MessageType) -> &Budget {
        match kind {
            MessageType::Prop => &self.proposals,
            _ => &self.messages,
        }
    }
}

#[derive(Clone)]
struct Budget {
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Returned to its budget when dropped.
struct Credit {
    _count: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Budget {
    fn new() -> Self {
        Self {
            count: Arc::new(Semaphore::new(limits::INBOUND_MESSAGES_MAX)),
            bytes: Arc::new(Semaphore::new(limits::INBOUND_BYTES_MAX)),
        }
    }

    fn try_take(&self, bytes: usize) -> Option<Credit> {
        let count = Arc::clone(&self.count).try_acquire_owned().ok()?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(permits(bytes)).ok()?;
        Some(Credit { _count: count, _bytes: bytes })
    }

    async fn take(&self, bytes: usize) -> Credit {
        const OPEN: &str = "the semaphores of a budget are never closed";
        let count = Arc::clone(&self.count).acquire_owned().await.expect(OPEN);
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(permits(bytes)).await.expect(OPEN);
        Credit { _count: count, _bytes: bytes }
    }
}

/// What a message costs: its size, but never more than there is.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.min(limits::INBOUND_BYTES_MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(kind: MessageType) -> Message {
        Message { message_type: kind, ..Message::default() }
    }

    #[tokio::test]
    async fn messages_come_in_order_and_proposals_can_wait() {
        let (inbox, mut inbound) = Inbox::new();
        let credits = Credits::new();
        let kinds = [MessageType::Prop, MessageType::App, MessageType::Heartbeat];
        for kind in kinds {
            inbox.push(message(kind), &credits).unwrap();
        }
        inbox.report_unreachable(MemberId(7));
        inbox.report_unreachable(MemberId(7));
        assert_eq!(inbound.next_but_proposals().await, Some(Event::Unreachable(MemberId(7))));
        for kind in &kinds[1..] {
            assert_eq!(inbound.next_but_proposals().await, Some(Event::Message(message(*kind))));
        }
        inbox.stop();
        assert_eq!(inbound.next_but_proposals().await, None);
        assert_eq!(inbound.next().await, Some(Event::Message(message(MessageType::Prop))));
        assert_eq!(inbound.next().await, None);
        assert_eq!(inbox.push(message(MessageType::App), &credits), Err(Refused::Stopped));
    }

    #[tokio::test]
    async fn a_flood_of_one_peer_leaves_room_for_others_and_for_proposals() {
        let (inbox, mut inbound) = Inbox::new();
        let (flood, other) = (Credits::new(), Credits::new());
        for _ in 0..limits::INBOUND_MESSAGES_MAX {
            inbox.push(message(MessageType::App), &flood).unwrap();
        }
        assert_eq!(inbox.push(message(MessageType::App), &flood), Err(Refused::Full));
        inbox.push(message(MessageType::Prop), &flood).unwrap();
        inbox.push(message(MessageType::App), &other).unwrap();
        inbound.next().await.unwrap();
        inbox.push(message(MessageType::App), &flood).unwrap();
    }

    #[tokio::test]
    async fn bytes_are_bounded_but_one_message_always_has_room() {
        let (inbox, mut inbound) = Inbox::new();
        let credits = Credits::new();
        let context = Bytes::from(vec![0; limits::INBOUND_BYTES_MAX + 1]);
        let large = Message { context, ..message(MessageType::App) };
        inbox.push(large, &credits).unwrap();
        assert_eq!(inbox.push(message(MessageType::App), &credits), Err(Refused::Full));
        let waiting = inbox.push_when_possible(Event::Message(Message::default()), &credits);
        let (pushed, taken) = tokio::join!(waiting, inbound.next());
        assert_eq!((pushed, taken.is_some()), (Ok(()), true));
    }

    #[tokio::test]
    async fn without_a_receiver_everything_is_refused() {
        let (inbox, inbound) = Inbox::new();
        drop(inbound);
        let pushed = inbox.push(message(MessageType::App), &Credits::new());
        assert_eq!(pushed, Err(Refused::Stopped));
    }
}
