//! The one who changes a file.
//!
//! Edits are collected in memory, the last one of a key wins, and go into the file with the next
//! commit. A commit has two halves: all pages written and synced, then the meta page (spec/
//! backend-bbolt.md 1.3), so that the caller can wait for something in between.
//!
//! Knows no values' meaning. Invariants: no page reachable from a live view or from the newest
//! committed state is written over; after a failed write or sync nothing more is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::commit::Prepared;
use crate::error::{Error, Result};
use crate::file::PageFile;
use crate::freelist::Freelist;
use crate::options::{Fill, Sync};
use crate::page::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::sweep::Footprint;
use crate::view::View;

/// The only writer of an open file. Made by [`open`](crate::open).
///
/// Nothing it takes is in the file before [`commit`](Self::commit), or [`prepare`](Self::prepare)
/// and [`Prepared::finish`], came back without an error. After an error of the environment or of
/// damage from one of these it answers [`Error::Poisoned`] to everything; the process has to stop.
pub struct Writer {
    pub(crate) file: Arc<PageFile>,
    pub(crate) sync: Sync,
    /// The newest committed state.
    pub(crate) view: View,
    /// Bytes of the file, written to or not.
    pub(crate) file_bytes: u64,
    /// `None` until the free pages were looked for.
    pub(crate) freelist: Option<Freelist>,
    pub(crate) footprints: Vec<Footprint>,
    pub(crate) changes: BTreeMap<Bytes, Change>,
    pub(crate) fills: BTreeMap<Bytes, Fill>,
    pub(crate) phase: Phase,
}

/// What the writer may be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Everything.
    Open,
    /// To finish what is prepared. A commit that fails leaves the writer here for good.
    Committing,
}

/// What is to become of a bucket.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// The committed bucket goes, whether or not a new one takes its name.
    pub(crate) drops_committed: bool,
    /// There is such a bucket.
    pub(crate) exists: bool,
    /// The sequence of a bucket that is new.
    pub(crate) sequence: u64,
    /// Last value per key; `None` deletes.
    pub(crate) edits: BTreeMap<Bytes, Option<Bytes>>,
}

impl Writer {
    pub(crate) const fn new(file: Arc<PageFile>, sync: Sync, view: View, file_bytes: u64) -> Self {
        Self {
            file,
            sync,
            view,
            file_bytes,
            freelist: None,
            footprints: Vec::new(),
            changes: BTreeMap::new(),
            fills: BTreeMap::new(),
            phase: Phase::Open,
        }
    }

    /// The newest committed state.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Makes a bucket; one that is there stays as it is.
    ///
    /// # Errors
    /// [`Error::KeySize`] for the name; [`Error::Poisoned`].
    pub fn create_bucket(&mut self, name: &[u8]) -> Result<()> {
        self.create_bucket_at(name, 0)
    }

    /// Makes a bucket with a sequence number.
    pub(crate) fn create_bucket_at(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        self.check_open()?;
        check_key(name)?;
        if self.has_bucket(name) {
            return Ok(());
        }
        let change = self.changes.entry(Bytes::copy_from_slice(name)).or_default();
        change.exists = true;
        change.sequence = sequence;
        Ok(())
    }

    /// Removes a bucket with all that is in it.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`]; [`Error::Poisoned`].
    pub fn delete_bucket(&mut self, name: &[u8]) -> Result<()> {
        self.check_open()?;
        if !self.has_bucket(name) {
            return Err(Error::no_bucket(name));
        }
        let drops_committed = self.view.has_bucket(name);
        let change = Change { drops_committed, ..Change::default() };
        self.changes.insert(Bytes::copy_from_slice(name), change);
        Ok(())
    }

    /// Whether there is such a bucket, uncommitted changes included.
    #[must_use]
    pub fn has_bucket(&self, name: &[u8]) -> bool {
        self.changes.get(name).map_or_else(|| self.view.has_bucket(name), |change| change.exists)
    }

    /// How full the pages of a bucket are made from now on; [`Fill::HALF`] unless set.
    pub fn set_fill(&mut self, bucket: &[u8], fill: Fill) {
        self.fills.insert(Bytes::copy_from_slice(bucket), fill);
    }

    /// Sets the value of a key. Key and value are kept until the commit as they are given: a slice
    /// of something bigger holds that as long.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`], [`Error::KeySize`], [`Error::ValueSize`], which change nothing;
    /// [`Error::Poisoned`].
    pub fn put(&mut self, bucket: &[u8], key: Bytes, value: Bytes) -> Result<()> {
        check_key(&key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::ValueSize(value.len()));
        }
        self.change(bucket)?.edits.insert(key, Some(value));
        Ok(())
    }

    /// Removes a key, if it is there.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`]; [`Error::Poisoned`].
    pub fn delete(&mut self, bucket: &[u8], key: Bytes) -> Result<()> {
        self.change(bucket)?.edits.insert(key, None);
        Ok(())
    }

    /// The value of a key, uncommitted changes included. As for slices: [`View::get`].
    ///
    /// # Errors
    /// When a page cannot be read or is damaged.
    pub fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Bytes>> {
        let Some(change) = self.changes.get(bucket) else { return self.view.get(bucket, key) };
        match change.edits.get(key) {
            Some(value) => Ok(value.clone()),
            None if change.drops_committed || !change.exists => Ok(None),
            None => self.view.get(bucket, key),
        }
    }

    /// Whether anything would be committed.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Writes everything and makes it durable; returns the new state. Without changes nothing is
    /// written and the newest state is returned.
    ///
    /// # Errors
    /// When the file cannot be read, written or synced, or is damaged. The writer is of no use
    /// afterwards.
    pub fn commit(&mut self) -> Result<View> {
        self.prepare()?.finish(self)
    }

    /// The first half of a commit: writes all pages but the meta page, and syncs them. Until
    /// [`Prepared::finish`] a crash leaves the state before, and the writer answers
    /// [`Error::Poisoned`] to everything else.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn prepare(&mut self) -> Result<Prepared> {
        self.check_open()?;
        self.phase = Phase::Committing;
        let prepared = Prepared::write(self)?;
        Ok(prepared)
    }

    /// Takes a footprint learned by a scan, so that
    /// [`find_free_pages`](Self::find_free_pages) need not walk that bucket again. One of another
    /// state of the file, or that comes too late, is of no use and is dropped.
    pub fn learn(&mut self, footprint: Footprint) {
        if self.freelist.is_none() && footprint.txid == self.view.txid() {
            self.footprints.push(footprint);
        }
    }

    fn change(&mut self, bucket: &[u8]) -> Result<&mut Change> {
        self.check_open()?;
        if !self.has_bucket(bucket) {
            return Err(Error::no_bucket(bucket));
        }
        if !self.changes.contains_key(bucket) {
            let change = Change { exists: true, ..Change::default() };
            self.changes.insert(Bytes::copy_from_slice(bucket), change);
        }
        self.changes.get_mut(bucket).ok_or_else(|| Error::no_bucket(bucket))
    }

    fn check_open(&self) -> Result<()> {
        match self.phase {
            Phase::Open => Ok(()),
            Phase::Committing => Err(Error::Poisoned),
        }
    }
}

fn check_key(key: &[u8]) -> Result<()> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Error::KeySize(key.len()));
    }
    Ok(())
}

#[cfg(test)]
#[path = "writer_test.rs"]
mod tests;
