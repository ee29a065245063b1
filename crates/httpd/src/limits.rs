//! The bounds of a connection (reliability.md 3.3). Each is far above what a client of etcd needs.

use std::time::Duration;

/// How long a new connection may take to tell which HTTP it speaks.
pub const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an HTTP/1 request may take to send its header.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The header list of one HTTP/2 request, in bytes.
pub const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// The header of one HTTP/1 request, in bytes.
pub const HTTP1_BUFFER_BYTES_MAX: usize = 64 << 10;
/// HTTP/2 flow control: a stream's window, in bytes.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// HTTP/2 flow control: a connection's window, in bytes.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// What one stream may hold back for a slow reader, in bytes.
pub const SEND_BUFFER_BYTES_MAX: usize = 256 << 10;
/// Streams that a client reset and that the server has not seen to yet.
pub const PENDING_RESETS_MAX: usize = 200;
/// How long connections may take to end at an orderly stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a connection that is closed on this side waits for the other side to close it, too.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
