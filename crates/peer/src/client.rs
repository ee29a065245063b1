//! Single requests to the other endpoints of a peer: `/members`, `/version`, `/leases` and the like
//! (spec/peer.md 5.7).
//!
//! Each request has a connection of its own, a time in which all of it has to be done, and a limit
//! for the answer. Redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full, Limited};

use crate::address::PeerUrl;
pub use crate::connect::Error;
use crate::connect::{Connection, Connector, Plain};

/// A request to a peer.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `GET` or `POST`.
    pub method: Method,
    /// The peer.
    pub url: &'a PeerUrl,
    /// Begins with `/`; may have a query.
    pub path: &'a str,
    /// `X-Etcd-Cluster-ID`, `Content-Type`, `Authorization` and the like.
    pub headers: HeaderMap,
    /// Sent also with a `GET`, as `/members/hashkv` wants it; left out when empty.
    pub body: Bytes,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How large the answer's body may be.
    pub answer_bytes_max: usize,
}

/// What a peer answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Also other ones than 200.
    pub status: StatusCode,
    /// All of them.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Sends requests.
#[derive(Clone)]
pub struct Client {
    connector: Arc<dyn Connector>,
}

impl Client {
    /// A client over connections of a kind.
    #[must_use]
    pub const fn new(connector: Arc<dyn Connector>) -> Self {
        Self { connector }
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// If there is no answer in time, or it is larger than it may be.
    pub async fn send(&self, request: Request<'_>) -> Result<Answer, Error> {
        let timeout = request.timeout;
        let exchange = exchange(&*self.connector, request);
        match tokio::time::timeout(timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Timeout { action: "ask a peer" }),
        }
    }
}

impl Default for Client {
    /// A client without TLS.
    fn default() -> Self {
        Self::new(Arc::new(Plain))
    }
}

async fn exchange(connector: &dyn Connector, request: Request<'_>) -> Result<Answer, Error> {
    let mut connection = Connection::open(connector, request.url, request.timeout).await?;
    let mut head = http::Request::builder()
        .method(request.method)
        .uri(request.path)
        .header(HOST, request.url.host_header())
        .header(CONNECTION, "close");
    if let Some(headers) = head.headers_mut() {
        headers.extend(request.headers);
    }
    let body = Full::new(request.body).map_err(|error| match error {}).boxed_unsync();
    let answer = connection.send(head.body(body)?).await?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, request.answer_bytes_max).collect().await.map_err(Error::Body)?;
    Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
}
