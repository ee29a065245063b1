//! The short way of the calls that a key-value store lives by: one whole message in, one out.
//!
//! tonic's way serves every shape of call, at the price of buffers of 16 KiB and half a dozen boxed
//! futures for each. A request that is one plain message in one DATA frame needs none of them.
//! Whatever else a body may be (several frames, compressed, too large, cut off) goes tonic's way,
//! with what was read of it before its rest.
//!
//! Invariant: which way a call takes cannot be told from its answer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use api::{Caller, Remote, Service};
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};
use prost::Message;
use proto::etcdserverpb as pb;
use tonic::Status;

use crate::adapter::{Adapter, ask};
use crate::codec;
use crate::traffic;

/// What stands before a message: whether it is compressed, and its length.
const FRAME_BYTES: usize = 5;
const ENCODING: &str = "grpc-encoding";
const STATUS: &str = "grpc-status";
const OK: HeaderValue = HeaderValue::from_static("0");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Whether a request's messages are not compressed, by what its headers say.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    !headers.contains_key(ENCODING)
}

/// What a request's body was.
pub(crate) enum Arrived<B: Body> {
    /// One plain message.
    Message(Bytes),
    /// Anything else, to be read from its beginning.
    Other(Replayed<B>),
}

/// Reads a body of at most one message of at most this length.
pub(crate) async fn read<B>(mut body: B, bytes_max: usize) -> Arrived<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut frames = VecDeque::new();
    let message = match next(&mut body).await {
        Some(Ok(frame)) => match frame.data_ref().and_then(|data| message_of(data, bytes_max)) {
            Some(message) => message,
            None => {
                frames.push_back(Ok(frame));
                return Arrived::Other(Replayed { frames, rest: body });
            }
        },
        Some(Err(error)) => {
            frames.push_back(Err(error));
            return Arrived::Other(Replayed { frames, rest: body });
        }
        None => return Arrived::Other(Replayed { frames, rest: body }),
    };
    while !body.is_end_stream() {
        match next(&mut body).await {
            None => break,
            // Many clients end their stream with an empty frame.
            Some(Ok(frame)) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
            Some(frame) => {
                frames.push_back(Ok(Frame::data(framed(&message))));
                frames.push_back(frame);
                return Arrived::Other(Replayed { frames, rest: body });
            }
        }
    }
    Arrived::Message(message)
}

async fn next<B: Body + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// The message that data is, if it is exactly one, plain and not too long.
fn message_of(data: &Bytes, bytes_max: usize) -> Option<Bytes> {
    let mut head = data.get(..FRAME_BYTES)?;
    let is_compressed = head.get_u8() != 0;
    let len = usize::try_from(head.get_u32()).ok()?;
    let is_whole = data.len() - FRAME_BYTES == len;
    (is_whole && !is_compressed && len <= bytes_max).then(|| data.slice(FRAME_BYTES..))
}

/// A message behind its frame, as it came.
fn framed(message: &Bytes) -> Bytes {
    let mut framed = Vec::with_capacity(FRAME_BYTES + message.len());
    framed.push(0);
    framed.extend(u32::try_from(message.len()).expect("it was read as 32 bits").to_be_bytes());
    framed.extend_from_slice(message);
    framed.into()
}

/// A body of which something was read already.
pub(crate) struct Replayed<B: Body> {
    frames: VecDeque<Result<Frame<B::Data>, B::Error>>,
    rest: B,
}

impl<B> Body for Replayed<B>
where
    B: Body + Unpin,
    B::Data: Unpin,
    B::Error: Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        match this.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut this.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.frames.is_empty() { self.rest.size_hint() } else { SizeHint::default() }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct GrpcBody(Kind);

#[derive(Debug)]
enum Kind {
    /// As tonic makes it.
    Tonic(tonic::body::Body),
    /// A message in its frame, to be followed by the status OK.
    Message(Bytes),
    /// That status.
    Ok,
}

impl Default for GrpcBody {
    fn default() -> Self {
        tonic::body::Body::default().into()
    }
}

impl From<tonic::body::Body> for GrpcBody {
    fn from(body: tonic::body::Body) -> Self {
        Self(Kind::Tonic(body))
    }
}

impl Body for GrpcBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let kind = &mut self.get_mut().0;
        let frame = match kind {
            Kind::Tonic(body) => return Pin::new(body).poll_frame(context),
            Kind::Message(message) => {
                let data = Frame::data(std::mem::take(message));
                *kind = Kind::Ok;
                data
            }
            Kind::Ok => {
                *kind = Kind::Tonic(tonic::body::Body::empty());
                Frame::trailers(HeaderMap::from_iter([(http::HeaderName::from_static(STATUS), OK)]))
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Tonic(body) => body.is_end_stream(),
            Kind::Message(_) | Kind::Ok => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Tonic(body) => body.size_hint(),
            Kind::Message(_) | Kind::Ok => SizeHint::default(),
        }
    }
}

/// The answer to a call.
fn answer(outcome: Result<impl Message, Status>) -> Response<GrpcBody> {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(status) => return status.into_http(),
    };
    let len = reply.encoded_len();
    let Ok(shown_len) = u32::try_from(len) else {
        // tonic's words.
        return Status::resource_exhausted(format!(
            "Cannot return body with more than 4GB of data but got {len} bytes"
        ))
        .into_http();
    };
    let mut framed = Vec::with_capacity(FRAME_BYTES + len);
    framed.push(0);
    framed.extend(shown_len.to_be_bytes());
    reply.encode(&mut framed).expect("a vector grows");
    traffic::sent(len);
    let mut response = Response::new(GrpcBody(Kind::Message(framed.into())));
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
}

/// Methods, each with its own name's in the API.
macro_rules! methods {
    ($( $name:ident($request:ty); )*) => {
        $(
            /// The answer to one message.
            pub(crate) async fn $name<S: Service>(
                adapter: Adapter<S>,
                caller: Caller,
                remote: Option<Remote>,
                message: Bytes,
            ) -> Response<GrpcBody> {
                match codec::decode::<$request>(message) {
                    Err(refusal) => refusal.into_http(),
                    Ok(request) => answer(ask!(adapter, $name, caller, remote, request)),
                }
            }
        )*
    };
}

methods! {
    range(pb::RangeRequest);
    put(pb::PutRequest);
    delete_range(pb::DeleteRangeRequest);
    txn(pb::TxnRequest);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of frames that are there already.
    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    fn body(frames: &[&'static [u8]]) -> Frames {
        Frames(frames.iter().map(|data| Frame::data(Bytes::from_static(data))).collect())
    }

    async fn all<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Vec<Bytes> {
        let mut data = Vec::new();
        while let Some(Ok(frame)) = next(&mut body).await {
            data.push(frame.into_data().expect("data"));
        }
        data
    }

    #[tokio::test]
    async fn one_plain_message_is_taken() {
        for frames in [&[b"\0\0\0\0\x02ab".as_slice()] as &[&[u8]], &[b"\0\0\0\0\x02ab", b""]] {
            match read(body(frames), 2).await {
                Arrived::Message(message) => assert_eq!(message, "ab"),
                Arrived::Other(_) => panic!("{frames:?}"),
            }
        }
    }

    #[tokio::test]
    async fn everything_else_is_read_again_from_the_beginning() {
        for frames in [
            &[] as &[&[u8]],
            &[b"\0\0\0".as_slice()],
            &[b"\0\0\0\0\x02a".as_slice(), b"b"],
            &[b"\x01\0\0\0\x02ab"],
            &[b"\0\0\0\0\x02abc"],
            &[b"\0\0\0\0\x03abc"],
            &[b"\0\0\0\0\x02ab", b"\0\0\0\0\x02cd"],
        ] {
            match read(body(frames), 2).await {
                Arrived::Message(message) => panic!("{frames:?} taken as {message:?}"),
                Arrived::Other(replayed) => assert_eq!(all(replayed).await, frames),
            }
        }
    }
}
