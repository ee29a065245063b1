//! What the tests with other people's clients share: where the clients come from, and a server on
//! etcd's own ports in a network of its own.
//!
//! Nothing here knows what a client is to show; the tests do.

pub mod install;
mod place;

pub use place::{Place, Tests, report};
