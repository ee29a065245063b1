//! Every RPC as a function of a caller and a request, free of any transport.
//!
//! Checks requests, asks the authorisation table, fills headers, words errors as etcd does. Knows no
//! gRPC and no HTTP: `rpc` and `httpd` put those in front of [`Service`].
//!
//! Invariants: a method without a row in the authorisation table does not compile; a reply leaves
//! only after the node answered it; streams hold at most [`stream::STREAM_MESSAGES_MAX`] messages.

mod caller;
pub mod check;
pub mod concurrency;
mod health;
mod overlap;
mod server;
mod service;
pub mod stream;

pub use caller::{Caller, Remote};
pub use health::{Health, Read, Versions};
pub use proto::error::Status as Error;
pub use server::{Server, Settings};
pub use service::Service;
pub use stream::{Replies, Requests, replies, requests};
