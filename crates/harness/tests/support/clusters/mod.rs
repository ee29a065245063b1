//! What the tests of clusters share: who leads, and which errors of clients a fault excuses.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of this")]

mod leader;
mod outages;

pub use leader::{leader, wait_for_leader};
pub use outages::{Outages, kinds};
