//! The receiving side of a stream: this member opens it, and again whenever it breaks.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use proto::raftpb::Message;
use proto::version::Version;
use tokio::time::MissedTickBehavior;
use types::MemberId;

use crate::address::PeerUrl;
use crate::append_stream;
use crate::connect::{self, Connection};
use crate::contact::{Contact, Failure};
use crate::exchange::whole;
use crate::frame;
use crate::headers::{self, Incompatible};
use crate::inbound::Refused;
use crate::limits::{ANSWER_BYTES_MAX, REDIAL_INTERVAL};
use crate::message_stream::{self, is_link_heartbeat};
use crate::stream_kind::StreamKind;

/// The first version that has these streams.
const STREAMS_SINCE: Version = Version::new(2, 1, 0);

/// An open stream.
struct Stream {
    body: Incoming,
    /// Carries the body.
    _connection: Connection,
}

/// Why a stream cannot be opened.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("no valid URL")]
    NoUrl,
    #[error("{0}")]
    Exchange(#[from] connect::Error),
    #[error("unsupported stream type")]
    Unsupported,
    #[error("the member has been permanently removed from the cluster")]
    Removed,
    #[error("peer {peer} failed to find local node {local}")]
    Unknown { peer: String, local: String },
    #[error("{0}")]
    Incompatible(Incompatible),
    #[error("unhandled error {0:?} when precondition failed")]
    Precondition(String),
    #[error("unhandled http status {0}")]
    Status(u16),
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("EOF")]
    End,
    #[error("i/o timeout")]
    Timeout,
    #[error("{0}")]
    Http(#[from] connect::Error),
    #[error("{0}")]
    Stream(#[from] frame::Error),
    #[error("raft: stopped")]
    Stopped,
}

/// Keeps a stream open. Ends when the inbound queue does.
pub(crate) async fn run(contact: Arc<Contact>, kind: StreamKind) {
    let mut attempts = tokio::time::interval(REDIAL_INTERVAL);
    attempts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let failure = |action| Failure { source: kind.name(), action };
    loop {
        attempts.tick().await;
        let stream = match dial(&contact, kind).await {
            Ok(stream) => stream,
            Err(DialError::Unsupported) => continue,
            Err(error) => {
                contact.deactivate(failure("dial"), &error.to_string());
                continue;
            }
        };
        contact.activate();
        tracing::info!(
            "stream-reader-type" = %kind,
            "local-member-id" = %contact.shared.local,
            "remote-peer-id" = %contact.id,
            "established TCP streaming connection with remote peer"
        );
        let error = read(&contact, kind, stream).await;
        tracing::warn!(
            "stream-reader-type" = %kind,
            "local-member-id" = %contact.shared.local,
            "remote-peer-id" = %contact.id,
            %error,
            "lost TCP streaming connection with remote peer"
        );
        match error {
            ReadError::Stopped => return,
            ReadError::End => {}
            error => contact.deactivate(failure("read"), &error.to_string()),
        }
    }
}

async fn dial(contact: &Contact, kind: StreamKind) -> Result<Stream, DialError> {
    let url = contact.pick().ok_or(DialError::NoUrl)?;
    let outcome = dial_url(contact, kind, &url).await;
    if outcome.is_err() {
        contact.failed(&url);
    }
    outcome
}

async fn dial_url(contact: &Contact, kind: StreamKind, url: &PeerUrl) -> Result<Stream, DialError> {
    let shared = &contact.shared;
    let mut connection = Connection::open(&*shared.connector, url, shared.dial_timeout).await?;
    let path = format!("/raft/stream/{}/{}", kind.segment(), shared.local);
    let request = shared
        .request(Method::GET, url, &path)
        .header(headers::RAFT_TO, contact.id.to_string())
        .body(whole(Bytes::new()))
        .map_err(connect::Error::from)?;
    let answer = tokio::time::timeout(shared.read_timeout, connection.send(request)).await;
    let answer = answer.map_err(|_| connect::Error::Timeout { action: "wait for a stream" })?;
    let (head, body) = answer.map_err(connect::Error::from)?.into_parts();
    let version = headers::version(&head.headers, headers::SERVER_VERSION);
    if version.is_none_or(|version| version < STREAMS_SINCE) {
        return Err(DialError::Unsupported);
    }
    match head.status {
        StatusCode::OK => Ok(Stream { body, _connection: connection }),
        StatusCode::GONE => {
            shared.inbox.report_removed();
            Err(DialError::Removed)
        }
        StatusCode::NOT_FOUND => {
            let (peer, local) = (contact.id.to_string(), shared.local.to_string());
            Err(DialError::Unknown { peer, local })
        }
        StatusCode::PRECONDITION_FAILED => {
            let text = Limited::new(body, ANSWER_BYTES_MAX).collect();
            let text = tokio::time::timeout(shared.read_timeout, text).await;
            let text = text.map_err(|_| connect::Error::Timeout { action: "read an answer" })?;
            let text = text.map_err(connect::Error::Body)?.to_bytes();
            Err(refused(contact, &text, headers::text(&head.headers, headers::CLUSTER_ID)))
        }
        status => Err(DialError::Status(status.as_u16())),
    }
}

/// What an answer 412 means.
fn refused(contact: &Contact, text: &[u8], their_cluster: &str) -> DialError {
    let shared = &contact.shared;
    let Some(reason) = Incompatible::of_answer(text) else {
        return DialError::Precondition(String::from_utf8_lossy(text).into_owned());
    };
    match reason {
        Incompatible::Version => tracing::warn!(
            "local-member-id" = %shared.local,
            "remote-peer-id" = %contact.id,
            error = %reason,
            "request sent was ignored by remote peer due to server version incompatibility"
        ),
        Incompatible::Cluster => tracing::warn!(
            "remote-peer-id" = %contact.id,
            "remote-peer-cluster-id" = their_cluster,
            "local-member-id" = %shared.local,
            "local-member-cluster-id" = %shared.cluster,
            error = %reason,
            "request sent was ignored by remote peer due to cluster ID mismatch"
        ),
    }
    DialError::Incompatible(reason)
}

enum Decoder {
    Appends(append_stream::Decoder),
    Messages(message_stream::Decoder),
}

impl Decoder {
    fn new(contact: &Contact, kind: StreamKind) -> Self {
        match kind {
            StreamKind::Appends => {
                Self::Appends(append_stream::Decoder::new(contact.shared.local, contact.id))
            }
            StreamKind::Messages => Self::Messages(message_stream::Decoder::new()),
        }
    }

    fn decode(&mut self, input: &mut Bytes) -> Result<Option<Message>, frame::Error> {
        match self {
            Self::Appends(decoder) => decoder.decode(input),
            Self::Messages(decoder) => decoder.decode(input),
        }
    }
}

/// Reads a stream until it breaks. One that is silent for longer than an idle one is opened anew
/// beside the old one, which the peer then ends: behind a link that lost what was sent for a while,
/// the old one may have to wait as long again for TCP to try once more.
async fn read(contact: &Contact, kind: StreamKind, mut stream: Stream) -> ReadError {
    let mut decoder = Decoder::new(contact, kind);
    let half = contact.shared.read_timeout / 2;
    let (mut silent_halves, mut another) = (0, None);
    loop {
        let frame = tokio::select! {
            biased;
            frame = stream.body.frame() => frame,
            opened = opened(&mut another) => {
                (stream, another) = (opened, None);
                (decoder, silent_halves) = (Decoder::new(contact, kind), 0);
                continue;
            }
            () = tokio::time::sleep(half) => {
                silent_halves += 1;
                if silent_halves == 2 {
                    return ReadError::Timeout;
                }
                another.get_or_insert_with(|| Box::pin(open_another(contact, kind)));
                continue;
            }
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return connect::Error::from(error).into(),
            None => return ReadError::End,
        };
        silent_halves = 0;
        // Trailers, which nobody sends, say nothing.
        let Ok(mut chunk) = frame.into_data() else { continue };
        if let Err(error) = receive(contact, &mut decoder, &mut chunk) {
            return error;
        }
    }
}

/// Hands on the messages that a chunk completes.
fn receive(contact: &Contact, decoder: &mut Decoder, chunk: &mut Bytes) -> Result<(), ReadError> {
    while let Some(message) = decoder.decode(chunk)? {
        let bytes = message.encoded_len() as u64;
        // As in Go, what only keeps the connection alive is of nobody.
        match is_link_heartbeat(&message) {
            true => contact.shared.metrics.received_bytes(MemberId(message.from)).add(bytes),
            false => contact.received_bytes.add(bytes),
        }
        deliver(contact, message)?;
    }
    Ok(())
}

/// Tries until another stream is open.
async fn open_another(contact: &Contact, kind: StreamKind) -> Stream {
    let mut attempts = tokio::time::interval(REDIAL_INTERVAL);
    attempts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        attempts.tick().await;
        // Why it fails is told when the old one counts as broken.
        if let Ok(stream) = dial(contact, kind).await {
            return stream;
        }
    }
}

/// The stream that is being opened, if one is.
async fn opened(another: &mut Option<Pin<Box<impl Future<Output = Stream>>>>) -> Stream {
    match another {
        Some(another) => another.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Hands a message to raft, or drops it if there is no room.
fn deliver(contact: &Contact, message: Message) -> Result<(), ReadError> {
    if is_link_heartbeat(&message) || is_dropped() {
        return Ok(());
    }
    let shared = &contact.shared;
    let (kind, from) = (message.message_type, message.from);
    if shared.admit(&message).is_err() {
        return Ok(());
    }
    match shared.inbox.push(message, &contact.credits) {
        Ok(()) => Ok(()),
        Err(Refused::Stopped) => Err(ReadError::Stopped),
        Err(Refused::Full) => {
            if let Some(count) = contact.receiving_full.raise(shared.now()) {
                tracing::warn!(
                    "message-type" = %kind,
                    "local-member-id" = %shared.local,
                    from = format!("{from:x}"),
                    "remote-peer-id" = %contact.id,
                    "remote-peer-active" = contact.is_active(),
                    count,
                    "dropped internal Raft message since receiving buffer is full (overloaded network)"
                );
            }
            shared.metrics.received_failure(&contact.id.to_string());
            Ok(())
        }
    }
}

/// Whether a fail point lets messages get lost.
fn is_dropped() -> bool {
    env::fail_point!("raftDropHeartbeat", |_| true);
    false
}
