//! What the hub reads: changes by revision.

use bytes::Bytes;

/// What happened to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It was put.
    Put,
    /// It was deleted.
    Delete,
}

/// One change of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The revision of its transaction.
    pub revision: i64,
    /// The key.
    pub key: Bytes,
    /// What happened.
    pub kind: Kind,
    /// The key was not there before.
    pub creates: bool,
    /// The encoded `mvccpb.KeyValue` as an event carries it.
    pub kv: Bytes,
}

/// A stretch of history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes {
    /// In the order in which they happened.
    pub changes: Vec<Change>,
    /// The last revision that is covered: all its changes are here.
    pub through: i64,
}

/// A view of the store, as far as watching needs it.
pub trait History: Clone {
    /// Why it cannot be read.
    type Error;

    /// The newest revision in it.
    fn revision(&self) -> i64;

    /// The compact revision; what is below it may be gone.
    fn compacted(&self) -> i64;

    /// The changes from one revision through another, cut after the revision with which they
    /// exceed `bytes_max`; at least one revision.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn changes(&self, from: i64, through: i64, bytes_max: usize) -> Result<Changes, Self::Error>;

    /// As [`changes`](Self::changes), for changes that are new since the last view: they are all
    /// there in the first view with its compact revision, also below it.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn new_changes(
        &self,
        from: i64,
        through: i64,
        bytes_max: usize,
    ) -> Result<Changes, Self::Error>;

    /// The encoded `mvccpb.KeyValue` of a key as of a revision; `None` if it was not there then, or
    /// the revision is compacted.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn value_at(&self, key: &[u8], revision: i64) -> Result<Option<Bytes>, Self::Error>;
}
