//! HTTP: listeners, connections, and the plain endpoints beside gRPC.
//!
//! Knows no store: what an endpoint answers comes from `api`. Knows no gRPC: requests of that
//! content type are handed to the service that the binary gives.
//!
//! Invariants: an accept error never ends a listener; a connection that sends nothing is closed
//! after [`limits::FIRST_BYTES_TIMEOUT`].

mod begin;
mod endpoints;
mod gather;
pub mod head;
mod health;
pub mod limits;
mod linger;
pub mod listener;
mod query;
mod reply;
pub mod serve;

pub use endpoints::Endpoints;
pub use listener::{Address, Listener, Stream};
pub use reply::Reply;
pub use serve::{Limits, serve};
