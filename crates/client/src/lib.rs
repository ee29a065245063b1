//! The client library: connections to members and the generated calls.
//!
//! Invariant: a call that may have changed something is never sent twice.

mod connect;

pub use connect::{Channel, Credentials, Error, Options, connect};

/// The generated calls, one module per service.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod grpc {
    /// Package `etcdserverpb`.
    pub mod etcdserverpb {
        tonic::include_proto!("etcdserverpb");
    }
    /// Package `v3lockpb`.
    pub mod v3lockpb {
        tonic::include_proto!("v3lockpb");
    }
    /// Package `v3electionpb`.
    pub mod v3electionpb {
        tonic::include_proto!("v3electionpb");
    }
    /// Package `grpc.health.v1`.
    pub mod health {
        tonic::include_proto!("grpc.health.v1");
    }
}
