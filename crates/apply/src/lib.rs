//! The only writer of the replicated state: entries in, results and effects out.
//!
//! [`Applier`] owns the store, leases, users, members and alarms, and carries out entries in the
//! order of the log. What an entry asks of others comes back as [`Effect`]s; what readers may see
//! is a [`View`].
//!
//! Deterministic: no clock, no randomness, no order of a hash map, no request context, no branch on
//! this member's own version. The quota is the one local branch there is, and it changes an answer
//! only. A refused request is a normal result and counts as applied.
//!
//! Invariants: entries are applied in order and each once; `view.index` is the last entry whose
//! effects the view shows; the configuration here equals raft's own at the same index.

mod alarm;
mod alarms;
mod applied;
mod applier;
mod auth;
mod cluster;
mod kv;
mod lease;
mod permission;
mod quota;
mod request;
mod view;

pub use alarms::Alarms;
pub use applied::{Applied, Effect, Response};
pub use applier::{Applier, Error, Parts, Settings, Waiter};
pub use quota::{DEFAULT_BYTES, NestedCost, Quota, SUGGESTED_BYTES_MAX, put_cost, txn_cost};
pub use view::View;
