//! gRPC in front of the API: one small adapter per service.
//!
//! Knows no store and no HTTP routes: it turns tonic's requests into calls of [`api::Service`] and
//! the answers, errors and streams back. That tonic carries gRPC stays inside this crate.
//!
//! Invariant: an adapter decides nothing; what a request may and does is `api`'s.

mod adapter;
mod auth;
mod calls;
mod cluster;
mod codec;
mod edge;
mod election;
mod health;
mod kv;
mod lease;
mod lock;
mod maintenance;
mod metadata;
mod routes;
mod stats;
mod status;
mod stream;
mod traffic;
mod unary;
mod watch;

pub use routes::{Answer, Grpc, Settings, is_grpc};
pub use unary::GrpcBody;

/// The generated services.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
mod grpc {
    pub mod etcdserverpb {
        tonic::include_proto!("etcdserverpb");
    }
    pub mod v3lockpb {
        tonic::include_proto!("v3lockpb");
    }
    pub mod v3electionpb {
        tonic::include_proto!("v3electionpb");
    }
    pub mod health {
        tonic::include_proto!("grpc.health.v1");
    }
}
