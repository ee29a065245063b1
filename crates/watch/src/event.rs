//! What goes into the hub and what comes out.

use proto::twin::WatchResponse;
use types::KeyRange;

use crate::Kind;

/// A client's stream of watches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u64);

/// What a watcher does not want to hear of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filter {
    /// Puts.
    NoPut,
    /// Deletes.
    NoDelete,
}

impl Filter {
    pub(crate) const fn hides(self, kind: Kind) -> bool {
        matches!((self, kind), (Self::NoPut, Kind::Put) | (Self::NoDelete, Kind::Delete))
    }
}

/// The wish for a watch; permitted already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Create {
    /// Chosen by the client; 0 leaves it to the hub.
    pub watch_id: i64,
    /// Which keys.
    pub range: KeyRange,
    /// The first revision of interest; 0 for what comes from now on.
    pub start_revision: i64,
    /// What to leave out.
    pub filters: Vec<Filter>,
    /// Tell what a change replaced.
    pub prev_kv: bool,
    /// Tell the revision from time to time when nothing happens.
    pub progress_notify: bool,
    /// Large responses may be split.
    pub fragment: bool,
}

/// What the hub is told.
#[derive(Clone, Debug)]
pub enum Event<H> {
    /// The store moved on, or was committed or compacted.
    View(H),
    /// Another store is in the place of this one, which has the same history further on: what it has
    /// compacted may be gone, also where that is new here.
    Replaced(H),
    /// A client opened a stream.
    Open(StreamId),
    /// A stream is gone.
    Close(StreamId),
    /// A client wants a watch.
    Create(StreamId, Create),
    /// A client may not have the watch that it wanted, for this reason.
    Refuse(StreamId, String),
    /// A client ends a watch.
    Cancel(StreamId, i64),
    /// A client asks how far it has been told.
    Progress(StreamId),
    /// So many bytes of responses left a stream's queue.
    Drained(StreamId, usize),
    /// It is time for the progress notifications of one slot of
    /// [`PROGRESS_SLOTS`](crate::PROGRESS_SLOTS).
    ProgressTick(u64),
}

/// What the hub wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Queue a response. Its header holds the revision alone. Its weight comes back as
    /// [`Event::Drained`].
    Send(StreamId, WatchResponse),
}
