//! The etcd messages, spoken and stored.

pub mod raftpb;
