//! What peers ask for under `/raft`: messages, snapshots, streams, whether anybody is there.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use proto::raftpb::MessageType;
use telemetry::Timestamp;
use types::MemberId;

use crate::headers;
use crate::inbound::{Credits, Event};
use crate::limits::{MESSAGE_BYTES_MAX, POST_TIMEOUT};
use crate::members::Members;
use crate::message_stream;
use crate::reply::{self, Reply, ReplyBody};
use crate::shared::Shared;
use crate::snapshot_receive::{self, UNKNOWN_SENDER};
use crate::stream_kind::StreamKind;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Answers a request.
pub(crate) async fn serve<B>(shared: &Shared, members: &Members, request: Request<B>) -> Reply
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    match head.uri.path() {
        "/raft" => message(shared, members, &head, body).await,
        "/raft/snapshot" => snapshot(shared, members, &head, body).await,
        "/raft/probing" => probing(shared),
        path => match path.strip_prefix("/raft/stream/") {
            Some(rest) => stream(shared, members, &head, rest),
            None => reply::not_found(),
        },
    }
}

/// Marks an answer with the cluster that gives it.
fn of_cluster(shared: &Shared, mut reply: Reply) -> Reply {
    if let Ok(cluster) = HeaderValue::from_str(&shared.cluster.to_string()) {
        reply.headers_mut().insert(headers::CLUSTER_ID, cluster);
    }
    reply
}

/// The credits of the sender that a request names; it is remembered if it is unknown.
fn sender(shared: &Shared, members: &Members, headers: &HeaderMap) -> Credits {
    let Some(from) = headers::member_id(headers::text(headers, headers::SERVER_FROM)) else {
        return shared.strangers.clone();
    };
    let urls = headers::peer_urls(headers);
    if !urls.is_empty() {
        members.add_remote(from, &urls);
    }
    match members.peer(from) {
        Some(peer) => peer.credits().clone(),
        None => shared.strangers.clone(),
    }
}

async fn message<B>(shared: &Shared, members: &Members, head: &Parts, body: B) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    if head.method != Method::POST {
        return reply::wrong_method("POST");
    }
    let reply = match headers::check(shared, &head.headers) {
        Ok(()) => {
            let credits = sender(shared, members, &head.headers);
            take_message(shared, &credits, &head.headers, body).await
        }
        Err(reason) => reply::text(StatusCode::PRECONDITION_FAILED, &reason.to_string()),
    };
    of_cluster(shared, reply)
}

async fn take_message<B>(shared: &Shared, credits: &Credits, headers: &HeaderMap, body: B) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let bad = |complaint: &str, error: &dyn std::fmt::Display, answer: &str| {
        tracing::warn!("local-member-id" = %shared.local, %error, "{complaint}");
        shared.metrics.received_failure(headers::text(headers, headers::SERVER_FROM));
        reply::text(StatusCode::BAD_REQUEST, answer)
    };
    let bytes = match tokio::time::timeout(POST_TIMEOUT, collect(credits, body)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            return bad("failed to read Raft message", &error, "error reading raft message");
        }
        Err(_) => {
            let error = "i/o timeout";
            return bad("failed to read Raft message", &error, "error reading raft message");
        }
    };
    let size = bytes.len() as u64;
    let message = match message_stream::read(bytes) {
        Ok(message) => message,
        Err(error) => {
            let complaint = "failed to unmarshal Raft message";
            return bad(complaint, &error, "error unmarshalling raft message");
        }
    };
    shared.metrics.received_bytes(MemberId(message.from)).add(size);
    if let Err(reason) = shared.admit(&message) {
        return unprocessed(shared, &reason.to_string());
    }
    let event = match message.message_type {
        // Without its database a snapshot is of no use.
        MessageType::Snap => {
            return reply::text(StatusCode::BAD_REQUEST, "wrong raft message type");
        }
        _ => Event::Message(message),
    };
    let pushing = shared.inbox.push_when_possible(event, credits);
    let reason = match tokio::time::timeout(POST_TIMEOUT, pushing).await {
        Ok(Ok(())) => return reply::no_content(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "raft takes no messages".to_owned(),
    };
    unprocessed(shared, &reason)
}

/// A message that raft does not get. Go means to answer otherwise to one of a removed member or for
/// another one, and does not; its senders take such an answer for their own removal, and end.
fn unprocessed(shared: &Shared, reason: &str) -> Reply {
    tracing::warn!(
        "local-member-id" = %shared.local,
        error = reason,
        "failed to process Raft message"
    );
    let mut reply = reply::text(StatusCode::INTERNAL_SERVER_ERROR, "error processing raft message");
    reply.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// Reads a posted message, while the bytes of all that its sender posts stay within a bound.
async fn collect<B>(credits: &Credits, body: B) -> Result<Bytes, BoxError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let announced = body.size_hint().upper().unwrap_or(MESSAGE_BYTES_MAX as u64);
    let size = usize::try_from(announced).unwrap_or(usize::MAX);
    if size > MESSAGE_BYTES_MAX {
        return Err("the message is too large".into());
    }
    let _turn = credits.posts.acquire().await?;
    let _bytes = credits.post_bytes.acquire_many(u32::try_from(size)?).await?;
    let mut body = Limited::new(body, size);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Bytes::from(bytes.into_boxed_slice()))
}

async fn snapshot<B>(shared: &Shared, members: &Members, head: &Parts, body: B) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    if head.method != Method::POST {
        shared.metrics.snapshot_refused(UNKNOWN_SENDER);
        return reply::wrong_method("POST");
    }
    let reply = match headers::check(shared, &head.headers) {
        Ok(()) => {
            let credits = sender(shared, members, &head.headers);
            snapshot_receive::receive(shared, &credits, &head.headers, body).await
        }
        Err(reason) => {
            shared.metrics.snapshot_refused(UNKNOWN_SENDER);
            reply::text(StatusCode::PRECONDITION_FAILED, &reason.to_string())
        }
    };
    of_cluster(shared, reply)
}

/// Says that somebody is here, and what time it is.
fn probing(shared: &Shared) -> Reply {
    let now = Timestamp { unix_nanos: shared.clock.wall().0, offset_seconds: 0 };
    let mut reply = reply::whole(format!("{{\"OK\":true,\"Now\":\"{now}\"}}\n"));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, text);
    reply
}

/// Opens a stream; `rest` is what follows `/raft/stream/`.
fn stream(shared: &Shared, members: &Members, head: &Parts, rest: &str) -> Reply {
    if head.method != Method::GET {
        return reply::wrong_method("GET");
    }
    let mut reply = match open_stream(shared, members, &head.headers, rest) {
        Ok(body) => http::Response::new(body),
        Err((status, reason)) => reply::text(status, &reason),
    };
    if let Ok(level) = HeaderValue::from_str(&shared.level().to_string()) {
        reply.headers_mut().insert(headers::SERVER_VERSION, level);
    }
    of_cluster(shared, reply)
}

fn open_stream(
    shared: &Shared,
    members: &Members,
    headers: &HeaderMap,
    rest: &str,
) -> Result<ReplyBody, (StatusCode, String)> {
    let refuse = |status, reason: &str| Err((status, reason.to_owned()));
    if let Err(reason) = headers::check(shared, headers) {
        return refuse(StatusCode::PRECONDITION_FAILED, &reason.to_string());
    }
    let path = rest.split_once('/').filter(|(_, from)| !from.contains('/'));
    let kind = path.and_then(|(kind, from)| Some((StreamKind::of_segment(kind)?, from)));
    let Some((kind, from)) = kind else {
        return refuse(StatusCode::NOT_FOUND, "invalid path");
    };
    let Some(from) = headers::member_id(from) else {
        tracing::warn!(
            "local-member-id" = %shared.local,
            path = from,
            "failed to parse path into ID"
        );
        return refuse(StatusCode::NOT_FOUND, "invalid from");
    };
    if shared.is_removed(from) {
        tracing::warn!(
            "local-member-id" = %shared.local,
            "remote-peer-id-from" = %from,
            "rejected stream from remote peer because it was removed"
        );
        return refuse(StatusCode::GONE, "removed member");
    }
    let Some(peer) = members.peer(from) else {
        // It may belong to another cluster of the same id, or this member is behind and does not
        // know it yet; then answers to what it posts have to find it.
        members.add_remote(from, &headers::peer_urls(headers));
        tracing::warn!(
            "local-member-id" = %shared.local,
            "remote-peer-id-from" = %from,
            "cluster-id" = %shared.cluster,
            "failed to find remote peer in cluster"
        );
        return refuse(StatusCode::NOT_FOUND, "error sender not found");
    };
    let to = headers::text(headers, headers::RAFT_TO);
    if to != shared.local.to_string() {
        tracing::warn!(
            "local-member-id" = %shared.local,
            "remote-peer-id-header" = to,
            "remote-peer-id-from" = %from,
            "cluster-id" = %shared.cluster,
            "ignored streaming request; ID mismatch"
        );
        return refuse(StatusCode::PRECONDITION_FAILED, "to field mismatch");
    }
    Ok(ReplyBody::stream(peer.attach(kind)))
}
