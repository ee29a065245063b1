//! The metrics of a member's threads, under etcd's names (`compat/metrics.tsv`).

use std::time::Duration;

use apply::Response;
use proto::error::Error as Known;
use telemetry::{Counter, Gauge, Histogram, Registry, exponential_buckets};

use crate::consensus::Status;
use crate::log::Round;
use types::MemberId;

/// The registered metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    wal_syncs: Histogram,
    wal_bytes: Gauge,
    commits: Histogram,
    applied: Gauge,
    committed: Gauge,
    has_leader: Gauge,
    is_leader: Gauge,
    leader_changes: Counter,
    failed: Counter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let durations = exponential_buckets(0.001, 2.0, 14);
        Self {
            wal_syncs: registry.histogram(
                "etcd_disk_wal_fsync_duration_seconds",
                "The latency distributions of fsync called by WAL.",
                &durations,
            ),
            wal_bytes: registry
                .gauge("etcd_disk_wal_write_bytes_total", "Total number of bytes written in WAL."),
            commits: registry.histogram(
                "etcd_disk_backend_commit_duration_seconds",
                "The latency distributions of commit called by backend.",
                &durations,
            ),
            applied: registry.gauge(
                "etcd_server_proposals_applied_total",
                "The total number of consensus proposals applied.",
            ),
            committed: registry.gauge(
                "etcd_server_proposals_committed_total",
                "The total number of consensus proposals committed.",
            ),
            has_leader: registry.gauge(
                "etcd_server_has_leader",
                "Whether or not a leader exists. 1 is existence, 0 is not.",
            ),
            is_leader: registry.gauge(
                "etcd_server_is_leader",
                "Whether or not this member is a leader. 1 if is, 0 otherwise.",
            ),
            leader_changes: registry.counter(
                "etcd_server_leader_changes_seen_total",
                "The number of leader changes seen.",
            ),
            failed: registry.counter(
                "etcd_server_proposals_failed_total",
                "The total number of failed proposals seen.",
            ),
        }
    }

    pub(crate) fn log_round(&self, round: &Round) {
        for sync in &round.syncs {
            self.wal_syncs.observe_duration(*sync);
        }
        self.wal_bytes.add(round.bytes as f64);
    }

    pub(crate) fn committed(&self, took: Duration) {
        self.commits.observe_duration(took);
    }

    pub(crate) fn applied(&self, index: u64) {
        self.applied.set(index as f64);
    }

    pub(crate) fn refused(&self, outcome: &Result<Response, Known>) {
        if outcome.is_err() {
            self.failed.inc();
        }
    }

    pub(crate) fn status(&self, before: Status, now: Status) {
        self.committed.set(now.committed.get() as f64);
        let has_leader = now.leader != MemberId(0);
        self.has_leader.set(f64::from(u8::from(has_leader)));
        self.is_leader.set(f64::from(u8::from(now.is_leader)));
        if has_leader && before.leader != now.leader {
            self.leader_changes.inc();
        }
    }
}
