//! The sending side of a stream: the other member opened it, messages go out as its body.
//!
//! The connection's own task takes messages from the queue and encodes them when the socket has
//! room, so that a slow peer costs nobody but itself.
//!
//! Invariants: an outlet has at most one stream, and a new one ends the old; a stream that takes
//! nothing for the write timeout is lost, and what waited for it too.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use env::Monotonic;
use http_body::{Body, Frame};
use proto::raftpb::Message;
use tokio::time::{Interval, MissedTickBehavior};

use crate::append_stream;
use crate::chunks::Chunks;
use crate::contact::{Contact, Failure};
use crate::limits::STREAM_MESSAGES_MAX;
use crate::message_stream;
use crate::queue::{Offer, Queue};
use crate::stream_kind::StreamKind;

/// How many bytes are encoded before they are handed to the socket.
const BATCH_BYTES: usize = 64 << 10;

/// The sending side of the streams of one kind to one peer.
pub(crate) struct Outlet {
    contact: Arc<Contact>,
    kind: StreamKind,
    slot: Mutex<Slot>,
}

enum Slot {
    Empty,
    Attached(Arc<Attachment>),
    Stopped,
}

/// A stream that is open.
struct Attachment {
    queue: Queue,
    /// When the socket last had room.
    had_room: AtomicU64,
}

impl Outlet {
    pub(crate) fn new(contact: Arc<Contact>, kind: StreamKind) -> Arc<Self> {
        Arc::new(Self { contact, kind, slot: Mutex::new(Slot::Empty) })
    }

    pub(crate) fn kind(&self) -> StreamKind {
        self.kind
    }

    /// Appends a message to the stream; refused as closed when there is none.
    pub(crate) fn push(&self, message: Message) -> Offer {
        match &*self.slot() {
            Slot::Attached(attachment) => attachment.queue.push(message),
            Slot::Empty | Slot::Stopped => Offer::Closed(message),
        }
    }

    /// Begins a stream, whose bytes are those of the body; the one before ends.
    pub(crate) fn attach(self: &Arc<Self>) -> StreamBody {
        let shared = &self.contact.shared;
        let attachment = Arc::new(Attachment {
            queue: Queue::new(STREAM_MESSAGES_MAX),
            had_room: AtomicU64::new(shared.now().0),
        });
        {
            let mut slot = self.slot();
            match std::mem::replace(&mut *slot, Slot::Attached(Arc::clone(&attachment))) {
                Slot::Empty => {}
                Slot::Attached(old) => self.end(&old),
                Slot::Stopped => {
                    attachment.queue.close();
                    *slot = Slot::Stopped;
                }
            }
        }
        self.contact.activate();
        tracing::info!(
            "stream-writer-type" = %self.kind,
            "local-member-id" = %shared.local,
            "remote-peer-id" = %self.contact.id,
            "established TCP streaming connection with remote peer"
        );
        shared.runtime.spawn(watch(Arc::clone(self), Arc::clone(&attachment)));
        StreamBody::new(Arc::clone(self), attachment)
    }

    /// Ends the stream; there will be no other.
    pub(crate) fn stop(&self) {
        let slot = std::mem::replace(&mut *self.slot(), Slot::Stopped);
        if let Slot::Attached(attachment) = slot {
            self.end(&attachment);
        }
    }

    /// Ends a stream on purpose.
    fn end(&self, attachment: &Attachment) {
        if attachment.queue.close() > 0 {
            self.contact.report_unreachable();
        }
        tracing::warn!(
            "stream-writer-type" = %self.kind,
            "local-member-id" = %self.contact.shared.local,
            "remote-peer-id" = %self.contact.id,
            "closed TCP streaming connection with remote peer"
        );
    }

    /// Gives a stream up that does not work any more, unless it was ended on purpose before.
    fn lose(&self, attachment: &Arc<Attachment>, reason: &str) {
        {
            let mut slot = self.slot();
            let is_current = |current: &Arc<Attachment>| Arc::ptr_eq(current, attachment);
            if !matches!(&*slot, Slot::Attached(current) if is_current(current)) {
                return;
            }
            *slot = Slot::Empty;
        }
        if attachment.queue.close() > 0 {
            self.contact.report_unreachable();
        }
        self.contact.deactivate(Failure { source: self.kind.name(), action: "write" }, reason);
        self.contact.shared.metrics.sent_failure(self.contact.id);
        tracing::warn!(
            "stream-writer-type" = %self.kind,
            "local-member-id" = %self.contact.shared.local,
            "remote-peer-id" = %self.contact.id,
            "lost TCP streaming connection with remote peer"
        );
    }

    /// How often something goes out even when there is nothing to say.
    fn heartbeat_interval(&self) -> Duration {
        self.contact.shared.read_timeout / 3
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a stream up whose socket has no room for too long: an idle one has some at each heartbeat.
async fn watch(outlet: Arc<Outlet>, attachment: Arc<Attachment>) {
    let shared = &outlet.contact.shared;
    let patience = shared.write_timeout + outlet.heartbeat_interval();
    while !attachment.queue.is_closed() {
        let had_room = Monotonic(attachment.had_room.load(Ordering::Relaxed));
        let stuck = shared.now().since(had_room);
        if stuck >= patience {
            return outlet.lose(&attachment, "i/o timeout");
        }
        tokio::time::sleep(patience - stuck).await;
    }
}

/// The bytes of a stream.
pub(crate) struct StreamBody {
    outlet: Arc<Outlet>,
    attachment: Arc<Attachment>,
    encoder: Encoder,
    out: Chunks,
    heartbeat: Interval,
}

enum Encoder {
    Appends(append_stream::Encoder),
    Messages,
}

impl Encoder {
    fn encode(&mut self, message: &Message, out: &mut Chunks) {
        match self {
            Self::Appends(encoder) => encoder.encode(message, out),
            Self::Messages => message_stream::encode(message, out),
        }
    }
}

impl StreamBody {
    fn new(outlet: Arc<Outlet>, attachment: Arc<Attachment>) -> Self {
        let encoder = match outlet.kind {
            StreamKind::Appends => Encoder::Appends(append_stream::Encoder::default()),
            StreamKind::Messages => Encoder::Messages,
        };
        let mut heartbeat = tokio::time::interval(outlet.heartbeat_interval());
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        Self { outlet, attachment, encoder, out: Chunks::default(), heartbeat }
    }

    /// Encodes what waits, up to a batch; without anything, a heartbeat when it is time for one.
    /// `None` when the stream has ended.
    fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        while self.out.len() < BATCH_BYTES {
            match self.attachment.queue.poll_pop(context) {
                Poll::Ready(Some(message)) => self.encoder.encode(&message, &mut self.out),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        if self.out.is_empty() {
            ready!(self.heartbeat.poll_tick(context));
            self.encoder.encode(&message_stream::link_heartbeat(), &mut self.out);
        }
        Poll::Ready(Some(()))
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let contact = &this.outlet.contact;
        this.attachment.had_room.store(contact.shared.now().0, Ordering::Relaxed);
        if this.out.is_empty() && ready!(this.poll_batch(context)).is_none() {
            return Poll::Ready(None);
        }
        let chunk = this.out.pop();
        if let Some(chunk) = &chunk {
            this.outlet.contact.sent_bytes.add(chunk.len() as u64);
        }
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.outlet.lose(&self.attachment, "connection closed");
    }
}
