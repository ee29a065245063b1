//! The snapshot directory of a member (spec/snap.md): `.snap` files, the membership in the data of a
//! raft snapshot, and databases received from a peer.
//!
//! * [`Snapshots`]: saves and finds `.snap` files, receives and installs `.snap.db` files, purges.
//! * [`v2store`]: the membership as JSON, as etcd 3.5 and 3.6 want it.
//!
//! Knows nothing of raft, of the log, or of what is in a database.
//!
//! Invariants: a file under a final name is whole and durable when the call that made it returns;
//! a database is never held in memory; damaged bytes are an error or a `.broken` file, never a
//! panic.

mod database;
mod error;
mod file;
mod name;
mod snapshots;
pub mod v2store;

pub use database::{DatabaseWriter, Received};
pub use error::{Error, Result};
pub use name::SnapName;
pub use snapshots::{Broken, Loaded, Purge, Saved, Snapshots};
