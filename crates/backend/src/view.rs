//! What readers see: a committed state, the frozen buffer and a stable prefix of the active one.
//!
//! Knows only the bucket `key`: other rows are never read through views.
//!
//! Invariants: a view never changes; the records of file, frozen and active part ascend in that
//! order and are disjoint.

use bytes::Bytes;
use types::{RecordKey, Revision};

use crate::committed::Committed;
use crate::records::Prefix;
use crate::{Generation, Result};

/// A state of the records. Cheap to clone, for any thread; reading may do I/O.
///
/// Holds back the reuse of pages (after a defragmentation: of the whole old file), so it is kept no
/// longer than the read that it is for, and never across a wait for a client.
#[derive(Clone)]
pub struct View {
    committed: Committed,
    frozen: Prefix,
    active: Prefix,
}

impl View {
    pub(crate) const fn new(committed: Committed, frozen: Prefix, active: Prefix) -> Self {
        Self { committed, frozen, active }
    }

    /// Which file the committed part is of.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.committed.generation()
    }

    /// The committed part.
    #[must_use]
    pub const fn committed(&self) -> &Committed {
        &self.committed
    }

    /// The value that was put at a revision: an encoded `mvccpb.KeyValue`. Tombstones are not
    /// found: ask for them by key.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn record(&self, revision: Revision) -> Result<Option<Bytes>> {
        self.record_by_key(RecordKey { revision, tombstone: false })
    }

    /// The value of a record.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn record_by_key(&self, key: RecordKey) -> Result<Option<Bytes>> {
        match self.buffer_of(key.revision) {
            Some(buffer) => Ok(buffer.get(key).cloned()),
            None => {
                let bytes = key.to_bytes();
                self.committed.get(crate::Bucket::Key, &bytes[..key.len()])
            }
        }
    }

    /// The newest record's key.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last(&self) -> Result<Option<RecordKey>> {
        match self.active.last().or_else(|| self.frozen.last()) {
            Some(key) => Ok(Some(key)),
            None => self.committed.last_record(),
        }
    }

    /// The records with `from <= revision < to`, in order, by one forward cursor that visits each
    /// page once.
    #[must_use]
    pub fn records(&self, from: Revision, to: Revision) -> Records<'_> {
        Records { view: self, from, to, stage: Stage::Start }
    }

    /// What was put at each of the revisions, in their order: `None` where there is nothing. The
    /// revisions ascend; one forward cursor visits each page once.
    #[must_use]
    pub fn fetch<'a>(&'a self, revisions: &'a [Revision]) -> Fetch<'a> {
        debug_assert!(revisions.is_sorted(), "revisions to fetch do not ascend");
        Fetch { view: self, revisions: revisions.iter(), cursor: None }
    }

    /// The buffer that would have a revision; `None` for the file.
    fn buffer_of(&self, revision: Revision) -> Option<&Prefix> {
        let covers = |buffer: &&Prefix| buffer.first().is_some_and(|key| key.revision <= revision);
        [&self.active, &self.frozen].into_iter().find(covers)
    }
}

/// Where an iteration stands.
enum Stage {
    /// Nothing was read yet.
    Start,
    /// In the file.
    File(bolt::Cursor),
    /// At this position of the frozen buffer.
    Frozen(usize),
    /// At this position of the active buffer.
    Active(usize),
    /// At the end, or behind an error.
    End,
}

/// The records of a range of revisions, in order: see [`View::records`]. Ends after an error.
pub struct Records<'a> {
    view: &'a View,
    from: Revision,
    to: Revision,
    stage: Stage,
}

impl Records<'_> {
    /// Goes on until a record or the end is found.
    fn advance(&mut self) -> Result<Option<(RecordKey, Bytes)>> {
        loop {
            let found = match &mut self.stage {
                Stage::Start if self.view.buffer_of(self.from).is_some() => None,
                Stage::Start => {
                    let mut cursor = self.view.committed.record_cursor()?;
                    let row = cursor.seek(&RecordKey::revision_bytes(self.from));
                    let found = self.view.committed.read_record(row)?;
                    self.stage = Stage::File(cursor);
                    found
                }
                Stage::File(cursor) => self.view.committed.read_record(cursor.next())?,
                Stage::Frozen(position) => step(&self.view.frozen, position),
                Stage::Active(position) => step(&self.view.active, position),
                Stage::End => return Ok(None),
            };
            if let Some((key, value)) = found {
                // What is above the range here can only be followed by what is further above.
                if key.revision < self.to {
                    return Ok(Some((key, value)));
                }
                self.stage = Stage::End;
            } else {
                self.stage = match self.stage {
                    Stage::Start | Stage::File(_) => {
                        Stage::Frozen(self.view.frozen.position(self.from))
                    }
                    Stage::Frozen(_) => Stage::Active(self.view.active.position(self.from)),
                    Stage::Active(_) | Stage::End => Stage::End,
                };
            }
        }
    }
}

/// The record at a position, which then moves on.
fn step(buffer: &Prefix, position: &mut usize) -> Option<(RecordKey, Bytes)> {
    let record = buffer.at(*position).cloned();
    *position += 1;
    record
}

impl Iterator for Records<'_> {
    type Item = Result<(RecordKey, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance().transpose();
        if !matches!(result, Some(Ok(_))) {
            self.stage = Stage::End;
        }
        result
    }
}

/// What was put at each of some revisions: see [`View::fetch`].
pub struct Fetch<'a> {
    view: &'a View,
    revisions: std::slice::Iter<'a, Revision>,
    cursor: Option<bolt::Cursor>,
}

impl Fetch<'_> {
    fn read(&mut self, revision: Revision) -> Result<Option<Bytes>> {
        let key = RecordKey { revision, tombstone: false };
        if let Some(buffer) = self.view.buffer_of(revision) {
            return Ok(buffer.get(key).cloned());
        }
        let cursor = match &mut self.cursor {
            Some(cursor) => cursor,
            none => none.insert(self.view.committed.record_cursor()?),
        };
        let row = cursor.seek(&RecordKey::revision_bytes(revision));
        let found = self.view.committed.read_record(row)?;
        Ok(found.filter(|(found, _)| *found == key).map(|(_, value)| value))
    }
}

impl Iterator for Fetch<'_> {
    type Item = Result<Option<Bytes>>;

    fn next(&mut self) -> Option<Self::Item> {
        let revision = *self.revisions.next()?;
        Some(self.read(revision))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.revisions.size_hint()
    }
}
