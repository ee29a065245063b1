//! What the tests of members that are far behind share: writers that go on, and what a process
//! holds in memory meanwhile.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod memory;
mod writers;

pub use memory::{Seen, Watched};
pub use writers::{Writers, fill};
