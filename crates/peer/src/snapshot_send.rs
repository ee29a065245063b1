//! Sends snapshots: the message, then the database, read by a thread of its own while it goes out.
//!
//! Invariants: a few chunks of a database are in memory, never more; every snapshot has one outcome,
//! after which no more is read.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Limited};
use proto::raftpb::Message;
use tokio::sync::mpsc;

use crate::address::PeerUrl;
use crate::chunks::Chunks;
use crate::connect::{self, Connection};
use crate::contact::{Contact, Failure};
use crate::exchange::{Answer, PostError, check_post};
use crate::inbound::SnapshotOutcome;
use crate::limits::{ANSWER_BYTES_MAX, SNAPSHOT_ANSWER_TIMEOUT, SNAPSHOT_STALL_TIMEOUT};
use crate::message_stream;
use crate::pipeline::note;

const PATH: &str = "/raft/snapshot";

/// What is read of a database at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that are read before the socket has taken them.
const CHUNKS_AHEAD_MAX: usize = 4;

/// A snapshot to send.
pub(crate) struct Outgoing {
    /// Of type `MsgSnap`.
    pub(crate) message: Message,
    /// Of the database.
    pub(crate) size: u64,
    /// The database.
    pub(crate) body: Box<dyn Read + Send>,
}

/// Reports failure unless told otherwise: also when the sending is cut off by a stop.
pub(crate) struct Report {
    contact: Arc<Contact>,
    outcome: SnapshotOutcome,
}

impl Report {
    pub(crate) const fn new(contact: Arc<Contact>) -> Self {
        Self { contact, outcome: SnapshotOutcome::Failed }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.contact.shared.inbox.report_snapshot(self.contact.id, self.outcome);
    }
}

/// Sends a snapshot and reports what became of it.
pub(crate) async fn send(outgoing: Outgoing, mut report: Report) {
    let contact = Arc::clone(&report.contact);
    let shared = &contact.shared;
    let metrics = shared.metrics.snapshot_send(contact.id);
    let started = shared.now();
    let index = outgoing.message.snapshot.as_ref().map_or(0, |snapshot| snapshot.metadata.index);
    let bytes = outgoing.size + outgoing.message.encoded_len() as u64;
    tracing::info!(
        "snapshot-index" = index,
        "remote-peer-id" = %contact.id,
        bytes,
        "sending database snapshot"
    );
    metrics.inflights.inc();
    let outcome = match Arc::clone(&shared.snapshots_sent).try_acquire_owned() {
        Ok(_permit) => post(&contact, outgoing).await,
        Err(_) => Err(SendError::TooMany),
    };
    metrics.inflights.dec();
    match outcome {
        Ok(()) => {
            contact.activate();
            contact.sent_bytes.add(bytes);
            metrics.success.inc();
            metrics.seconds.observe_duration(shared.now().since(started));
            tracing::info!(
                "snapshot-index" = index,
                "remote-peer-id" = %contact.id,
                bytes,
                "sent database snapshot"
            );
            report.outcome = SnapshotOutcome::Finished;
        }
        Err(error) => {
            tracing::warn!(
                "snapshot-index" = index,
                "remote-peer-id" = %contact.id,
                bytes,
                %error,
                "failed to send database snapshot"
            );
            let failure = Failure { source: "sendMsgSnap", action: "post" };
            contact.deactivate(failure, &error.to_string());
            contact.report_unreachable();
            shared.metrics.sent_failure(contact.id);
            metrics.failures.inc();
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("too many snapshots are being sent")]
    TooMany,
    #[error("{0}")]
    Post(#[from] PostError),
    #[error("the database cannot be read whole")]
    Database,
    #[error("no progress for {SNAPSHOT_STALL_TIMEOUT:?}")]
    Stalled,
}

async fn post(contact: &Contact, outgoing: Outgoing) -> Result<(), SendError> {
    let url = contact.pick().ok_or(PostError::NoUrl)?;
    let outcome = post_to(contact, &url, outgoing).await;
    if let Err(error) = &outcome {
        contact.failed(&url);
        if let SendError::Post(error) = error {
            note(contact, error);
        }
    }
    outcome
}

async fn post_to(contact: &Contact, url: &PeerUrl, outgoing: Outgoing) -> Result<(), SendError> {
    let shared = &contact.shared;
    let opening = Connection::open(&*shared.connector, url, shared.dial_timeout).await;
    let mut connection = opening.map_err(PostError::from)?;
    let progress = Arc::new(Progress::default());
    let body = SnapshotBody::start(contact, outgoing, Arc::clone(&progress));
    let head = shared.request(Method::POST, url, PATH);
    let request = head.header(CONTENT_TYPE, "application/octet-stream").body(body.boxed_unsync());
    let request = request.map_err(|error| PostError::from(connect::Error::from(error)))?;
    let exchange = async {
        let answer = connection.send(request).await.map_err(connect::Error::from)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
        let body = tokio::time::timeout(shared.read_timeout, body).await;
        let body = body.map_err(|_| connect::Error::Timeout { action: "read an answer" })?;
        Ok(Answer { status, body: body.map_err(connect::Error::Body)?.to_bytes() })
    };
    let answer = tokio::select! {
        answer = exchange => answer.map_err(|error: connect::Error| match progress.is_broken() {
            true => SendError::Database,
            false => PostError::from(error).into(),
        })?,
        error = watch(&progress) => return Err(error),
    };
    Ok(check_post(url, PATH, &answer)?)
}

/// How far a body is.
#[derive(Default)]
struct Progress {
    bytes: AtomicU64,
    is_whole: AtomicBool,
    is_broken: AtomicBool,
}

impl Progress {
    fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }
}

/// Ends when there is no progress any more.
async fn watch(progress: &Progress) -> SendError {
    let (mut before, mut idle) = (0, Duration::ZERO);
    let step = SNAPSHOT_STALL_TIMEOUT / 30;
    loop {
        tokio::time::sleep(step).await;
        let bytes = progress.bytes.load(Ordering::Relaxed);
        idle = if bytes == before { idle + step } else { Duration::ZERO };
        before = bytes;
        let patience = match progress.is_whole.load(Ordering::Relaxed) {
            true => SNAPSHOT_ANSWER_TIMEOUT,
            false => SNAPSHOT_STALL_TIMEOUT,
        };
        if idle >= patience {
            return SendError::Stalled;
        }
    }
}

/// The bytes of a snapshot.
struct SnapshotBody {
    head: Chunks,
    /// Still to come of the database.
    missing: u64,
    database: mpsc::Receiver<io::Result<Bytes>>,
    progress: Arc<Progress>,
}

impl SnapshotBody {
    /// Begins to read the database.
    fn start(contact: &Contact, outgoing: Outgoing, progress: Arc<Progress>) -> Self {
        let Outgoing { message, size, body } = outgoing;
        let mut head = Chunks::default();
        message_stream::encode(&message, &mut head);
        let (chunks, database) = mpsc::channel(CHUNKS_AHEAD_MAX);
        contact.shared.runtime.spawn_blocking(move || read(body, size, &chunks));
        Self { head, missing: size, database, progress }
    }
}

/// Reads a database to its end, as fast as chunks are taken. Gives up when nobody takes them.
fn read(mut body: Box<dyn Read + Send>, size: u64, chunks: &mpsc::Sender<io::Result<Bytes>>) {
    let mut missing = size;
    loop {
        // One byte more than there should be shows whether there is more.
        let wanted = missing.saturating_add(1).min(CHUNK_BYTES as u64);
        let mut chunk = vec![0; wanted as usize];
        let result = match body.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
            Ok(0) if missing == 0 => return,
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) if count as u64 > missing => {
                Err(io::Error::other("the database is longer than it was said to be"))
            }
            Ok(count) => {
                missing -= count as u64;
                chunk.truncate(count);
                Ok(Bytes::from(chunk))
            }
        };
        let is_over = result.is_err();
        if chunks.blocking_send(result).is_err() || is_over {
            return;
        }
    }
}

impl Body for SnapshotBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let chunk = match this.head.pop() {
            Some(chunk) => Poll::Ready(Some(Ok(chunk))),
            None => this.database.poll_recv(context).map(|chunk| match chunk {
                Some(Ok(chunk)) => {
                    this.missing -= chunk.len() as u64;
                    Some(Ok(chunk))
                }
                // The reader's thread ended amid the file.
                None if this.missing > 0 => Some(Err(io::ErrorKind::UnexpectedEof.into())),
                other => other,
            }),
        };
        match &chunk {
            Poll::Ready(Some(Ok(chunk))) => {
                this.progress.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(%error, "failed to read the database of a snapshot");
                this.progress.is_broken.store(true, Ordering::Relaxed);
            }
            Poll::Ready(None) => this.progress.is_whole.store(true, Ordering::Relaxed),
            Poll::Pending => {}
        }
        chunk.map_ok(Frame::data)
    }
}
