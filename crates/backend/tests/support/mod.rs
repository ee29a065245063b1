//! What the tests of this crate share: a disk in memory that can fail and lose power, and the real
//! etcd's files.
#![allow(dead_code)]

pub mod disk;
pub mod golden;
