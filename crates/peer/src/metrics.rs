//! The `etcd_network_*` metrics of peers.

use telemetry::{Counter, Gauge, Histogram, Labelled, Registry, exponential_buckets};
use types::MemberId;

/// The families; each has a child per peer.
pub(crate) struct Metrics {
    pub(crate) active_peers: Labelled<Gauge>,
    pub(crate) disconnected_peers: Labelled<Counter>,
    known_peers: Labelled<Gauge>,
    sent_bytes: Labelled<Counter>,
    received_bytes: Labelled<Counter>,
    sent_failures: Labelled<Counter>,
    received_failures: Labelled<Counter>,
    round_trip: Labelled<Histogram>,
    snapshot_send: SnapshotFamilies,
    snapshot_receive: SnapshotFamilies,
}

/// The families of one direction of snapshots.
struct SnapshotFamilies {
    success: Labelled<Counter>,
    failures: Labelled<Counter>,
    inflights: Labelled<Gauge>,
    seconds: Labelled<Histogram>,
}

/// One peer's snapshots in one direction.
pub(crate) struct SnapshotMetrics {
    pub(crate) success: Counter,
    pub(crate) failures: Counter,
    pub(crate) inflights: Gauge,
    pub(crate) seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let (pair, to, from) = (&["Local", "Remote"][..], &["To"][..], &["From"][..]);
        Self {
            active_peers: registry.gauges(
                "etcd_network_active_peers",
                "The current number of active peer connections.",
                pair,
            ),
            disconnected_peers: registry.counters(
                "etcd_network_disconnected_peers_total",
                "The total number of disconnected peers.",
                pair,
            ),
            known_peers: registry.gauges(
                "etcd_network_known_peers",
                "The current number of known peers.",
                pair,
            ),
            sent_bytes: registry.counters(
                "etcd_network_peer_sent_bytes_total",
                "The total number of bytes sent to peers.",
                to,
            ),
            received_bytes: registry.counters(
                "etcd_network_peer_received_bytes_total",
                "The total number of bytes received from peers.",
                from,
            ),
            sent_failures: registry.counters(
                "etcd_network_peer_sent_failures_total",
                "The total number of send failures from peers.",
                to,
            ),
            received_failures: registry.counters(
                "etcd_network_peer_received_failures_total",
                "The total number of receive failures from peers.",
                from,
            ),
            round_trip: registry.histograms(
                "etcd_network_peer_round_trip_time_seconds",
                "Round-Trip-Time histogram between peers",
                to,
                &exponential_buckets(0.0001, 2.0, 16),
            ),
            snapshot_send: sent_snapshots(registry),
            snapshot_receive: received_snapshots(registry),
        }
    }

    /// Whether a member belongs to the cluster, itself included.
    pub(crate) fn set_known(&self, local: MemberId, remote: MemberId, is_known: bool) {
        let gauge = self.known_peers.with(&[&local.to_string(), &remote.to_string()]);
        gauge.set(f64::from(u8::from(is_known)));
    }

    pub(crate) fn sent_bytes(&self, to: MemberId) -> Counter {
        self.sent_bytes.with(&[&to.to_string()])
    }

    pub(crate) fn received_bytes(&self, from: MemberId) -> Counter {
        self.received_bytes.with(&[&from.to_string()])
    }

    pub(crate) fn sent_failure(&self, to: MemberId) {
        self.sent_failures.with(&[&to.to_string()]).inc();
    }

    /// `from` is a member, or an address where none is known.
    pub(crate) fn received_failure(&self, from: &str) {
        self.received_failures.with(&[from]).inc();
    }

    pub(crate) fn round_trip(&self, to: MemberId) -> Histogram {
        self.round_trip.with(&[&to.to_string()])
    }

    pub(crate) fn snapshot_send(&self, to: MemberId) -> SnapshotMetrics {
        self.snapshot_send.with(&to.to_string())
    }

    /// `from` is a member, or what stands for an unknown one.
    pub(crate) fn snapshot_receive(&self, from: &str) -> SnapshotMetrics {
        self.snapshot_receive.with(from)
    }

    /// Counts a snapshot that was refused at its head.
    pub(crate) fn snapshot_refused(&self, from: &str) {
        self.snapshot_receive.failures.with(&[from]).inc();
    }
}

impl SnapshotFamilies {
    fn with(&self, peer: &str) -> SnapshotMetrics {
        SnapshotMetrics {
            success: self.success.with(&[peer]),
            failures: self.failures.with(&[peer]),
            inflights: self.inflights.with(&[peer]),
            seconds: self.seconds.with(&[peer]),
        }
    }
}

fn sent_snapshots(registry: &Registry) -> SnapshotFamilies {
    let labels = &["To"];
    SnapshotFamilies {
        success: registry.counters(
            "etcd_network_snapshot_send_success",
            "Total number of successful snapshot sends",
            labels,
        ),
        failures: registry.counters(
            "etcd_network_snapshot_send_failures",
            "Total number of snapshot send failures",
            labels,
        ),
        inflights: registry.gauges(
            "etcd_network_snapshot_send_inflights_total",
            "Total number of inflight snapshot sends",
            labels,
        ),
        seconds: registry.histograms(
            "etcd_network_snapshot_send_total_duration_seconds",
            "Total latency distributions of v3 snapshot sends",
            labels,
            &exponential_buckets(0.1, 2.0, 10),
        ),
    }
}

fn received_snapshots(registry: &Registry) -> SnapshotFamilies {
    let labels = &["From"];
    SnapshotFamilies {
        success: registry.counters(
            "etcd_network_snapshot_receive_success",
            "Total number of successful snapshot receives",
            labels,
        ),
        failures: registry.counters(
            "etcd_network_snapshot_receive_failures",
            "Total number of snapshot receive failures",
            labels,
        ),
        inflights: registry.gauges(
            "etcd_network_snapshot_receive_inflights_total",
            "Total number of inflight snapshot receives",
            labels,
        ),
        seconds: registry.histograms(
            "etcd_network_snapshot_receive_total_duration_seconds",
            "Total latency distributions of v3 snapshot receives",
            labels,
            &exponential_buckets(0.1, 2.0, 10),
        ),
    }
}
