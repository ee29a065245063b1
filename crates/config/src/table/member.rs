//! Flags of the member itself: where it keeps its data, where it listens, what it allows.

use super::{Flag, Kind, Status, flag};

/// Sorted by name.
#[rustfmt::skip]
pub const FLAGS: &[Flag] = &[
    flag("backend-batch-interval", Kind::Duration, "0s", Status::Acts, "Longest wait before backend commit (0 = 100ms)"),
    flag("backend-batch-limit", Kind::Int, "0", Status::Acts, "Operations per backend commit (0 = 10000)"),
    flag("backend-bbolt-freelist-type", Kind::Text, "", Status::NotYet, "Db freelist layout: array or map (empty = map)"),
    flag("data-dir", Kind::Text, "", Status::Acts, "Data folder (empty = <name>.etcd)"),
    flag("election-timeout", Kind::Uint, "1000", Status::Acts, "Election timeout in ms; >=5x heartbeat, max 50000"),
    flag("enable-grpc-gateway", Kind::Bool, "true", Status::NotYet, "Serve JSON gateway under /v3/"),
    flag("grpc-keepalive-interval", Kind::Duration, "2h0m0s", Status::NotYet, "Server ping period; 0 off"),
    flag("grpc-keepalive-min-time", Kind::Duration, "5s", Status::NotYet, "Shortest client ping gap tolerated"),
    flag("grpc-keepalive-timeout", Kind::Duration, "20s", Status::NotYet, "Wait after ping before closing; 0 off"),
    flag("heartbeat-interval", Kind::Uint, "100", Status::Acts, "Raft tick in ms"),
    flag("initial-election-tick-advance", Kind::Bool, "true", Status::Acts, "Skip most election ticks on boot"),
    flag("listen-client-http-urls", Kind::Urls, "", Status::Acts, "HTTP-only client listeners, splits from gRPC"),
    flag("listen-client-urls", Kind::Urls, "http://localhost:2379", Status::Acts, "Client listeners (gRPC and HTTP)"),
    flag("listen-peer-urls", Kind::Urls, "http://localhost:2380", Status::Acts, "Peer listeners"),
    flag("max-concurrent-streams", Kind::Uint32, "4294967295", Status::Acts, "HTTP/2 streams allowed per client connection"),
    flag("max-request-bytes", Kind::Uint, "1572864", Status::Acts, "Largest client request"),
    flag("max-snapshots", Kind::Uint, "5", Status::Acts, "Snapshot files kept (deprecated)"),
    flag("max-txn-ops", Kind::Uint, "128", Status::Acts, "Operations allowed per txn list"),
    flag("max-wals", Kind::Uint, "5", Status::Acts, "WAL files kept; 0 unlimited"),
    flag("memory-mlock", Kind::Bool, "false", Status::NotYet, "Lock process memory"),
    flag("name", Kind::Text, "default", Status::Acts, "Member name"),
    flag("quota-backend-bytes", Kind::Int, "0", Status::Acts, "Db size quota (0 = 2GiB, negative = off)"),
    flag("raft-read-timeout", Kind::Duration, "5s", Status::Acts, "Peer connection read limit, at least 5s"),
    flag("raft-write-timeout", Kind::Duration, "5s", Status::Acts, "Peer connection write limit, at least 5s"),
    flag("snapshot-catchup-entries", Kind::Uint, "5000", Status::Acts, "Raft entries kept after compaction for slow followers"),
    flag("snapshot-count", Kind::Uint, "10000", Status::Acts, "Applied entries between raft snapshots"),
    flag("socket-reuse-address", Kind::Bool, "false", Status::NotYet, "SO_REUSEADDR on listeners"),
    flag("socket-reuse-port", Kind::Bool, "false", Status::NotYet, "SO_REUSEPORT on listeners"),
    flag("wal-dir", Kind::Text, "", Status::Acts, "Separate WAL folder"),
];
