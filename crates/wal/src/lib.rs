//! The write-ahead log: etcd's segmented files of raft entries, hard states and snapshot positions,
//! byte for byte as Go's etcd 3.4 to 3.7 writes and reads them (spec/wal.md).
//!
//! * [`Wal`]: creates or opens a log, appends in batches, begins new segments, reads entries back.
//! * [`read_only`], [`verify`], [`valid_snapshot_entries`], [`records`]: look without touching.
//! * [`settle`], [`repair`], [`purge`], [`exists`]: the directory's upkeep.
//!
//! Knows nothing of raft's rules beyond what must be synced, nothing of snapshots but their
//! position, and nothing of threads: what may run elsewhere is a job ([`PrepareJob`], [`ReadJob`])
//! that owns all it needs and talks only to [`env::Disk`].
//!
//! Invariants: what [`Wal::flush`] has made durable is read back after any crash, in order, without
//! a gap; after an error of a write or sync nothing more is written; no byte on the disk can make
//! this crate panic or allocate more than the file is long.
//!
//! ```
//! use std::sync::Arc;
//! use env::{RealClock, RealDisk};
//! use proto::raftpb::{Entry, HardState};
//! use proto::walpb::Snapshot;
//! use wal::{Options, Sync, Wal};
//!
//! # fn main() -> wal::Result<()> {
//! # let dir = std::env::temp_dir().join(format!("wal-doc-{}", std::process::id()));
//! let options = Options::new(Arc::new(RealClock::new()));
//! let mut wal = Wal::create(Arc::new(RealDisk), &dir, b"metadata", options.clone())?;
//! let entry = Entry { term: 1, index: 1, ..Entry::default() };
//! wal.append(Some(HardState { term: 1, vote: 7, commit: 0 }), &[entry.clone()])?;
//! wal.flush(Sync::Skippable)?;
//! wal.close()?;
//!
//! let (_wal, contents) = Wal::open(Arc::new(RealDisk), &dir, &Snapshot::default(), options)?;
//! assert_eq!(contents.entries, [entry]);
//! # std::fs::remove_dir_all(dir).ok();
//! # Ok(())
//! # }
//! ```

mod batch;
mod create;
mod entries;
mod error;
mod frame;
mod log;
mod name;
mod open;
mod options;
mod positions;
mod purge;
mod read;
mod record;
mod repair;
mod scan;
mod segment;

pub use entries::EntryId;
pub use error::{Error, Result};
pub use log::{Flushed, Sync, Wal};
pub use name::{SegmentName, exists};
pub use open::settle;
pub use options::{Durability, Options};
pub use purge::purge;
pub use read::ReadJob;
pub use record::{Kind, Position, Record, Records};
pub use repair::{Repaired, repair};
pub use scan::{Contents, read_only, records, valid_snapshot_entries, verify};
pub use segment::{Fill, PrepareJob, Prepared, SEGMENT_BYTES};
