//! The answers that peers get.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

use crate::outlet::StreamBody;

/// The body of an answer: a few bytes, or a stream of messages.
pub struct ReplyBody(Kind);

enum Kind {
    Whole(Full<Bytes>),
    Stream(Box<StreamBody>),
}

/// An answer.
pub(crate) type Reply = Response<ReplyBody>;

impl ReplyBody {
    pub(crate) fn stream(stream: StreamBody) -> Self {
        Self(Kind::Stream(Box::new(stream)))
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
            Kind::Stream(body) => Pin::new(&mut **body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(body) => body.is_end_stream(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(body) => body.size_hint(),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

/// An answer 200.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Reply {
    Response::new(ReplyBody(Kind::Whole(Full::new(bytes.into()))))
}

/// An answer 204.
pub(crate) fn no_content() -> Reply {
    let mut reply = whole(Bytes::new());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

/// A line of text, as Go's `http.Error` sends it.
pub(crate) fn text(status: StatusCode, line: &str) -> Reply {
    let mut reply = whole(format!("{line}\n"));
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
