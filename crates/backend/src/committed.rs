//! A committed state of the file: what a ticket resolves to.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use types::{RecordKey, Revision};

use crate::schema::{self, Bucket, Malformed};
use crate::{Error, Generation, Position, Result};

/// A committed state: its rows are exactly those of the entries up to [`position`](Self::position).
///
/// Stays readable whatever is committed or defragmented later, and keeps the pages (after a
/// defragmentation the whole old file) that it needs: hold it no longer than its use takes. Cheap
/// to clone, for any thread; reading may do I/O.
#[derive(Clone)]
pub struct Committed {
    view: bolt::View,
    about: Arc<About>,
}

/// Which pages a scan has met: what the writer needs to know before its first commit.
type Learned = Arc<Mutex<Option<bolt::Footprint>>>;

/// What is known beside the pages.
#[derive(Clone)]
struct About {
    path: Arc<Path>,
    position: Position,
    generation: Generation,
    /// How often records were deleted since the start.
    deletions: u64,
    learned: Learned,
}

impl Committed {
    /// The state of a file as it is found: the position is read from its rows.
    pub(crate) fn found(view: bolt::View, path: Arc<Path>, generation: Generation) -> Result<Self> {
        let about = About {
            path,
            position: Position::default(),
            generation,
            deletions: 0,
            learned: Learned::default(),
        };
        let unread = Self { view, about: Arc::new(about) };
        let position = unread.read_position()?;
        Ok(unread.followed_by(unread.view.clone(), position))
    }

    /// The state after this one in the same file.
    pub(crate) fn followed_by(&self, view: bolt::View, position: Position) -> Self {
        self.with(view, |about| about.position = position)
    }

    /// The state after this one, with records deleted.
    pub(crate) fn compacted_to(&self, view: bolt::View) -> Self {
        self.with(view, |about| about.deletions += 1)
    }

    /// The same state in the file that replaces this one.
    pub(crate) fn moved_to(&self, view: bolt::View) -> Self {
        self.with(view, |about| about.generation = about.generation.next())
    }

    fn with(&self, view: bolt::View, change: impl FnOnce(&mut About)) -> Self {
        let mut about = About::clone(&self.about);
        change(&mut about);
        Self { view, about: Arc::new(about) }
    }

    /// Whether this is a state of the same file as `earlier`, or that one itself, and no records
    /// were deleted in between.
    pub(crate) fn has_grown_only_since(&self, earlier: &Self) -> bool {
        let (mine, its) = (&self.about, &earlier.about);
        (mine.generation, mine.deletions) == (its.generation, its.deletions)
    }

    /// The last log entry whose effects are in this state.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.about.position
    }

    /// Which file it is of.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.about.generation
    }

    /// Bytes up to the high-water mark: what a snapshot of this state has, exactly.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.view.size_bytes()
    }

    /// [`size`](Self::size) without the free pages.
    #[must_use]
    pub fn size_in_use(&self) -> u64 {
        self.view.size_in_use()
    }

    /// Reads a row.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&self, bucket: Bucket, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.view.get(bucket.as_bytes(), key)?)
    }

    /// All rows of a bucket in the order of their keys. Not for [`Bucket::Key`], which is read by
    /// [`scan_records`](Self::scan_records).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rows(&self, bucket: Bucket) -> Result<Vec<(Bytes, Bytes)>> {
        let mut rows = Vec::new();
        let mut cursor = self.view.cursor(bucket.as_bytes())?;
        while let Some(row) = cursor.next()? {
            rows.push((Bytes::copy_from_slice(row.key()), Bytes::copy_from_slice(row.value())));
        }
        Ok(rows)
    }

    /// Shows every record to `visit`, in the order of revisions, in one sequential pass that leaves
    /// the page cache alone: for the start. Stops at the first error.
    ///
    /// A whole pass also learns which pages the records take, for
    /// [`Committer::find_free_pages`](crate::Committer::find_free_pages).
    ///
    /// # Errors
    /// When the file cannot be read, a key is no record's, or `visit` fails.
    pub fn scan_records(
        &self,
        mut visit: impl FnMut(RecordKey, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let bucket = Bucket::Key.as_bytes();
        let footprint = self.view.scan(bucket, |key, value| visit(self.record_key(key)?, value))?;
        *self.learned() = Some(footprint);
        Ok(())
    }

    /// What the last scan learned, once.
    pub(crate) fn take_footprint(&self) -> Option<bolt::Footprint> {
        self.learned().take()
    }

    fn learned(&self) -> MutexGuard<'_, Option<bolt::Footprint>> {
        // A footprint is put there whole or not at all.
        self.about.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a key of the bucket `key`.
    pub(crate) fn record_key(&self, key: &[u8]) -> Result<RecordKey> {
        // As bytes a negative revision would sort behind all others, as a number before them.
        RecordKey::parse(key)
            .filter(|key| key.revision.main >= 0 && key.revision.sub >= 0)
            .ok_or_else(|| {
                self.corrupted(Malformed::new(Bucket::Key, key, "a revision as key", b""))
            })
    }

    /// The error for a row of this file that cannot be read.
    #[must_use]
    pub fn corrupted(&self, row: Malformed) -> Error {
        Error::Corrupted { file: self.about.path.to_path_buf(), row }
    }

    /// The newest record's key.
    pub(crate) fn last_record(&self) -> Result<Option<RecordKey>> {
        self.record_cursor()?.last()?.map(|row| self.record_key(row.key())).transpose()
    }

    /// The records after a key, or all, in order.
    pub(crate) fn records_after(
        &self,
        after: Option<RecordKey>,
    ) -> Result<impl Iterator<Item = Result<(RecordKey, Bytes)>>> {
        let from = after.map_or_else(Revision::default, |key| key.revision);
        let skip = move |record: &Result<(RecordKey, Bytes)>| match (record, after) {
            (Ok((key, _)), Some(after)) => *key <= after,
            _ => false,
        };
        Ok(self.records_from(from)?.skip_while(skip))
    }

    /// The records from a revision on, in order.
    pub(crate) fn records_from(
        &self,
        from: Revision,
    ) -> Result<impl Iterator<Item = Result<(RecordKey, Bytes)>>> {
        let mut cursor = self.record_cursor()?;
        let mut start = Some(from);
        Ok(std::iter::from_fn(move || {
            let row = match start.take() {
                Some(from) => cursor.seek(&RecordKey::revision_bytes(from)),
                None => cursor.next(),
            };
            self.read_record(row).transpose()
        }))
    }

    /// Reads what a move of a cursor over the records came to.
    pub(crate) fn read_record(
        &self,
        row: bolt::Result<Option<bolt::Entry<'_>>>,
    ) -> Result<Option<(RecordKey, Bytes)>> {
        row?.map(|row| Ok((self.record_key(row.key())?, row.shared_value()))).transpose()
    }

    /// A cursor over the bucket `key`.
    pub(crate) fn record_cursor(&self) -> Result<bolt::Cursor> {
        Ok(self.view.cursor(Bucket::Key.as_bytes())?)
    }

    pub(crate) const fn pages(&self) -> &bolt::View {
        &self.view
    }

    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.about.path
    }

    fn read_position(&self) -> Result<Position> {
        let row = |key| self.get(Bucket::Meta, key);
        let mut position = Position::default();
        if let Some(value) = row(schema::consistent_index::KEY)? {
            position.index =
                schema::consistent_index::decode(&value).map_err(|error| self.corrupted(error))?;
        }
        if let Some(value) = row(schema::term::KEY)? {
            position.term = schema::term::decode(&value).map_err(|error| self.corrupted(error))?;
        }
        if let Some(value) = row(schema::conf_state::KEY)? {
            position.conf_state =
                schema::conf_state::decode(&value).map_err(|error| self.corrupted(error))?;
        }
        Ok(position)
    }
}
