//! Data directories that real etcds left, and what is in them.
#![allow(dead_code, reason = "each test program uses a part of this")]

pub mod archive;
pub mod contents;
pub mod etcd_3_4;
pub mod expected;
