//! The watch hub: who watches what, and what each has been told.
//!
//! A state machine: an [`Event`] in, [`Action`]s out. It reads what changed from the views that it
//! is given ([`History`]), by revision, for those who are up to date as for those who are behind;
//! there is no queue of events that could overflow. Knows nothing of gRPC, auth, threads or clocks.
//!
//! Invariants: `told <= revision` for every watcher, where `revision` is the hub's own; a synced
//! watcher has been told everything up to `revision`; all events of one revision go out in one
//! response (or in fragments that say so); a position below the compact revision ends in a cancel,
//! never in a gap.

mod audience;
mod change;
mod event;
mod fragment;
mod hub;
mod index;
mod interval;
mod mvcc_history;
mod response;
mod stream;
mod watcher;

pub use change::{Change, Changes, History, Kind};
pub use event::{Action, Create, Event, Filter, StreamId};
pub use hub::{Hub, Limits, PROGRESS_SLOTS};
