//! The identifiers and ranges that every layer speaks: newtypes without behaviour of their own.
//!
//! Knows nothing of protobuf, files or threads.
//!
//! Invariants: a [`KeyRange`] is parsed once at the edge ([`KeyRange::parse`]); nothing behind it
//! sees raw `range_end` bytes.

mod id;
mod key_range;
mod revision;

pub use id::{ClusterId, Index, LeaseId, MemberId, Term};
pub use key_range::KeyRange;
pub use revision::{RecordKey, Revision};
