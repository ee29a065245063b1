//! The script of mixed clusters, and what the real etcd may complain of in it.

pub mod script;
pub mod warnings;
