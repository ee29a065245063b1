//! Consensus: the raft algorithm as etcd's raft library (3.7) has it, message by message.
//!
//! A [`RawNode`] is one member. It does no I/O and knows no clock: its driver passes in messages of
//! other members ([`RawNode::step`]), ticks and proposals, and asks by [`RawNode::ready`] what is
//! to be stored, sent and applied. [`Storage`] is what it reads of the stored log, with
//! [`MemoryStorage`] as an implementation; the driver writes. Randomness and the sink of log lines
//! come with the [`Config`].
//!
//! Two modes differ in who waits for the disk ([`StorageWrites`]):
//!
//! - Synchronous: store, send, apply, [`advance`](RawNode::advance).
//! - Asynchronous: [`StorageAppend`] and [`StorageApply`] jobs go to their doers; when one is
//!   done, its responses are delivered, those for this member by
//!   [`RawNode::storage_response`].
//!
//! What differs from etcd's library: messages from outside are checked and never cause a panic;
//! entries may be out of memory ([`LogRead`]); a follower's unstored entries are bounded; a leader
//! whose log writer hangs can step down; a sole voter confirms reads only after its term's first
//! commit, and one that was removed confirms none alone.
//!
//! Invariants: at most one leader per term; two logs that agree at an entry agree before it; what
//! is committed stays in every later leader's log. `tests/cluster.rs` checks them under faults.

mod bootstrap;
pub mod confchange;
mod config;
pub mod describe;
mod error;
mod log;
mod log_read;
mod logger;
mod memory_storage;
pub mod quorum;
mod raft;
mod raw_node;
mod read_only;
mod ready;
mod status;
mod storage;
mod term_runs;
#[cfg(test)]
mod testing;
pub mod tracker;

use types::MemberId;

pub use bootstrap::Peer;
pub use config::{Config, ReadOnlyOption, StorageWrites};
pub use error::{Error, Result};
pub use log::{entries_size, entry_size, limit_size};
pub use log_read::LogRead;
pub use logger::{Level, Logger, NoLogger};
pub use memory_storage::MemoryStorage;
pub use raft::{Role, SoftState};
pub use raw_node::{RawNode, SnapshotStatus};
pub use read_only::ReadState;
pub use ready::{Ready, StorageAppend, StorageApply};
pub use status::Status;
pub use storage::{Storage, StorageError};

/// Nobody.
pub const NONE: MemberId = MemberId(0);

/// Who sends the reports of [`StorageAppend`] jobs.
pub const LOCAL_APPEND_THREAD: MemberId = MemberId(u64::MAX);

/// Who sends the reports of [`StorageApply`] jobs.
pub const LOCAL_APPLY_THREAD: MemberId = MemberId(u64::MAX - 1);
