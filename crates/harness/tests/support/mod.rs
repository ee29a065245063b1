//! What the acceptance tests share: the server under test, a member that can be stopped in every
//! way, and calls over gRPC.
//!
//! Invariant: whatever a test started ends with the value that stands for it, also when it panics.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of this")]

mod api;
mod member;
mod parallel;
mod script;
mod under_test;

pub use api::{Api, runtime};
pub use member::{Member, Start};
pub use parallel::in_parallel;
pub use script::script;
pub use under_test::{count, reference_is_under_test, server_under_test};
