//! Clients that keep a cluster busy and record all that they see, for [`checker`] to judge.
//!
//! [`Load::start`] starts them: some write and read keys, some live with leases, some watch on every
//! member, one compacts and compares hashes. What they do follows from a seed, when they do it from
//! the cluster. [`Load::finish`] waits until all is quiet and gives the [`Recording`]. [`Api`] is the
//! connection that they use.
//!
//! For tests only. Knows nothing of processes or faults: members are addresses, and the test says
//! when one was started again ([`Load::restarted`]).
//!
//! Invariants: no call is sent twice; an outcome that is not certain is recorded as unknown; every
//! value that is put is unique in its recording.

mod api;
mod compactor;
mod finish;
mod kv;
mod lender;
mod load;
mod send;
mod session;
mod shared;
mod watcher;

pub use api::Api;
pub use compactor::Where;
pub use load::{Load, Plan, Recording};
pub use send::Failure;
