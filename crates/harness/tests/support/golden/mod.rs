//! Data directories that real etcds left, and what is in them.

pub mod archive;
pub mod contents;
pub mod etcd_3_4;
pub mod expected;
