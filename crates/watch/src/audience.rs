//! Who is told of a stretch of changes, and how far.
//!
//! Those that are up to date are told everything. Those that are behind are told as much as their
//! streams have room for, all watchers of a stream equally far: if some of them took all the room,
//! what was found out for the others would have to be found out again, each time there is a little
//! room.

use std::collections::BTreeMap;

use crate::event::StreamId;
use crate::watcher::Watcher;

/// What an event adds to a stream's queue beside its own bytes, at most: its place in a response,
/// and a response's header, if it is alone.
const EVENT_OVERHEAD_BYTES: usize = 64;

/// Who is told.
pub(crate) trait Audience {
    /// Whether a watcher belongs to it.
    fn has(&self, watcher: &Watcher) -> bool;
    /// A watcher is told an event of so many bytes.
    fn told(&mut self, watcher: &Watcher, bytes: usize);
    /// All of a revision was told (and of those before). Whether there is anybody for the next.
    fn goes_on(&mut self, revision: i64) -> bool;
}

/// Those that are up to date.
pub(crate) struct Synced;

impl Audience for Synced {
    fn has(&self, watcher: &Watcher) -> bool {
        watcher.synced
    }

    fn told(&mut self, _watcher: &Watcher, _bytes: usize) {}

    fn goes_on(&mut self, _revision: i64) -> bool {
        true
    }
}

/// Those that are behind, on streams with room for so many bytes.
pub(crate) struct Rooms {
    left: BTreeMap<StreamId, usize>,
    /// Streams whose room is used up, and the revision that they are told last.
    ended: BTreeMap<StreamId, i64>,
}

impl Rooms {
    /// Streams and their room.
    pub(crate) fn new(streams: impl Iterator<Item = (StreamId, usize)>) -> Self {
        Self { left: streams.collect(), ended: BTreeMap::new() }
    }

    /// How far a stream is told, of what goes through `all`.
    pub(crate) fn through(&self, stream: StreamId, all: i64) -> i64 {
        self.ended.get(&stream).copied().unwrap_or(all)
    }
}

impl Audience for Rooms {
    fn has(&self, watcher: &Watcher) -> bool {
        !watcher.synced && self.left.contains_key(&watcher.stream)
    }

    fn told(&mut self, watcher: &Watcher, bytes: usize) {
        let left = self.left.get_mut(&watcher.stream).expect("it is one of them");
        *left = left.saturating_sub(bytes + EVENT_OVERHEAD_BYTES);
    }

    fn goes_on(&mut self, revision: i64) -> bool {
        let Self { left, ended } = self;
        left.retain(|stream, bytes| {
            if *bytes == 0 {
                ended.insert(*stream, revision);
            }
            *bytes > 0
        });
        !left.is_empty()
    }
}
