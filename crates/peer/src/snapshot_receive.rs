//! Receives snapshots: the message, then the database, which goes to disk piece by piece.
//!
//! Invariants: raft hears of a snapshot once its database is durable under its name; of one that
//! breaks off nothing stays; a few pieces are in memory, never more.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use proto::raftpb::{Message, MessageType};
use snap::{Received, Snapshots};
use telemetry::GoDuration;
use tokio::sync::mpsc;
use types::{Index, MemberId};

use crate::frame;
use crate::headers;
use crate::inbound::{Credits, Event};
use crate::limits::{POST_TIMEOUT, SNAPSHOT_MESSAGE_BYTES_MAX, SNAPSHOT_STALL_TIMEOUT};
use crate::message_stream;
use crate::reply::{self, Reply};
use crate::shared::Shared;

/// Pieces that wait for the disk.
const PIECES_MAX: usize = 4;

/// What stands for the sender of something that was refused before it was read.
pub(crate) const UNKNOWN_SENDER: &str = "UNKNOWN_SNAPSHOT_SENDER";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Receives a snapshot whose headers are in order.
pub(crate) async fn receive<B>(
    shared: &Shared,
    credits: &Credits,
    headers: &HeaderMap,
    mut body: B,
) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let started = shared.now();
    let Ok(_permit) = credits.snapshots.try_acquire() else {
        shared.metrics.snapshot_refused(headers::text(headers, headers::SERVER_FROM));
        let reason = "too many snapshots are being received";
        return reply::text(StatusCode::SERVICE_UNAVAILABLE, reason);
    };
    let (message, rest) = match read_message(&mut body).await {
        Ok(read) => read,
        Err(error) => return undecodable(shared, headers, &error),
    };
    let from = MemberId(message.from);
    shared.metrics.received_bytes(from).add(message.encoded_len() as u64);
    let index = match &message.snapshot {
        Some(snapshot) if message.message_type == MessageType::Snap => snapshot.metadata.index,
        _ => return wrong_type(shared, &message),
    };
    if let Err(reason) = shared.admit(&message) {
        shared.metrics.snapshot_refused(&from.to_string());
        return unprocessed(shared, from, &reason.to_string());
    }
    let metrics = shared.metrics.snapshot_receive(&from.to_string());
    metrics.inflights.inc();
    let outcome = save(shared, &message, Index(index), rest, body).await;
    metrics.inflights.dec();
    let outcome = match outcome {
        Ok(()) => hand_over(shared, credits, message).await,
        Err(reply) => Err(reply),
    };
    match outcome {
        Ok(()) => {
            metrics.success.inc();
            metrics.seconds.observe_duration(shared.now().since(started));
            reply::no_content()
        }
        Err(reply) => {
            metrics.failures.inc();
            reply
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("unexpected EOF")]
    End,
    #[error("i/o timeout")]
    Timeout,
    #[error("{0}")]
    Body(BoxError),
    #[error("{0}")]
    Message(#[from] frame::Error),
}

/// The next bytes of a body; `None` at its end.
async fn next_piece<B>(body: &mut B) -> Result<Option<Bytes>, ReadError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    loop {
        let frame = tokio::time::timeout(SNAPSHOT_STALL_TIMEOUT, body.frame()).await;
        match frame.map_err(|_| ReadError::Timeout)? {
            None => return Ok(None),
            Some(Err(error)) => return Err(ReadError::Body(error.into())),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) if !piece.is_empty() => return Ok(Some(piece)),
                _ => {}
            },
        }
    }
}

/// The message in front, and what was read beyond it.
async fn read_message<B>(body: &mut B) -> Result<(Message, Bytes), ReadError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut decoder = message_stream::Decoder::with_limit(SNAPSHOT_MESSAGE_BYTES_MAX);
    loop {
        let mut piece = next_piece(body).await?.ok_or(ReadError::End)?;
        if let Some(message) = decoder.decode(&mut piece)? {
            return Ok((message, piece));
        }
    }
}

fn undecodable(shared: &Shared, headers: &HeaderMap, error: &ReadError) -> Reply {
    let from = headers::text(headers, headers::SERVER_FROM);
    tracing::warn!(
        "local-member-id" = %shared.local,
        "remote-snapshot-sender-id" = from,
        %error,
        "failed to decode Raft message"
    );
    shared.metrics.received_failure(from);
    shared.metrics.snapshot_refused(from);
    reply::text(StatusCode::BAD_REQUEST, &format!("failed to decode raft message ({error})"))
}

fn wrong_type(shared: &Shared, message: &Message) -> Reply {
    let from = MemberId(message.from);
    tracing::warn!(
        "local-member-id" = %shared.local,
        "remote-snapshot-sender-id" = %from,
        "message-type" = %message.message_type,
        "unexpected Raft message type"
    );
    shared.metrics.snapshot_refused(&from.to_string());
    reply::text(StatusCode::BAD_REQUEST, "wrong raft message type")
}

/// Writes the database to disk.
async fn save<B>(
    shared: &Shared,
    message: &Message,
    index: Index,
    first: Bytes,
    body: B,
) -> Result<(), Reply>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let from = MemberId(message.from);
    tracing::info!(
        "local-member-id" = %shared.local,
        "remote-snapshot-sender-id" = %from,
        "incoming-snapshot-index" = index.0,
        "incoming-snapshot-message-size-bytes" = message.encoded_len(),
        "receiving database snapshot"
    );
    match write(shared, index, first, body).await {
        Ok(received) => {
            shared.metrics.received_bytes(from).add(received.bytes);
            tracing::info!(
                "local-member-id" = %shared.local,
                "remote-snapshot-sender-id" = %from,
                "incoming-snapshot-index" = index.0,
                "incoming-snapshot-size-bytes" = received.bytes,
                "download-took" = %GoDuration::from(received.total),
                "received and saved database snapshot"
            );
            Ok(())
        }
        Err(error) => {
            tracing::warn!(
                "local-member-id" = %shared.local,
                "remote-snapshot-sender-id" = %from,
                "incoming-snapshot-index" = index.0,
                %error,
                "failed to save incoming database snapshot"
            );
            let reason = format!("failed to save KV snapshot ({error})");
            Err(reply::text(StatusCode::INTERNAL_SERVER_ERROR, &reason))
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("{0}")]
    Disk(#[from] snap::Error),
    #[error("the writer broke off")]
    Cut,
}

/// A step of the thread that writes.
enum Step {
    Write(Bytes),
    Finish,
}

async fn write<B>(
    shared: &Shared,
    index: Index,
    first: Bytes,
    mut body: B,
) -> Result<Received, WriteError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let (steps, to_write) = mpsc::channel(PIECES_MAX);
    let snapshots = shared.snapshots.clone();
    let writer = shared.runtime.spawn_blocking(move || write_steps(&snapshots, index, to_write));
    let copy = async {
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            if steps.send(Step::Write(bytes)).await.is_err() {
                // The writer has failed; it says how.
                return Ok(());
            }
            piece = next_piece(&mut body).await?;
        }
        // The same holds here.
        let _ = steps.send(Step::Finish).await;
        Ok(())
    };
    let copied: Result<(), ReadError> = copy.await;
    drop(steps);
    let written = writer.await.map_err(|_| WriteError::Cut)?;
    copied?;
    written
}

/// Writes what comes; drops the file if nobody says that it is whole.
fn write_steps(
    snapshots: &Snapshots,
    index: Index,
    mut steps: mpsc::Receiver<Step>,
) -> Result<Received, WriteError> {
    let mut writer = snapshots.receive(index)?;
    loop {
        match steps.blocking_recv() {
            Some(Step::Write(bytes)) => writer.write(&bytes)?,
            Some(Step::Finish) => return Ok(writer.finish()?),
            None => return Err(WriteError::Cut),
        }
    }
}

/// Hands the snapshot to raft.
async fn hand_over(shared: &Shared, credits: &Credits, message: Message) -> Result<(), Reply> {
    let from = MemberId(message.from);
    let pushing = shared.inbox.push_when_possible(Event::Snapshot(message), credits);
    let reason = match tokio::time::timeout(POST_TIMEOUT, pushing).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "raft takes no messages".to_owned(),
    };
    Err(unprocessed(shared, from, &reason))
}

/// A snapshot that raft does not get.
fn unprocessed(shared: &Shared, from: MemberId, reason: &str) -> Reply {
    tracing::warn!(
        "local-member-id" = %shared.local,
        "remote-snapshot-sender-id" = %from,
        error = reason,
        "failed to process Raft message"
    );
    let reason = format!("failed to process raft message ({reason})");
    reply::text(StatusCode::INTERNAL_SERVER_ERROR, &reason)
}
