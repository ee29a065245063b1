//! The API over a member on real files, without a transport.
#![allow(clippy::unwrap_used)]

mod auth;
mod cluster;
mod kv;
mod lease;
mod maintenance;
mod running;
mod watch;
