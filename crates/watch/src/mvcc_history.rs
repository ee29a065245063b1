//! The store's views as history.

use bytes::Bytes;
use mvcc::{Error, EventKind, Events, ReadView};

use crate::change::{Change, Changes, History, Kind};

impl History for ReadView {
    type Error = Error;

    fn revision(&self) -> i64 {
        Self::revision(self)
    }

    fn compacted(&self) -> i64 {
        self.compact_revision()
    }

    fn changes(&self, from: i64, through: i64, bytes_max: usize) -> Result<Changes, Error> {
        read(self.events(from, through)?, through, bytes_max)
    }

    fn new_changes(&self, from: i64, through: i64, bytes_max: usize) -> Result<Changes, Error> {
        read(self.all_events(from, through), through, bytes_max)
    }

    fn value_at(&self, key: &[u8], revision: i64) -> Result<Option<Bytes>, Error> {
        self.prev_kv(key, revision + 1)
    }
}

fn read(events: Events<'_>, through: i64, bytes_max: usize) -> Result<Changes, Error> {
    let mut read = Changes { changes: Vec::new(), through };
    let mut bytes = 0;
    let mut last = None;
    for event in events {
        let event = event?;
        let revision = event.revision.main;
        if let Some(last) = last.filter(|last| *last != revision && bytes > bytes_max) {
            read.through = last;
            break;
        }
        last = Some(revision);
        bytes += event.kv.len();
        read.changes.push(Change {
            revision,
            key: event.key,
            kind: match event.kind {
                EventKind::Put => Kind::Put,
                EventKind::Delete => Kind::Delete,
            },
            creates: event.created,
            kv: event.kv,
        });
    }
    Ok(read)
}
