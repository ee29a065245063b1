//! Answers as Go's `net/http` words them.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body_util::Full;

/// A whole answer.
pub type Reply = Response<Full<Bytes>>;

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

fn reply(status: StatusCode, content_type: HeaderValue, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}

/// 200 with text.
pub(crate) fn text(body: String) -> Reply {
    let mut reply = reply(StatusCode::OK, PLAIN, body);
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    reply
}

/// 200 with text in this version of the exposition format of metrics.
pub(crate) fn metrics(body: Bytes) -> Reply {
    let kind = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    let mut reply = Response::new(Full::new(body));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// 200 with JSON that says so.
pub(crate) fn json(body: String) -> Reply {
    reply(StatusCode::OK, JSON, body)
}

/// 200 with JSON that says so, and how it is encoded.
pub(crate) fn json_utf8(body: String) -> Reply {
    reply(StatusCode::OK, HeaderValue::from_static("application/json; charset=utf-8"), body)
}

/// 200 with a body whose type Go leaves to be guessed, which makes it plain text.
pub(crate) fn guessed(body: String) -> Reply {
    reply(StatusCode::OK, PLAIN, body)
}

/// Text as it stands, without a line's end.
pub(crate) fn bare(status: StatusCode, text: &str) -> Reply {
    reply(status, PLAIN, text.to_owned())
}

/// An error: the text with a line's end.
pub(crate) fn error(status: StatusCode, text: &str) -> Reply {
    let mut reply = reply(status, PLAIN, format!("{text}\n"));
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    reply
}

/// 404.
pub(crate) fn not_found() -> Reply {
    error(StatusCode::NOT_FOUND, "404 page not found")
}

/// 405 of a path that takes only GET.
pub(crate) fn only_get() -> Reply {
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    reply
}
