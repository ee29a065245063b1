//! The peer listener: raft's paths to the transport, the small endpoints to the member
//! (spec/peer.md 5.1).

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use node::Node;
use node::endpoints;
use node::network::{Answer, Method, Question};
use peer::{ReplyBody, Transport};
use types::ClusterId;

/// What a request's body may weigh, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// A question's own limit; the asker's counts here.
const PATIENCE: Duration = Duration::from_secs(60);
const CLUSTER_ID: &str = "x-etcd-cluster-id";

type Reply = Response<PeerBody>;

/// Answers other members.
#[derive(Clone)]
pub struct PeerService {
    node: Node,
    transport: Transport,
}

impl PeerService {
    /// The endpoints of a member.
    pub const fn new(node: Node, transport: Transport) -> Self {
        Self { node, transport }
    }
}

impl hyper::service::Service<Request<Incoming>> for PeerService {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let path = match httpd::head::path(&parts) {
            Ok(path) => path,
            Err(answer) => return Box::pin(ready(Ok(answer.map(PeerBody::Whole)))),
        };
        let request = Request::from_parts(parts, body);
        if path == "/raft" || path.starts_with("/raft/") {
            let transport = self.transport.clone();
            return Box::pin(async move { Ok(transport.serve(request).await.map(PeerBody::Raft)) });
        }
        let node = self.node.clone();
        Box::pin(async move { Ok(answer(&node, path, request).await.map(PeerBody::Whole)) })
    }
}

async fn answer(node: &Node, path: String, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let Some(wanted) = endpoints::method(&path) else {
        return text(StatusCode::NOT_FOUND, "404 page not found");
    };
    let (method, name) = match wanted {
        Method::Get => (http::Method::GET, "GET"),
        Method::Post => (http::Method::POST, "POST"),
    };
    if parts.method != method {
        let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        // As in Go, the leases' endpoints do not say what they allow.
        if !path.starts_with("/leases") {
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(name));
        }
        return reply;
    }
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "request body too large");
        }
        Err(_) => return text(StatusCode::BAD_REQUEST, "error reading body"),
    };
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    // What is no id is no cluster's.
    let cluster = header(CLUSTER_ID)
        .filter(|text| !text.is_empty())
        .map(|text| ClusterId(membership::ids::parse(text).unwrap_or(0)));
    let question = Question {
        url: String::new(),
        method: wanted,
        path,
        cluster,
        token: header(AUTHORIZATION.as_str()).map(str::to_owned),
        body: Some(("", body)),
        timeout: PATIENCE,
    };
    reply(node.answer(question).await)
}

fn reply(answer: Answer) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(answer.body));
    *reply.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    if answer.status >= 400 {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    if let Some(content_type) = answer.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(cluster) = answer.cluster
        && let Ok(cluster) = HeaderValue::from_str(&cluster.to_string())
    {
        headers.insert(CLUSTER_ID, cluster);
    }
    reply
}

fn text(status: StatusCode, line: &str) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(Bytes::from(format!("{line}\n"))));
    *reply.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, plain);
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// The body of an answer of either side.
pub enum PeerBody {
    /// Of the transport.
    Raft(ReplyBody),
    /// Of the member.
    Whole(Full<Bytes>),
}

impl Body for PeerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Raft(body) => Pin::new(body).poll_frame(context),
            Self::Whole(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Raft(body) => body.is_end_stream(),
            Self::Whole(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Raft(body) => body.size_hint(),
            Self::Whole(body) => body.size_hint(),
        }
    }
}
