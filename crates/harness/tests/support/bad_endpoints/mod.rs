//! Requests to the small HTTP endpoints, byte by byte.

pub mod cases;
pub mod http;

/// How many requests are under way at once.
pub const WIDTH: usize = 8;
