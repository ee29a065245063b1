//! The bounds of the transport: sizes, counts, times.

use std::time::Duration;

/// How long a stream may be silent before it counts as broken, and how long a write may be stuck:
/// the default, and the least, of `--raft-read-timeout` and `--raft-write-timeout`.
pub const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts to open a stream.
pub const REDIAL_INTERVAL: Duration = Duration::from_millis(100);
/// Between two probes of a peer. Shorter than [`STREAM_TIMEOUT`], after which Go closes idle
/// connections.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(4);
/// How long an answer to a posted message may take. Peers answer once raft has taken it.
pub const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a snapshot's transfer may make no progress, on either side.
pub const SNAPSHOT_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the receiver of a whole snapshot may take to make it durable.
pub const SNAPSHOT_ANSWER_TIMEOUT: Duration = Duration::from_secs(600);

/// Messages that wait in one stream's queue.
pub const STREAM_MESSAGES_MAX: usize = 4096;
/// Messages that wait to be posted to one peer.
pub const PIPELINE_MESSAGES_MAX: usize = 64;
/// Connections that post to one peer.
pub const PIPELINE_CONNECTIONS: usize = 4;
/// Bytes of messages that wait in one outgoing queue. One message always has room.
pub const OUTGOING_BYTES_MAX: usize = 128 << 20;
/// Messages of one peer that wait for raft; as many proposals may wait beside them.
pub const INBOUND_MESSAGES_MAX: usize = 4096;
/// Bytes of one peer's messages that wait for raft, and of its proposals. One message always has
/// room.
pub const INBOUND_BYTES_MAX: usize = 128 << 20;

/// The largest message, as in Go.
pub const MESSAGE_BYTES_MAX: usize = 512 << 20;
/// The largest message in front of a snapshot's database, as in Go.
pub const SNAPSHOT_MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Posted messages of one peer that are read at one time; further ones wait.
pub const POSTS_MAX: usize = 64;
/// Snapshots that are sent at one time, to all peers; further ones fail.
pub const SNAPSHOTS_SENT_MAX: usize = 16;
/// Snapshots of one peer that are received at one time; further ones are refused.
pub const SNAPSHOTS_RECEIVED_MAX: usize = 4;
/// Senders that are known by their own word only; further ones get no answers.
pub const REMOTES_MAX: usize = 64;
/// A peer's answer to anything that is posted or probed, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
