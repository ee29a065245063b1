//! The small endpoints of the peer listener (spec/peer.md 5.7): what tools and other members look at
//! before they talk raft.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use membership::Member;
use node::Node;

/// What a request's body may weigh, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;

type Reply = Response<Full<Bytes>>;

/// Answers other members.
#[derive(Clone)]
pub struct PeerService {
    node: Node,
}

impl PeerService {
    /// The endpoints of a member.
    pub const fn new(node: Node) -> Self {
        Self { node }
    }
}

impl hyper::service::Service<Request<Incoming>> for PeerService {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let node = self.node.clone();
        Box::pin(async move { Ok(answer(&node, request).await) })
    }
}

async fn answer(node: &Node, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let known = ["/version", "/members", "/members/hashkv", "/raft/probing"];
    if !known.contains(&path.as_str()) {
        return text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned());
    }
    if request.method() != Method::GET {
        let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n".to_owned());
        reply.headers_mut().insert(http::header::ALLOW, http::HeaderValue::from_static("GET"));
        return reply;
    }
    match path.as_str() {
        "/version" => json(node, versions(node)),
        "/members" => {
            json(node, format!("{}\n", Member::list_to_json(node.view().cluster.members())))
        }
        "/raft/probing" => json(node, format!("{{\"OK\":true,\"Now\":\"{}\"}}\n", now())),
        _ => hash_kv(node, request).await,
    }
}

fn versions(node: &Node) -> String {
    let level = node.level();
    let cluster = node.view().cluster.version();
    let cluster = cluster.map_or_else(|| "not_decided".to_owned(), |version| version.to_string());
    format!(
        r#"{{"etcdserver":"{level}","etcdcluster":"{cluster}","storage":"{}"}}"#,
        node.storage_version()
    )
}

/// The hash of the store up to a revision, as members compare it.
async fn hash_kv(node: &Node, request: Request<Incoming>) -> Reply {
    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Body {
        revision: i64,
    }
    let bad = |reason: String| text(StatusCode::BAD_REQUEST, format!("{reason}\n"));
    if let Some(cluster) = request.headers().get("x-etcd-cluster-id")
        && cluster.to_str().ok() != Some(&node.ids().0.to_string())
    {
        return text(StatusCode::PRECONDITION_FAILED, "cluster ID mismatch\n".to_owned());
    }
    let collected = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let Ok(collected) = collected else { return bad("error reading body".to_owned()) };
    let body: Body = match serde_json::from_slice(&collected.to_bytes()) {
        Ok(body) => body,
        Err(_) => return bad("error unmarshalling request".to_owned()),
    };
    let view = node.view();
    let now = view.read.revision();
    let hashed = match node.compaction_hash(body.revision) {
        Some(hash) => Ok(hash),
        None => {
            let hashing = move || view.read.hash(body.revision);
            match tokio::task::spawn_blocking(hashing).await {
                Ok(hashed) => hashed,
                Err(_) => return bad("the member stops".to_owned()),
            }
        }
    };
    match hashed {
        Ok(hash) => json(
            node,
            format!(
                "{{\"header\":{{\"revision\":{now}}},\"hash\":{},\"compact_revision\":{},\"hash_revision\":{}}}",
                hash.hash, hash.compact_revision, hash.revision
            ),
        ),
        Err(error) => bad(error.to_string()),
    }
}

/// The time as Go prints it in JSON: RFC 3339, UTC.
fn now() -> String {
    use env::Clock;
    let unix_nanos = env::RealClock::new().wall().0;
    telemetry::Timestamp { unix_nanos, offset_seconds: 0 }.to_string()
}

fn text(status: StatusCode, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply
}

fn json(node: &Node, body: String) -> Reply {
    let mut reply = text(StatusCode::OK, body);
    let headers = reply.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if let Ok(cluster) = http::HeaderValue::from_str(&node.ids().0.to_string()) {
        headers.insert("x-etcd-cluster-id", cluster);
    }
    reply
}
