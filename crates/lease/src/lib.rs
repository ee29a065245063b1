//! Leases: keys that live no longer than their holder keeps them alive.
//!
//! Two cores that know nothing of each other's state:
//! - [`Leases`] is the replicated part, owned by apply: which leases there are, with which time to
//!   live and which keys. It has no clock, so that every member has the same;
//! - [`Deadlines`] is the leader's part, owned by `node`: when each lease ends. Time is an argument.
//!   What it says is due becomes a proposal, and only an applied proposal ends a lease.
//!
//! Knows nothing of raft, of how keys are stored and deleted, or of who may do what.
//!
//! ```
//! use std::time::Duration;
//! use env::Monotonic;
//! use lease::{Deadlines, Lease, Options};
//! use types::LeaseId;
//!
//! let start = Monotonic(0);
//! let mut deadlines = Deadlines::new(Options::default());
//! deadlines.promote(start, [], Duration::from_secs(1));
//! deadlines.granted(start, Lease { id: LeaseId(7), ttl: 10, remaining_ttl: 0 });
//! assert!(deadlines.expired(start + Duration::from_secs(9), 500).is_empty());
//! assert_eq!(deadlines.expired(start + Duration::from_secs(10), 500), [LeaseId(7)]);
//! ```

mod deadlines;
mod error;
mod leases;
mod map;
mod spread;
#[cfg(test)]
mod testing;
mod view;

pub use deadlines::{
    CHECKPOINT_BATCH_MAX, CHECKPOINT_INTERVAL, Deadlines, LOOP_INTERVAL, Options, REVOKE_INTERVAL,
    REVOKES_IN_FLIGHT_MAX, REVOKES_PER_SECOND, Renewal,
};
pub use error::Error;
pub use leases::{Checkpoints, Leases, TTL_MAX};
pub use view::{Key, Keys, Lease, View};
