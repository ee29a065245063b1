//! What the tests of this crate share: a disk in memory that can fail and lose power, a model of
//! what a file holds, and the real etcd's files.
#![allow(dead_code, clippy::unwrap_used)]

pub mod disk;
pub mod golden;
pub mod state;
