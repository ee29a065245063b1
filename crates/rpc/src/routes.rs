//! All services as one HTTP service: the path names the service, tonic does the rest.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use api::Service;
use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body::Body;
use telemetry::Registry;
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::server::NamedService;
use tower::Service as _;

use crate::adapter::Adapter;
use crate::calls::{self, Calls};
use crate::edge;
use crate::grpc::etcdserverpb::{
    auth_server::AuthServer, cluster_server::ClusterServer, kv_server::KvServer,
    lease_server::LeaseServer, maintenance_server::MaintenanceServer, watch_server::WatchServer,
};
use crate::grpc::health::health_server::HealthServer;
use crate::grpc::v3electionpb::election_server::ElectionServer;
use crate::grpc::v3lockpb::lock_server::LockServer;
use crate::status::status;
use crate::traffic::{Shape, Traffic};

/// What a gRPC answer is made of.
pub type GrpcBody = tonic::body::Body;

/// What a request may weigh beyond `--max-request-bytes` (etcd's `grpcOverheadBytes`).
const OVERHEAD_BYTES: usize = 512 << 10;

/// What the flags decide about calls.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `--max-request-bytes`.
    pub request_bytes_max: usize,
    /// `--warning-unary-request-duration`.
    pub slow_call: Duration,
    /// How long calls take is shown by method (`--metrics=extensive`).
    pub handling_times: bool,
}

/// Whether a request is gRPC's, in whatever encoding.
#[must_use]
pub fn is_grpc<B>(request: &Request<B>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let encoding =
        content_type.and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    encoding.is_some_and(|encoding| matches!(encoding, [] | [b'+' | b';', ..]))
}

/// The gRPC services of a member.
#[derive(Debug)]
pub struct Grpc<S: Service> {
    kv: KvServer<Adapter<S>>,
    watch: WatchServer<Adapter<S>>,
    lease: LeaseServer<Adapter<S>>,
    cluster: ClusterServer<Adapter<S>>,
    maintenance: MaintenanceServer<Adapter<S>>,
    auth: AuthServer<Adapter<S>>,
    lock: LockServer<Adapter<S>>,
    election: ElectionServer<Adapter<S>>,
    health: HealthServer<Adapter<S>>,
    traffic: Arc<Traffic>,
}

impl<S: Service> Clone for Grpc<S> {
    fn clone(&self) -> Self {
        Self {
            kv: self.kv.clone(),
            watch: self.watch.clone(),
            lease: self.lease.clone(),
            cluster: self.cluster.clone(),
            maintenance: self.maintenance.clone(),
            auth: self.auth.clone(),
            lock: self.lock.clone(),
            election: self.election.clone(),
            health: self.health.clone(),
            traffic: Arc::clone(&self.traffic),
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<GrpcBody>, Infallible>> + Send>>;

impl<S: Service> Grpc<S> {
    /// The services over an API; `registry` shows how they are called.
    #[must_use]
    pub fn new(service: Arc<S>, settings: Settings, registry: &Registry) -> Self {
        let traffic = Arc::new(Traffic::new(registry));
        let adapter = Adapter {
            service,
            calls: Arc::new(Calls::new(registry, settings.handling_times)),
            traffic: Arc::clone(&traffic),
            slow: settings.slow_call,
        };
        let request_bytes_max = settings.request_bytes_max.saturating_add(OVERHEAD_BYTES);
        macro_rules! server {
            ($server:ident) => {
                $server::new(adapter.clone())
                    .accept_compressed(CompressionEncoding::Gzip)
                    .max_decoding_message_size(request_bytes_max)
                    .max_encoding_message_size(usize::MAX)
            };
        }
        Self {
            kv: server!(KvServer),
            watch: server!(WatchServer),
            lease: server!(LeaseServer),
            cluster: server!(ClusterServer),
            maintenance: server!(MaintenanceServer),
            auth: server!(AuthServer),
            lock: server!(LockServer),
            election: server!(ElectionServer),
            health: server!(HealthServer),
            traffic,
        }
    }

    /// Answers a request.
    pub fn call<B>(&mut self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let refuse =
            |refusal: Status| -> Answer { Box::pin(std::future::ready(Ok(refusal.into_http()))) };
        let timeout = match edge::admit(request.headers()) {
            Ok(timeout) => timeout,
            Err(refusal) => return refuse(refusal),
        };
        let uri = request.uri().clone();
        let (service, method) = match names(path(&uri)) {
            Ok(names) => names,
            Err(refusal) => return refuse(refusal),
        };
        if let Err(refusal) = self.traffic.count(request.headers(), Shape::of(method)) {
            return refuse(status(refusal.into()));
        }
        macro_rules! route {
            ($($field:ident: $server:ident),*) => {
                match service {
                    // tonic looks at the path alone.
                    $(<$server<Adapter<S>> as NamedService>::NAME if uri.query().is_some() => {
                        refuse(edge::unknown_method(service, method))
                    }
                    <$server<Adapter<S>> as NamedService>::NAME => {
                        Box::pin(finish(self.$field.call(request), timeout, uri))
                    })*
                    _ => refuse(Status::unimplemented(format!("unknown service {service}"))),
                }
            };
        }
        route!(
            kv: KvServer,
            watch: WatchServer,
            lease: LeaseServer,
            cluster: ClusterServer,
            maintenance: MaintenanceServer,
            auth: AuthServer,
            lock: LockServer,
            election: ElectionServer,
            health: HealthServer
        )
    }
}

impl<S: Service, B> tower::Service<Request<B>> for Grpc<S>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    type Response = Response<GrpcBody>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        Self::call(self, request)
    }
}

/// Waits for a method's answer as long as its caller does.
async fn finish(
    answer: impl Future<Output = Result<Response<GrpcBody>, Infallible>>,
    timeout: Option<Duration>,
    uri: Uri,
) -> Result<Response<GrpcBody>, Infallible> {
    let mut response = match timeout {
        None => answer.await?,
        Some(Duration::ZERO) => return Ok(edge::too_late()),
        Some(timeout) => {
            let mut answer = Box::pin(answer);
            match tokio::time::timeout(timeout, &mut answer).await {
                Ok(answered) => answered?,
                Err(_) => {
                    calls::out_of_time(|| drop(answer));
                    return Ok(edge::too_late());
                }
            }
        }
    };
    if let Ok((service, method)) = names(path(&uri)) {
        edge::reword(&mut response, service, method);
    }
    Ok(response)
}

/// The path as it was sent.
fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", |path| path.as_str())
}

/// `package.Service` and `Method` of `/package.Service/Method`; the first slash may be missing, as
/// in Go.
fn names(path: &str) -> Result<(&str, &str), Status> {
    let malformed = || Status::unimplemented(format!("malformed method name: {path:?}"));
    path.strip_prefix('/').unwrap_or(path).rsplit_once('/').ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_a_service_and_a_method() {
        for (path, expected) in [
            ("/etcdserverpb.KV/Range", Some(("etcdserverpb.KV", "Range"))),
            ("//etcdserverpb.KV/Range", Some(("/etcdserverpb.KV", "Range"))),
            ("/a/", Some(("a", ""))),
            ("/a/b/c", Some(("a/b", "c"))),
            ("/a", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(names(path).ok(), expected, "{path}");
        }
    }

    #[test]
    fn only_grpc_is_grpc() {
        let request = |content_type: &str| {
            Request::builder().header(header::CONTENT_TYPE, content_type).body(()).expect("valid")
        };
        for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;x"] {
            assert!(is_grpc(&request(content_type)), "{content_type}");
        }
        for content_type in ["application/grpcx", "application/json", "text/plain"] {
            assert!(!is_grpc(&request(content_type)), "{content_type}");
        }
    }
}
