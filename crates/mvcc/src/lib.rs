//! The multi-version key-value store: revisions, the key index, ranges, transactions, compaction
//! and hashes.
//!
//! - The **apply** thread owns the [`Store`] and writes through it into its
//!   [`backend::Backend`]: [`Store::put`], [`Store::delete_range`], [`Store::delete_keys`],
//!   [`Store::txn`], [`Store::compact`]. It publishes a [`ReadView`] per batch of entries.
//! - **Readers** on any thread ask a [`ReadView`]: [`ReadView::range`], [`ReadView::txn`],
//!   [`RangeStream`], [`ReadView::events`], [`ReadView::prev_kv`], [`ReadView::hash`].
//! - The **commit** thread carries out a [`Compaction`] step by step.
//!
//! Knows nothing of leases (each [`Changed`] key carries its lease, and who applies attaches and
//! detaches), of users, of clocks, or of the log; and nothing of who watches.
//!
//! Invariants: `compact_revision <= revision`; a transaction that changes anything takes exactly one
//! main revision, and its changes are numbered from 0 in the order of execution; one that changes
//! nothing, or fails, takes none and leaves no trace; a view never changes.

mod compaction;
mod error;
mod events;
mod hash;
mod index;
mod range;
mod range_stream;
mod record;
mod restore;
mod store;
mod txn;
mod view;
mod write;

pub use compaction::{Compaction, CompactionOrder, Slice, Step};
pub use error::{Error, Result};
pub use events::{Event, EventKind, Events};
pub use hash::{HASHES_MAX, Hashes, KvHash};
pub use range_stream::RangeStream;
pub use restore::Restored;
pub use store::Store;
pub use txn::Ranges;
pub use view::ReadView;
pub use write::{Applied, Changed, Counts};
