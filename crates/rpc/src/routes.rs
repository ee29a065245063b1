//! All services as one HTTP service: the path names the service, tonic does the rest.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::Service;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body::Body;
use tonic::server::NamedService;
use tower::Service as _;

use crate::adapter::Adapter;
use crate::grpc::etcdserverpb::{
    auth_server::AuthServer, cluster_server::ClusterServer, kv_server::KvServer,
    lease_server::LeaseServer, maintenance_server::MaintenanceServer, watch_server::WatchServer,
};
use crate::grpc::health::health_server::HealthServer;
use crate::grpc::v3electionpb::election_server::ElectionServer;
use crate::grpc::v3lockpb::lock_server::LockServer;

/// What a gRPC answer is made of.
pub type GrpcBody = tonic::body::Body;

/// What a request may weigh beyond `--max-request-bytes` (etcd's `grpcOverheadBytes`).
const OVERHEAD_BYTES: usize = 512 << 10;

/// What the flags decide about messages.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `--max-request-bytes`.
    pub request_bytes_max: usize,
}

/// Whether a request is gRPC's.
#[must_use]
pub fn is_grpc<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
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
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<GrpcBody>, Infallible>> + Send>>;

impl<S: Service> Grpc<S> {
    /// The services over an API.
    #[must_use]
    pub fn new(service: Arc<S>, limits: Limits) -> Self {
        let request_bytes_max = limits.request_bytes_max.saturating_add(OVERHEAD_BYTES);
        macro_rules! server {
            ($server:ident) => {
                $server::new(Adapter(Arc::clone(&service)))
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
        }
    }

    /// Answers a request.
    pub fn call<B>(&mut self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        macro_rules! route {
            ($($field:ident: $server:ident),*) => {
                match service_of(request.uri().path()) {
                    $(Some(<$server<Adapter<S>> as NamedService>::NAME) => {
                        Box::pin(self.$field.call(request))
                    })*
                    service => Box::pin(std::future::ready(Ok(unknown(service)))),
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

/// `package.Service` of `/package.Service/Method`.
fn service_of(path: &str) -> Option<&str> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    (!method.is_empty() && !method.contains('/')).then_some(service)
}

fn unknown(service: Option<&str>) -> Response<GrpcBody> {
    let text = match service {
        Some(service) => format!("unknown service {service}"),
        None => "malformed method name".to_owned(),
    };
    tonic::Status::unimplemented(text).into_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_part_paths_name_a_service() {
        assert_eq!(service_of("/etcdserverpb.KV/Range"), Some("etcdserverpb.KV"));
        for path in ["", "/", "etcdserverpb.KV/Range", "//Range/x", "/a/", "/a/b/c", "/a"] {
            assert!(service_of(path).is_none_or(str::is_empty), "{path}");
        }
    }
}
