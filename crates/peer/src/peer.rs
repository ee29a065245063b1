//! One peer: its two streams each way, its pipeline, its probes.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use env::Monotonic;
use proto::raftpb::{Message, MessageType};
use tokio::task::AbortHandle;

use crate::address::PeerUrl;
use crate::contact::Contact;
use crate::inbound::{Credits, SnapshotOutcome};
use crate::outlet::{Outlet, StreamBody};
use crate::pipeline::{self, Pipeline};
use crate::probe::{self, Route};
use crate::queue::Offer;
use crate::reader;
use crate::shared::Shared;
use crate::snapshot_send::{self, Outgoing, Report};
use crate::stream_kind::StreamKind;
use types::MemberId;

/// One peer.
pub(crate) struct Peer {
    contact: Arc<Contact>,
    appends: Arc<Outlet>,
    messages: Arc<Outlet>,
    pipeline: Pipeline,
    /// Readers and probes.
    tasks: Vec<AbortHandle>,
    /// Snapshots on their way.
    snapshots: Mutex<Vec<AbortHandle>>,
}

impl Peer {
    /// Connects to a peer, and keeps connected.
    pub(crate) fn start(shared: &Arc<Shared>, id: MemberId, urls: Vec<PeerUrl>) -> Self {
        let contact = Arc::new(Contact::new(Arc::clone(shared), id, urls));
        let read = |kind| shared.runtime.spawn(reader::run(Arc::clone(&contact), kind));
        let probe = |route| shared.runtime.spawn(probe::run(Arc::clone(&contact), route));
        let tasks = [
            read(StreamKind::Appends),
            read(StreamKind::Messages),
            probe(Route::Messages),
            probe(Route::Snapshots),
        ];
        Self {
            appends: Outlet::new(Arc::clone(&contact), StreamKind::Appends),
            messages: Outlet::new(Arc::clone(&contact), StreamKind::Messages),
            pipeline: Pipeline::start(&contact),
            tasks: tasks.iter().map(tokio::task::JoinHandle::abort_handle).collect(),
            snapshots: Mutex::default(),
            contact,
        }
    }

    /// Sends a message by the best way there is.
    pub(crate) fn send(&self, message: Message) {
        let kind = message.message_type;
        let Some((message, way)) = self.put(message) else { return };
        self.contact.report_unreachable();
        if kind == MessageType::Snap {
            self.contact.shared.inbox.report_snapshot(self.contact.id, SnapshotOutcome::Failed);
        }
        complain(&self.contact, &message, way);
    }

    /// Gives back a message for which there is no room, and says where there is none.
    fn put(&self, message: Message) -> Option<(Message, &'static str)> {
        let ways: &[&Arc<Outlet>] = match message.message_type {
            // A large message would hold up a stream.
            MessageType::Snap => &[],
            MessageType::App => &[&self.appends, &self.messages],
            _ => &[&self.messages],
        };
        let mut message = message;
        for outlet in ways {
            match outlet.push(message) {
                Offer::Taken => return None,
                Offer::Full(refused) => return Some((refused, outlet.kind().queue_name())),
                Offer::Closed(refused) => message = refused,
            }
        }
        match self.pipeline.push(message) {
            Offer::Taken => None,
            Offer::Full(message) | Offer::Closed(message) => Some((message, pipeline::NAME)),
        }
    }

    /// Sends a snapshot with its database.
    pub(crate) fn send_snapshot(&self, message: Message, size: u64, body: Box<dyn Read + Send>) {
        let report = Report::new(Arc::clone(&self.contact));
        let outgoing = Outgoing { message, size, body };
        let task = self.contact.shared.runtime.spawn(snapshot_send::send(outgoing, report));
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.retain(|task| !task.is_finished());
        snapshots.push(task.abort_handle());
    }

    /// Begins a stream that the peer asked for.
    pub(crate) fn attach(&self, kind: StreamKind) -> StreamBody {
        match kind {
            StreamKind::Appends => self.appends.attach(),
            StreamKind::Messages => self.messages.attach(),
        }
    }

    pub(crate) fn set_urls(&self, urls: Vec<PeerUrl>) {
        self.contact.set_urls(urls);
    }

    pub(crate) fn active_since(&self) -> Option<Monotonic> {
        self.contact.active_since()
    }

    pub(crate) fn credits(&self) -> &Credits {
        &self.contact.credits
    }

    /// Ends all connections.
    pub(crate) fn stop(&self) {
        let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        for task in self.tasks.iter().chain(snapshots.iter()) {
            task.abort();
        }
        self.appends.stop();
        self.messages.stop();
        self.pipeline.stop();
        self.contact.retire();
    }
}

/// A member that is sent to before it is known as a peer: by the pipeline alone.
pub(crate) struct Remote {
    contact: Arc<Contact>,
    pipeline: Pipeline,
}

impl Remote {
    pub(crate) fn start(shared: &Arc<Shared>, id: MemberId, urls: Vec<PeerUrl>) -> Self {
        let contact = Arc::new(Contact::new(Arc::clone(shared), id, urls));
        let pipeline = Pipeline::start(&contact);
        Self { contact, pipeline }
    }

    pub(crate) fn send(&self, message: Message) {
        match self.pipeline.push(message) {
            Offer::Taken => {}
            Offer::Full(message) | Offer::Closed(message) => {
                complain(&self.contact, &message, pipeline::NAME);
            }
        }
    }

    /// A peer takes its place. What it was given is not lost: a member that joins has acknowledged
    /// the log to a remote when the log says that the remote is a peer.
    pub(crate) fn finish(&self) {
        self.pipeline.finish();
        self.contact.retire();
    }

    pub(crate) fn stop(&self) {
        self.pipeline.stop();
        self.contact.retire();
    }
}

/// Counts and logs a message for which there was no room.
fn complain(contact: &Contact, message: &Message, way: &str) {
    let shared = &contact.shared;
    shared.metrics.sent_failure(contact.id);
    if let Some(count) = contact.sending_full.raise(shared.now()) {
        tracing::warn!(
            "message-type" = %message.message_type,
            "local-member-id" = %shared.local,
            from = format!("{:x}", message.from),
            "remote-peer-id" = %contact.id,
            "remote-peer-name" = way,
            "remote-peer-active" = contact.is_active(),
            count,
            "dropped internal Raft message since sending buffer is full"
        );
    }
}
