//! The physical part of a compaction: which records go is looked up, one by one, in the index as it
//! was when it was compacted.
//!
//! First the index is compacted, a slice at a time between entries ([`CompactionOrder`]); then the
//! records, on the commit thread between commits ([`Compaction`]). Knows neither their pace nor a
//! clock.
//!
//! Invariants: records above the compact revision stay; a record at or below it stays exactly if it
//! is the newest such one of its key, and not a deletion before the compact revision.

use backend::{Committer, CompactionStep, Done, Fate};
use types::Revision;

use crate::KvHash;
use crate::error::corrupted;
use crate::hash::{Hasher, survives};
use crate::index::Index;
use crate::record::Record;

/// A compaction that was ordered: nothing is read below its revision any more, and nothing is
/// removed yet. Several are carried out one after the other, in the order in which they were ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompactionOrder {
    pub(crate) revision: i64,
    /// That of the compaction before.
    pub(crate) previous: i64,
    pub(crate) origin: Origin,
}

impl CompactionOrder {
    /// The main revision compacted at.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }
}

/// How far the index is compacted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slice {
    /// There is more to do.
    More,
    /// Nothing is left.
    Last,
}

/// A compaction whose records are to be removed.
pub struct Compaction {
    revision: i64,
    previous: i64,
    index: Index,
    hasher: Hasher,
    /// Whether the hash covers all of (previous, revision]; not known before the first step.
    hash_is_whole: Option<bool>,
    next: Revision,
}

/// What a step of a compaction did.
pub struct Step {
    /// For [`backend::Backend::committed`].
    pub done: Done,
    /// How many records were looked at.
    pub visited: usize,
    /// How many of them were deleted.
    pub deleted: usize,
    /// There is more to do.
    pub more: bool,
    /// After the last step: the hash to keep in [`Hashes`](crate::Hashes); none if the compaction
    /// was taken up after a restart, when part of what it hashes may be gone.
    pub hash: Option<KvHash>,
}

impl Compaction {
    pub(crate) fn new(order: CompactionOrder, index: Index) -> Self {
        let CompactionOrder { revision, previous, origin } = order;
        let hasher = Hasher::new(previous, revision, index.has_any(revision));
        let hash_is_whole = (origin == Origin::Restart).then_some(false);
        Self { revision, previous, index, hasher, hash_is_whole, next: Revision::default() }
    }

    /// The main revision compacted at.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }

    /// Carries out the next step: looks at up to `batch_records` records
    /// (`--compaction-batch-limit`) and deletes those that go, in one transaction. Between steps the
    /// caller rests for `--compaction-sleep-interval` and lets commits through.
    ///
    /// The first step must follow a ticket of [`backend::Backend::freeze_now`] that was taken after
    /// [`Store::begin_compaction`](crate::Store::begin_compaction).
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds what is no record. Final.
    pub fn step(
        &mut self,
        committer: &mut Committer,
        batch_records: usize,
    ) -> backend::Result<Step> {
        let whole = match self.hash_is_whole {
            Some(whole) => whole,
            None => *self.hash_is_whole.insert(self.follows_a_finished_one(committer)?),
        };
        let step =
            CompactionStep { from: self.next, compact_revision: self.revision, batch_records };
        let state = committer.state().clone();
        let Self { index, hasher, revision, .. } = self;
        let compacted = committer.compact(&step, |key, value| {
            let record = Record::parse(value)
                .ok_or_else(|| corrupted(&state, key, "an encoded KeyValue", value))?;
            let survives = survives(index, *revision, key, &record);
            hasher.write(key, value, || Ok::<_, backend::Error>(survives))?;
            Ok(if survives { Fate::Keep } else { Fate::Delete })
        })?;
        let more = compacted.next.is_some();
        if let Some(next) = compacted.next {
            self.next = next;
        }
        let hash = (!more && whole).then(|| self.hasher.finish());
        let backend::Compacted { done, visited, deleted, .. } = compacted;
        Ok(Step { done, visited, deleted, more, hash })
    }

    /// Whether the compaction before this one has come to its end, so that nothing that this one
    /// hashes is missing.
    fn follows_a_finished_one(&self, committer: &Committer) -> backend::Result<bool> {
        use backend::schema::compact_revision::{FINISHED, decode};
        let state = committer.state();
        let finished = match state.get(backend::Bucket::Meta, FINISHED)? {
            Some(value) => decode(FINISHED, &value).map_err(|row| state.corrupted(row))?,
            None => crate::store::NEVER_COMPACTED,
        };
        Ok(finished == self.previous)
    }
}

/// Where a compaction comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// It was ordered since the start.
    Order,
    /// It was ordered before a restart, and perhaps partly carried out.
    Restart,
}
