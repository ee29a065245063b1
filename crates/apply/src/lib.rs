//! The only writer of the replicated state: entries in, results and effects out.
pub mod alarms;
pub mod quota;
