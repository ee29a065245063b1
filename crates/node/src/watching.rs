//! The turns of the watch hub, and the streams of those who watch.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use env::Monotonic;
use mvcc::ReadView;
use prost::Message;
use proto::twin::WatchResponse;
use tokio::sync::mpsc;
use watch::{Action, Create, Event, Hub, Limits, StreamId};

use crate::handle::Node;
use crate::shared::Shared;

/// How soon changed numbers of streams and watches are told: counting them looks at every stream.
const COUNTS_INTERVAL: Duration = Duration::from_millis(200);
/// What may be queued for a stream, in bytes, before its watchers have to wait.
const STREAM_BYTES_MAX: usize = 4 << 20;
/// What may be queued for all streams, in bytes: where there are many, each has its share, but never
/// less than the minimum.
const TOTAL_BYTES_MAX: usize = 256 << 20;
const STREAM_BYTES_MIN: usize = 64 << 10;
/// How much history is read at a time, in bytes, and how many events are made of it.
const READ_BYTES_MAX: usize = 1 << 20;
const EVENTS_MAX: usize = 64 << 10;
/// How many responses may be queued for a stream; one more ends it. The hub counts bytes, and a
/// response has some, so that only a flood of control messages gets here.
const STREAM_RESPONSES_MAX: usize = 64 << 10;

/// Where the responses of each stream go.
#[derive(Default)]
pub(crate) struct Streams {
    next: u64,
    open: HashMap<StreamId, mpsc::Sender<WatchResponse>>,
}

/// A client's stream of watches. Dropping it ends them.
pub struct WatchStream {
    shared: Arc<Shared>,
    id: StreamId,
    responses: mpsc::Receiver<WatchResponse>,
    /// The weight of what was taken and not told to the hub yet.
    taken: usize,
}

/// The sending side of a stream, which may be used beside the receiving one.
#[derive(Clone)]
pub struct WatchRequests {
    shared: Arc<Shared>,
    id: StreamId,
}

impl Node {
    /// Opens a stream.
    #[must_use]
    pub fn open_watch(&self) -> (WatchRequests, WatchStream) {
        let shared = Arc::clone(&self.0);
        let (sender, responses) = mpsc::channel(STREAM_RESPONSES_MAX);
        let id = {
            let mut streams = shared.streams.lock().unwrap_or_else(PoisonError::into_inner);
            let id = StreamId(streams.next);
            streams.next += 1;
            streams.open.insert(id, sender);
            id
        };
        shared.watch.complete(Event::Open(id));
        let requests = WatchRequests { shared: Arc::clone(&shared), id };
        (requests, WatchStream { shared, id, responses, taken: 0 })
    }
}

impl WatchRequests {
    /// Begins a watch.
    pub fn create(&self, create: Create) {
        self.shared.watch.complete(Event::Create(self.id, create));
    }

    /// Answers a watch that may not be, in its place among the others.
    pub fn refuse(&self, reason: String) {
        self.shared.watch.complete(Event::Refuse(self.id, reason));
    }

    /// Ends a watch.
    pub fn cancel(&self, watch_id: i64) {
        self.shared.watch.complete(Event::Cancel(self.id, watch_id));
    }

    /// Asks how far the stream has been served.
    pub fn progress(&self) {
        self.shared.watch.complete(Event::Progress(self.id));
    }
}

impl WatchStream {
    /// The next response, its header with the revision alone; `None` when the member stops.
    pub async fn next(&mut self) -> Option<WatchResponse> {
        let response = self.responses.recv().await?;
        self.shared.metrics.watches.taken(response.events.len());
        self.taken += response.encoded_len();
        // Told in larger pieces: the hub needs it only to know that there is room again.
        if self.taken >= STREAM_BYTES_MAX / 4 || self.responses.is_empty() {
            let taken = std::mem::take(&mut self.taken);
            self.shared.watch.complete(Event::Drained(self.id, taken));
        }
        Some(response)
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        let mut streams = self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.open.remove(&self.id);
        drop(streams);
        while let Ok(response) = self.responses.try_recv() {
            self.shared.metrics.watches.dropped(response.events.len());
        }
        self.shared.watch.complete(Event::Close(self.id));
    }
}

/// The hub's turns.
pub(crate) struct WatchTurns {
    hub: Hub<ReadView>,
    /// Of the last view that came.
    compacted: i64,
    events: Vec<Event<ReadView>>,
    counting: Counting,
}

impl WatchTurns {
    pub(crate) fn new(shared: &Shared) -> Self {
        let limits = Limits {
            stream_bytes_max: STREAM_BYTES_MAX,
            total_bytes_max: TOTAL_BYTES_MAX,
            stream_bytes_min: STREAM_BYTES_MIN,
            events_max: EVENTS_MAX,
            read_bytes_max: READ_BYTES_MAX,
            fragment_bytes_max: shared.settings.request_bytes_max.saturating_add(512 << 10),
        };
        let first = shared.view().read.clone();
        let compacted = first.compact_revision();
        let (hub, events) = (Hub::new(first, limits), Vec::new());
        Self { hub, compacted, events, counting: Counting::default() }
    }

    /// How long there is nothing to do if nothing comes; `None` for as long as nothing comes.
    pub(crate) fn wait(&self, shared: &Shared) -> Option<Duration> {
        if self.hub.is_behind() { Some(Duration::ZERO) } else { self.counting.wait(shared) }
    }

    /// Feeds the hub and delivers what it says, waiting for at most so long for something to come.
    ///
    /// # Errors
    /// When the history cannot be read: final.
    pub(crate) fn turn(
        &mut self,
        shared: &Shared,
        wait: Option<Duration>,
    ) -> Result<(), mvcc::Error> {
        let was_behind = self.hub.is_behind();
        shared.watch.drain(&mut self.events, wait);
        keep_needed_views(&mut self.events, &mut self.compacted);
        self.counting.changed(shared, was_behind || !self.events.is_empty());
        for event in self.events.drain(..) {
            deliver(shared, self.hub.handle(event)?);
        }
        if self.hub.is_behind() {
            deliver(shared, self.hub.catch_up()?);
        }
        self.counting.tell_if_due(shared, &self.hub);
        Ok(())
    }

    /// Ends the streams.
    pub(crate) fn end(shared: &Shared) {
        shared.streams.lock().unwrap_or_else(PoisonError::into_inner).open.clear();
    }
}

/// When the numbers of streams and watches are told next; never while nothing has changed.
#[derive(Default)]
struct Counting {
    due: Option<Monotonic>,
}

impl Counting {
    /// How long there is nothing to tell; `None` for as long as nothing changes.
    fn wait(&self, shared: &Shared) -> Option<Duration> {
        self.due.map(|due| due.since(shared.clock.now()))
    }

    fn changed(&mut self, shared: &Shared, changed: bool) {
        if changed && self.due.is_none() {
            self.due = Some(shared.clock.now() + COUNTS_INTERVAL);
        }
    }

    fn tell_if_due(&mut self, shared: &Shared, hub: &Hub<ReadView>) {
        if self.due.is_some_and(|due| due <= shared.clock.now()) {
            self.due = None;
            let (watchers, behind) = hub.counts();
            shared.metrics.watches.counts(hub.streams(), watchers, behind);
        }
    }
}

/// Of several views that wait the last is worth reading, as it shows all, and the first with each
/// compact revision, as it still has what that compaction removes.
fn keep_needed_views(events: &mut Vec<Event<ReadView>>, compacted: &mut i64) {
    let newest = events.iter().rposition(|event| matches!(event, Event::View(_)));
    let mut position = 0;
    events.retain(|event| {
        position += 1;
        if let Event::Replaced(view) = event {
            *compacted = view.compact_revision();
        }
        let Event::View(view) = event else { return true };
        let is_first = *compacted != view.compact_revision();
        *compacted = view.compact_revision();
        is_first || Some(position - 1) == newest
    });
}

fn deliver(shared: &Shared, actions: Vec<Action>) {
    if actions.is_empty() {
        return;
    }
    env::fail_point!("beforeSendWatchResponse");
    let mut streams = shared.streams.lock().unwrap_or_else(PoisonError::into_inner);
    for Action::Send(stream, response) in actions {
        let events = response.events.len();
        let sent = streams.open.get(&stream).map(|sender| sender.try_send(response));
        if matches!(sent, Some(Ok(()))) {
            shared.metrics.watches.queued(events);
        }
        if sent.is_some_and(|sent| sent.is_err()) {
            // Its reader is gone, or lets control messages pile up: an end it can see.
            streams.open.remove(&stream);
        }
    }
}
