//! Input that no client should send.

pub mod messages;
pub mod raw;
pub mod wire;
