//! The client library: members with failover, tokens and their renewal, watches and leases that
//! outlive a connection, sessions, locks and elections; and the generated calls.
//!
//! [`Client::call`] sends one call; [`Watch`], [`KeepAlive`], [`Session`], [`Mutex`],
//! [`Leadership`] and [`Observer`] are built on it. [`connect`] gives one plain connection.
//!
//! Invariant: a call that may have changed something is never sent twice.

mod client;
mod connect;
mod election;
mod error;
mod keepalive;
mod mutex;
mod queue;
mod session;
mod watch;

pub use client::{Client, Config, Safety, User};
pub use connect::{Channel, Credentials, DIAL_TIMEOUT, Options, connect};
pub use election::{Leadership, Observer};
pub use error::{Error, status_text};
pub use keepalive::KeepAlive;
pub use mutex::Mutex;
pub use queue::end_of_prefix;
pub use session::{SESSION_TTL, Session};
pub use watch::Watch;

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
