//! What a log can be told.

use std::sync::Arc;

use env::Clock;
use types::Index;

use crate::segment::{Fill, SEGMENT_BYTES};

/// Settings of a log. Shared by reference to the clock, cheap to clone.
#[derive(Clone)]
pub struct Options {
    /// Measures writes and syncs; decides nothing.
    pub clock: Arc<dyn Clock>,
    /// The size at which a segment is finished, in bytes. Other than [`SEGMENT_BYTES`] in tests only.
    pub segment_bytes: u64,
    /// What fills the segments made by [`PrepareJob`](crate::PrepareJob).
    pub fill: Fill,
    /// Whether writes are made durable.
    pub durability: Durability,
    /// How many bytes of entries [`Wal::open`](crate::Wal::open) may keep; older ones are left to
    /// [`Wal::read`](crate::Wal::read).
    pub entries_bytes_max: u64,
    /// The newest entry that is known to have been in the log: a log that ends before it has lost
    /// what was acknowledged, and [`Wal::open`](crate::Wal::open) leaves it as it is.
    pub needed: Index,
}

impl Options {
    /// etcd's settings.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            segment_bytes: SEGMENT_BYTES,
            fill: Fill::Reserve,
            durability: Durability::Synced,
            entries_bytes_max: u64::MAX,
            needed: Index(0),
        }
    }
}

/// Whether writes are made durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// By a sync before anything is acknowledged.
    #[default]
    Synced,
    /// Only written: what is flushed survives the end of the process, not that of the machine
    /// (`--unsafe-no-fsync`).
    UnsafeNoSync,
}
