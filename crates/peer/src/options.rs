//! What a transport needs to know.

use std::sync::Arc;
use std::time::Duration;

use env::Clock;
use proto::version::Version;
use snap::Snapshots;
use telemetry::Registry;
use types::{ClusterId, MemberId};

use crate::connect::{Connector, Plain};
use crate::limits::STREAM_TIMEOUT;

/// What a transport needs to know.
pub struct Options {
    /// This member.
    pub local: MemberId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The URLs where peers reach this member, as it advertises them.
    pub advertised: Vec<String>,
    /// The server version that peers are told; see [`set_level`](crate::Transport::set_level).
    pub level: Version,
    /// Members that were removed from the cluster for good: their messages and streams are refused.
    pub removed: Vec<MemberId>,
    /// How long connecting may take: etcd's is a second and an election timeout.
    pub dial_timeout: Duration,
    /// How long a stream that is read may be silent (`--raft-read-timeout`).
    pub read_timeout: Duration,
    /// How long a stream may be stuck in a write (`--raft-write-timeout`).
    pub write_timeout: Duration,
    /// Where databases from peers go.
    pub snapshots: Snapshots,
    /// Says since when a peer is active.
    pub clock: Arc<dyn Clock>,
    /// Opens connections.
    pub connector: Arc<dyn Connector>,
    /// Takes the metrics.
    pub registry: Registry,
}

impl Options {
    /// Options with etcd's defaults: nobody removed, 5 s for reads and writes, 2 s to connect, no
    /// TLS.
    #[must_use]
    pub fn new(
        local: MemberId,
        cluster: ClusterId,
        snapshots: Snapshots,
        clock: Arc<dyn Clock>,
        registry: Registry,
    ) -> Self {
        Self {
            local,
            cluster,
            advertised: Vec::new(),
            level: proto::version::SERVER,
            removed: Vec::new(),
            dial_timeout: Duration::from_secs(2),
            read_timeout: STREAM_TIMEOUT,
            write_timeout: STREAM_TIMEOUT,
            snapshots,
            clock,
            connector: Arc::new(Plain),
            registry,
        }
    }
}
