//! The answers that peers get.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};

/// The body of an answer: a few bytes, or a stream of messages.
pub struct ReplyBody(Kind);

enum Kind {
    Whole(Full<Bytes>),
}

/// An answer.
pub(crate) type Reply = Response<ReplyBody>;

impl ReplyBody {
    fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(Full::new(bytes.into())))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(body) => body.size_hint(),
        }
    }
}

/// A line of text, as Go's `http.Error` sends it.
pub(crate) fn text(status: StatusCode, line: &str) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(format!("{line}\n")));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    reply
}

/// What is there for no path that is served.
pub(crate) fn not_found() -> Reply {
    text(StatusCode::NOT_FOUND, "404 page not found")
}

/// Another method is wanted.
pub(crate) fn wrong_method(allowed: &'static str) -> Reply {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}
