//! What the file holds: every bucket, every row's key and value, and the changes between versions
//! (spec/schema.md 2).
//!
//! One module per kind of row. Knows bytes only: neither where rows are kept nor who wants them.
//! The JSON inside `members` rows belongs to crate `membership`, the records of the `key` bucket
//! to crate `mvcc`; their keys are [`types::RecordKey`].
//!
//! Invariants: `decode(encode(x)) == x`; every encoding is Go's to the letter, since
//! Maintenance.Hash is taken over the stored bytes.

mod bucket;
mod malformed;

pub mod alarm;
pub mod auth;
pub mod cluster;
pub mod compact_revision;
pub mod conf_state;
pub mod consistent_index;
pub mod lease;
pub mod member;
pub mod migration;
pub mod role;
pub mod storage_version;
pub mod term;
pub mod user;

pub use bucket::Bucket;
pub use malformed::Malformed;
