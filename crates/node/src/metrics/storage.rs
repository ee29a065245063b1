//! What files cost: the log, the database, snapshots.

use std::time::Duration;

use telemetry::{Gauge, Histogram, Registry, exponential_buckets};

use crate::log::Round;

/// The metrics of files.
pub struct Storage {
    wal_syncs: Histogram,
    wal_writes: Histogram,
    wal_bytes: Gauge,
    commits: Histogram,
    prepares: Histogram,
    finishes: Histogram,
    defragmentations: Histogram,
    defragmenting: Gauge,
    snapshots_sent: Histogram,
    snapshot_encodes: Histogram,
    snapshot_syncs: Histogram,
    snapshot_saves: Histogram,
}

impl Storage {
    pub(super) fn new(registry: &Registry) -> Self {
        let durations = exponential_buckets(0.001, 2.0, 14);
        let histogram = |name, help| registry.histogram(name, help, &durations);
        register_unused(registry);
        Self {
            wal_syncs: histogram(
                "etcd_disk_wal_fsync_duration_seconds",
                "How long syncs of the log took.",
            ),
            wal_writes: histogram(
                "etcd_disk_wal_write_duration_seconds",
                "How long writes to the log took.",
            ),
            wal_bytes: registry
                .gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log."),
            commits: histogram(
                "etcd_disk_backend_commit_duration_seconds",
                "How long commits of the database took.",
            ),
            prepares: histogram(
                "etcd_debugging_disk_backend_commit_spill_duration_seconds",
                "How long the pages of commits took to be written.",
            ),
            finishes: histogram(
                "etcd_debugging_disk_backend_commit_write_duration_seconds",
                "How long the meta pages of commits took to be written.",
            ),
            defragmentations: registry.histogram(
                "etcd_disk_backend_defrag_duration_seconds",
                "How long defragmentations of the database took.",
                &exponential_buckets(0.1, 2.0, 13),
            ),
            defragmenting: registry
                .gauge("etcd_disk_defrag_inflight", "1 while a defragmentation is under way."),
            snapshots_sent: registry.histogram(
                "etcd_disk_backend_snapshot_duration_seconds",
                "How long it took to send snapshots of the database.",
                &exponential_buckets(0.01, 2.0, 17),
            ),
            snapshot_encodes: histogram(
                "etcd_debugging_snap_save_marshalling_duration_seconds",
                "How long it took to encode raft snapshots.",
            ),
            snapshot_syncs: histogram(
                "etcd_snap_fsync_duration_seconds",
                "How long raft snapshots took to be written and synced.",
            ),
            snapshot_saves: histogram(
                "etcd_debugging_snap_save_total_duration_seconds",
                "How long it took to save raft snapshots.",
            ),
        }
    }

    pub(crate) fn log_round(&self, round: &Round) {
        for sync in &round.syncs {
            self.wal_syncs.observe_duration(*sync);
        }
        if round.bytes > 0 {
            self.wal_writes.observe_duration(round.write);
            self.wal_bytes.add(round.bytes as f64);
        }
        for saved in &round.saved {
            self.snapshot_encodes.observe_duration(saved.encode);
            self.snapshot_syncs.observe_duration(saved.sync);
            self.snapshot_saves.observe_duration(saved.total);
        }
    }

    /// A commit is durable: its pages, then its meta page.
    pub(crate) fn committed(&self, prepare: Duration, finish: Duration) {
        self.prepares.observe_duration(prepare);
        self.finishes.observe_duration(finish);
        self.commits.observe_duration(prepare + finish);
    }

    /// A defragmentation begins; it ends with what this gives.
    pub(crate) fn defragmentation(&self) -> Defragmentation<'_> {
        self.defragmenting.inc();
        Defragmentation(self)
    }

    /// A snapshot of the database went to a client.
    pub fn snapshot_sent(&self, took: Duration) {
        self.snapshots_sent.observe_duration(took);
    }
}

/// Families that stay empty, for those who look for them.
fn register_unused(registry: &Registry) {
    let durations = exponential_buckets(0.001, 2.0, 14);
    for (name, help, buckets) in [
        (
            "etcd_debugging_disk_backend_commit_rebalance_duration_seconds",
            "Always empty: pages are merged while they are written.",
            &durations,
        ),
        (
            "etcd_snap_db_fsync_duration_seconds",
            "Always empty: syncs of databases from other members count as received snapshots.",
            &durations,
        ),
        (
            "etcd_snap_db_save_total_duration_seconds",
            "Always empty: saving databases from other members counts as received snapshots.",
            &exponential_buckets(0.1, 2.0, 10),
        ),
    ] {
        let _ = registry.histogram(name, help, buckets);
    }
}

/// A defragmentation under way.
pub(crate) struct Defragmentation<'a>(&'a Storage);

impl Defragmentation<'_> {
    pub(crate) fn done(self, took: Duration) {
        self.0.defragmentations.observe_duration(took);
    }
}

impl Drop for Defragmentation<'_> {
    fn drop(&mut self) {
        self.0.defragmenting.dec();
    }
}
