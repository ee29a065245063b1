//! One watch.

use types::KeyRange;

use crate::{Create, Filter, Kind, StreamId};

/// A watch, and how far it has been told.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) stream: StreamId,
    pub(crate) watch_id: i64,
    pub(crate) range: KeyRange,
    filters: Vec<Filter>,
    pub(crate) prev_kv: bool,
    pub(crate) fragment: bool,
    /// It wants to be told the revision when nothing happens.
    pub(crate) progress_notify: bool,
    /// Nothing was sent to it since the last progress tick.
    pub(crate) idle: bool,
    /// The first revision that it has not been told of. While it is synced this may be behind the
    /// hub's: then nothing in between concerned it.
    pub(crate) next: i64,
    pub(crate) synced: bool,
}

impl Watcher {
    pub(crate) fn new(stream: StreamId, watch_id: i64, create: Create, next: i64) -> Self {
        Self {
            stream,
            watch_id,
            range: create.range,
            filters: create.filters,
            prev_kv: create.prev_kv,
            fragment: create.fragment,
            progress_notify: create.progress_notify,
            idle: true,
            next,
            synced: false,
        }
    }

    /// Whether it wants to hear of a change of a key that it watches.
    pub(crate) fn wants(&self, revision: i64, kind: Kind) -> bool {
        let is_new = revision >= self.next || env::planted!("watch-hears-the-past");
        is_new && !self.filters.iter().any(|filter| filter.hides(kind))
    }
}
