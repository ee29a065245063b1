//! What the tests of clusters share: a cluster under load with what is done to it, who leads, who is
//! a member, which version it is at, and which errors of clients a fault excuses.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(dead_code, unused_imports, reason = "each test program uses a part of this")]

mod leader;
mod levels;
mod membership;
mod outages;
mod scene;

pub use leader::{leader, wait_for_leader};
pub use levels::{enable_downgrade, wait_for_the_end_of_the_downgrade, wait_for_version};
pub use membership::{Listed, Membership};
pub use outages::{Outages, kinds};
pub use scene::{End, Scene, Shown, Stopped};
