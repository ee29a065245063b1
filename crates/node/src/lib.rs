//! A member: start-up, the raft, log, apply, commit and watch threads, and what they need around
//! them.
pub mod commit;
pub mod compactor;
pub mod data_dir;
pub mod inbox;
pub mod log;
pub mod reads;
pub mod request_id;
pub mod waiters;
