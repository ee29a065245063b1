//! A member: start-up, the raft, log, apply, commit and watch threads, and what they need around
//! them.
pub mod compactor;
pub mod request_id;
