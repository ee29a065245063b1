//! A member: start-up, the raft, log, apply, commit and watch threads, and what they need around
//! them.
//!
//! [`start`] opens or makes the files and starts the threads; [`Node`] is what callers ask. The
//! cores ([`consensus`], [`applying`], [`log`], [`commit`]) are state machines without I/O of their
//! own or a clock; the threads only drive them. Without threads a member is [`by_hand`], for the
//! simulator: the same turns of the same cores, taken by somebody else.
//!
//! Knows no sockets: neither how clients connect, nor how peers do ([`network`]).
//!
//! Invariants: a reply leaves only after its entry is synced by a quorum and applied here; the
//! database file is never ahead of the log; after a failed write or sync nothing is acknowledged.

pub mod applying;
mod ask;
mod boot;
pub mod by_hand;
mod cluster_version;
mod coalesce;
pub mod commit;
pub mod compactor;
pub mod consensus;
mod corruption;
pub mod data_dir;
mod defragment;
pub mod document;
mod effects;
pub mod endpoints;
mod force;
mod founding;
mod handle;
mod in_flight;
pub mod inbox;
mod install;
mod leases;
pub mod log;
mod metrics;
mod monitor;
pub mod network;
mod peers;
pub mod probation;
mod promotion;
mod raft_log;
pub mod reads;
mod reconfigure;
mod replay;
pub mod request_id;
mod resolving;
mod runtime;
mod shared;
mod start;
mod synced;
mod threads;
mod transfer;
mod turns;
pub mod waiters;
mod watching;
mod world;

pub use boot::{ClusterState, MaxClusterVersion};
pub use corruption::Checks;
pub use handle::Node;
pub use leases::Check;
pub use metrics::{Metrics, ReadKind, Requests, Sent, Slow, Storage, Store, Watches};
pub use shared::{Answer, Leadership, Settings};
pub use start::{Error, Member, Options, Stage, start};
pub use wal::SEGMENT_BYTES;
pub use watching::{WatchRequests, WatchStream};
pub use world::World;
