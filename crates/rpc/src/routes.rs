//! All services as one HTTP service: the path names the service, tonic does the rest.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use api::{Caller, Remote, Service};
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
use crate::metadata;
use crate::status::status;
use crate::traffic::{Shape, Traffic};
use crate::unary::{self, Arrived, GrpcBody};

/// What a request may weigh beyond `--max-request-bytes` (etcd's `grpcOverheadBytes`).
const OVERHEAD_BYTES: usize = 512 << 10;
/// The service of keys and values.
const KV: &str = "etcdserverpb.KV";

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

/// The gRPC services of a member. Cheap to clone.
#[derive(Debug)]
pub struct Grpc<S: Service>(Arc<Services<S>>);

impl<S: Service> Clone for Grpc<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Services<S: Service> {
    kv: KvServer<Adapter<S>>,
    watch: WatchServer<Adapter<S>>,
    lease: LeaseServer<Adapter<S>>,
    cluster: ClusterServer<Adapter<S>>,
    maintenance: MaintenanceServer<Adapter<S>>,
    auth: AuthServer<Adapter<S>>,
    lock: LockServer<Adapter<S>>,
    election: ElectionServer<Adapter<S>>,
    health: HealthServer<Adapter<S>>,
    /// What is behind all of them.
    adapter: Adapter<S>,
    traffic: Arc<Traffic>,
    /// What a message may weigh.
    message_bytes_max: usize,
}

/// An answer to come.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<GrpcBody>, Infallible>> + Send>>;

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
        let message_bytes_max = settings.request_bytes_max.saturating_add(OVERHEAD_BYTES);
        macro_rules! server {
            ($server:ident) => {
                $server::new(adapter.clone())
                    .accept_compressed(CompressionEncoding::Gzip)
                    .max_decoding_message_size(message_bytes_max)
                    .max_encoding_message_size(usize::MAX)
            };
        }
        Self(Arc::new(Services {
            kv: server!(KvServer),
            watch: server!(WatchServer),
            lease: server!(LeaseServer),
            cluster: server!(ClusterServer),
            maintenance: server!(MaintenanceServer),
            auth: server!(AuthServer),
            lock: server!(LockServer),
            election: server!(ElectionServer),
            health: server!(HealthServer),
            adapter,
            traffic,
            message_bytes_max,
        }))
    }

    /// Answers a request that came from here.
    pub fn call<B>(&self, mut request: Request<B>, remote: Option<&Remote>) -> Answer
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + Unpin + 'static,
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
        if let Err(refusal) = self.0.traffic.count(request.headers(), Shape::of(method)) {
            return refuse(status(refusal.into()));
        }
        if service == KV && unary::is_plain(request.headers()) {
            let remote = remote.cloned();
            match method {
                "Range" => return self.short(request, remote, timeout, unary::range),
                "Put" => return self.short(request, remote, timeout, unary::put),
                "DeleteRange" => return self.short(request, remote, timeout, unary::delete_range),
                "Txn" => return self.short(request, remote, timeout, unary::txn),
                _ => {}
            }
        }
        if let Some(remote) = remote {
            request.extensions_mut().insert(remote.clone());
        }
        macro_rules! route {
            ($($field:ident: $server:ident),*) => {
                match service {
                    // tonic looks at the path alone.
                    $(<$server<Adapter<S>> as NamedService>::NAME if uri.query().is_some() => {
                        refuse(edge::unknown_method(service, method))
                    }
                    <$server<Adapter<S>> as NamedService>::NAME => {
                        let answer = self.0.$field.clone().call(request);
                        in_time(Box::pin(reworded(answer, uri)), timeout)
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

    /// Answers a call of one of the key-value service's unary methods the short way, if its body
    /// turns out to be plain.
    fn short<B, F>(
        &self,
        request: Request<B>,
        remote: Option<Remote>,
        timeout: Option<Duration>,
        method: impl FnOnce(Adapter<S>, Caller, Option<Remote>, Bytes) -> F + Send + 'static,
    ) -> Answer
    where
        F: Future<Output = Response<GrpcBody>> + Send + 'static,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + Unpin + 'static,
    {
        let services = Arc::clone(&self.0);
        let answer = async move {
            let (mut head, body) = request.into_parts();
            match unary::read(body, services.message_bytes_max).await {
                Arrived::Message(message) => {
                    let caller = metadata::caller(&head.headers);
                    drop(head);
                    Ok(method(services.adapter.clone(), caller, remote, message).await)
                }
                Arrived::Other(body) => {
                    if let Some(remote) = remote {
                        head.extensions.insert(remote);
                    }
                    let uri = head.uri.clone();
                    let answer = services.kv.clone().call(Request::from_parts(head, body));
                    reworded(answer, uri).await
                }
            }
        };
        in_time(Box::pin(answer), timeout)
    }
}

/// Waits for an answer as long as its caller does.
fn in_time(mut answer: Answer, timeout: Option<Duration>) -> Answer {
    match timeout {
        None => answer,
        Some(Duration::ZERO) => Box::pin(std::future::ready(Ok(edge::too_late()))),
        Some(timeout) => Box::pin(async move {
            match tokio::time::timeout(timeout, &mut answer).await {
                Ok(answered) => answered,
                Err(_) => {
                    calls::out_of_time(|| drop(answer));
                    Ok(edge::too_late())
                }
            }
        }),
    }
}

/// A method's answer in grpc-go's words.
async fn reworded(
    answer: impl Future<Output = Result<Response<tonic::body::Body>, Infallible>>,
    uri: Uri,
) -> Result<Response<GrpcBody>, Infallible> {
    let mut response = answer.await?.map(GrpcBody::from);
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
