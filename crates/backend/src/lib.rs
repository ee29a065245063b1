//! The buckets of etcd's database file: writes collected in memory and committed in batches, and
//! stable views for readers.
//!
//! Three parties, each on its own thread, none waiting for another:
//! - the **apply** thread owns the [`Backend`]. It puts records and rows, takes a [`View`] per batch
//!   of entries for the readers, and freezes what it wrote ([`Backend::freeze`]) into a
//!   [`CommitJob`] whenever a commit is due and none is on its way;
//! - the **commit** thread owns the [`Committer`]. It writes jobs into the file:
//!   [`Committer::prepare`], then the caller waits for the log, then [`Committer::finish`]. Each
//!   job's [`Done`] goes back to [`Backend::committed`];
//! - **readers** hold [`View`]s and [`Committed`] states, on any thread.
//!
//! Knows nothing of raft, the log, or what keys and values mean; reads no clock.
//!
//! Invariants: rows, applied index, term and configuration reach the file together or not at all;
//! the file is never ahead of the log (the caller's wait between the halves of a commit); a view
//! never changes.

mod backend;
mod committed;
mod committer;
mod compaction;
mod defrag;
mod error;
mod hash;
mod image;
mod open;
mod position;
mod records;
mod rows;
pub mod schema;
mod sizes;
mod view;

pub use backend::{Backend, Mark, Ticket, TicketId};
pub use bolt::Sync;
pub use committed::Committed;
pub use committer::{CommitJob, Committer, Done};
pub use compaction::{Compacted, CompactionStep, Fate};
pub use defrag::{Defrag, DefragProgress};
pub use error::{Error, Result};
pub use image::Image;
pub use open::{BATCH_OPERATIONS, BUFFER_BYTES_MAX, CACHE_BYTES, Options, open, open_read_only};
pub use position::{Generation, Position};
pub use schema::Bucket;
pub use sizes::Sizes;
pub use view::{Fetch, Records, View};
