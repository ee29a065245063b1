//! Whether what clients saw of a cluster is what etcd promises.
//!
//! [`check`] takes a [`History`] and gives a [`Report`] with every [`Violation`]. Revisions say in
//! which order everything happened, so that nothing has to be searched for: each acknowledged write
//! stands at its revision, each read behind the revision in its header; then every answer is
//! compared with the state there, and the order of revisions with that of real time. What became of
//! calls with an unknown outcome is read off the watches. The cost is O(n log n) in operations and
//! events, times the watches for the events.
//!
//! Guarantees, as they are numbered in reports: G1 durable, G2 strictly serializable, G3 atomic, G4
//! stale but never wrong, G5 revisions only rise; W1 ordered, W2 unique, W3 without gap, W4 atomic,
//! W5 resumable or cancelled openly, W6 bookmarks, W7 only what was asked for and all of it; L1 a
//! lease's keys go together and not before its time, L2 its time is only ever extended, L3 only a
//! live lease is renewed.
//!
//! [`Calls`] makes calls of which there is something to judge.
//!
//! Pure: no I/O, no clock, no threads. Knows nothing of servers, connections or faults.

mod calls;
mod check;
mod evaluate;
mod history;
mod leases;
mod log;
mod members;
mod order;
mod place;
mod refusals;
mod report;
mod store;
mod times;
mod watches;

pub use calls::{Calls, unchanged_since};
pub use check::check;
pub use history::{
    Base, Call, Final, Hash, Header, History, Member, Operation, Outcome, Refusal, Reply, Time,
    Watch, WatchAnswer,
};
pub use report::{Counts, Kind, Report, Violation};
