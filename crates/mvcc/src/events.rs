//! The history as events, for watchers.

use backend::Records;
use bytes::Bytes;
use types::{RecordKey, Revision};

use crate::{Error, ReadView, Result, record};

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// A key was written.
    Put,
    /// A key was deleted.
    Delete,
}

/// One change of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// When. Events of one transaction have one main revision and come one after the other.
    pub revision: Revision,
    /// What.
    pub kind: EventKind,
    /// The write created the key: there is nothing that `prev_kv` could show.
    pub created: bool,
    /// Of which key; shares the memory of `kv`.
    pub key: Bytes,
    /// The encoded `mvccpb.KeyValue` of the event; of a deletion key and `mod_revision` only.
    pub kv: Bytes,
}

/// The events of a range of revisions, in order; see [`ReadView::events`]. Ends after an error.
pub struct Events<'a> {
    view: &'a ReadView,
    records: Records<'a>,
    failed: bool,
}

impl ReadView {
    /// The events with `from <= main revision <= to`, in order, but none after the view's revision.
    ///
    /// # Errors
    /// [`Error::Compacted`] when `from` is below the compact revision: events would be missing.
    pub fn events(&self, from: i64, to: i64) -> Result<Events<'_>> {
        if from < self.compact_revision {
            return Err(Error::Compacted);
        }
        Ok(self.all_events(from, to))
    }

    /// As [`events`](Self::events), without asking for the compact revision: for whoever has the
    /// first view with its compact revision. Nothing that this compaction removes is gone in it, as
    /// records go only when a commit after it is done.
    #[must_use]
    pub fn all_events(&self, from: i64, to: i64) -> Events<'_> {
        let end = to.min(self.revision).saturating_add(1);
        let records = self.records.records(Revision::new(from.max(0), 0), Revision::new(end, 0));
        Events { view: self, records, failed: false }
    }
}

impl Events<'_> {
    fn event(&self, key: RecordKey, bytes: Bytes) -> Result<Event> {
        let parsed = self.view.parse(key, &bytes)?;
        let revision = key.revision;
        if key.tombstone {
            let kv = record::deletion(&bytes, revision.main);
            let key = bytes.slice_ref(parsed.key);
            return Ok(Event { revision, kind: EventKind::Delete, created: false, key, kv });
        }
        let created = parsed.create_revision == parsed.mod_revision;
        let key = bytes.slice_ref(parsed.key);
        Ok(Event { revision, kind: EventKind::Put, created, key, kv: bytes })
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let event = match self.records.next()? {
            Ok((key, bytes)) => self.event(key, bytes),
            Err(error) => Err(error.into()),
        };
        self.failed = event.is_err();
        Some(event)
    }
}
