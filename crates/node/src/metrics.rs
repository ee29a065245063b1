//! The metrics of a member, under etcd's names (`compat/metrics.tsv`).

mod observed;
mod requests;
mod storage;
mod store;

use telemetry::{Counter, Gauge, Labelled, Registry};
use types::MemberId;

pub use requests::{ReadKind, Requests, Slow};
pub use storage::Storage;
pub(crate) use store::Leases;
pub use store::{Sent, Store, Watches};

pub(crate) use observed::register as register_observed;

use crate::consensus::Status;
use crate::shared::Settings;

/// The registered metrics.
pub struct Metrics {
    /// How requests fare.
    pub requests: Requests,
    /// What happens in the store.
    pub store: Store,
    /// Who watches.
    pub watches: Watches,
    /// What files cost.
    pub storage: Storage,
    pub(crate) leases: Leases,
    applied: Gauge,
    committed: Gauge,
    has_leader: Gauge,
    is_leader: Gauge,
    leader_changes: Counter,
    late_heartbeats: Counter,
    installing: Gauge,
    promotions: Counter,
    failed_promotions: Labelled<Counter>,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry, settings: &Settings) -> Self {
        let gauge = |name, help| registry.gauge(name, help);
        Self {
            requests: Requests::new(registry, settings.warning_apply),
            store: Store::new(registry),
            watches: Watches::new(registry),
            storage: Storage::new(registry),
            leases: Leases::new(registry),
            applied: gauge("etcd_server_proposals_applied_total", "The last entry applied."),
            committed: gauge("etcd_server_proposals_committed_total", "The last entry committed."),
            has_leader: gauge("etcd_server_has_leader", "1 while there is a leader."),
            is_leader: gauge("etcd_server_is_leader", "1 while this member leads."),
            leader_changes: registry.counter(
                "etcd_server_leader_changes_seen_total",
                "How often another leader was seen.",
            ),
            late_heartbeats: registry.counter(
                "etcd_server_heartbeat_send_failures_total",
                "Heartbeats that this member sent late as the leader.",
            ),
            installing: gauge(
                "etcd_server_snapshot_apply_in_progress_total",
                "1 while another member's database is installed.",
            ),
            promotions: registry.counter(
                "etcd_server_learner_promote_successes",
                "Learners that this member promoted as the leader.",
            ),
            failed_promotions: registry.counters(
                "etcd_server_learner_promote_failures",
                "Learners that this member did not promote as the leader.",
                &["Reason"],
            ),
        }
    }

    pub(crate) fn applied(&self, index: u64) {
        self.applied.set(index as f64);
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

    pub(crate) fn late_heartbeat(&self) {
        self.late_heartbeats.inc();
    }

    pub(crate) fn install_begins(&self) {
        self.installing.set(1.0);
    }

    pub(crate) fn install_ends(&self) {
        self.installing.set(0.0);
    }

    pub(crate) fn promoted(&self) {
        self.promotions.inc();
    }

    pub(crate) fn not_promoted(&self, reason: &str) {
        self.failed_promotions.with(&[reason]).inc();
    }
}
