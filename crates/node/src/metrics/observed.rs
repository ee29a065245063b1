//! What is asked of the member's state when its metrics are read.

use std::sync::{Arc, Weak};

use proto::etcdserverpb::AlarmType;
use proto::version;
use telemetry::{Kind, Registry, Samples};

use crate::shared::Shared;

/// Registers them. They don't keep the member: what is gone shows nothing.
pub(crate) fn register(registry: &Registry, shared: &Arc<Shared>) {
    numbers(registry, shared);
    sizes(registry, shared);
    labelled(registry, shared);
}

fn numbers(registry: &Registry, shared: &Arc<Shared>) {
    number(
        registry,
        shared,
        "etcd_debugging_mvcc_current_revision",
        "The store's revision.",
        |shared| shared.view().read.revision() as f64,
    );
    number(
        registry,
        shared,
        "etcd_debugging_mvcc_compact_revision",
        "The revision that the store is compacted at; -1 for none.",
        |shared| shared.view().read.compact_revision() as f64,
    );
    number(registry, shared, "etcd_debugging_mvcc_keys_total", "Keys in the store.", |shared| {
        shared.view().read.live_keys() as f64
    });
    number(
        registry,
        shared,
        "etcd_debugging_auth_revision",
        "The revision of users and roles.",
        |shared| shared.view().auth.revision() as f64,
    );
    number(registry, shared, "etcd_server_is_learner", "1 while this member learns.", |shared| {
        let view = shared.view();
        let me = view.cluster.member(shared.member_id);
        f64::from(u8::from(me.is_some_and(|member| member.is_learner)))
    });
}

fn sizes(registry: &Registry, shared: &Arc<Shared>) {
    number(
        registry,
        shared,
        "etcd_mvcc_db_total_size_in_bytes",
        "The size of the database file.",
        |shared| shared.sizes.committed() as f64,
    );
    number(
        registry,
        shared,
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "What of the database file is in use.",
        |shared| shared.sizes.in_use() as f64,
    );
    number(
        registry,
        shared,
        "etcd_mvcc_db_open_read_transactions",
        "States of the database that somebody reads.",
        // The published one, and those that readers still have.
        |shared| (Arc::strong_count(&shared.view()) - 1) as f64,
    );
    number(
        registry,
        shared,
        "etcd_server_quota_backend_bytes",
        "How large the database may get.",
        |shared| match shared.settings.quota {
            apply::Quota::Bytes(bytes) => bytes as f64,
            apply::Quota::Unlimited => 0.0,
        },
    );
}

fn labelled(registry: &Registry, shared: &Arc<Shared>) {
    samples(
        registry,
        shared,
        "etcd_cluster_version",
        "1 for the cluster's version.",
        |shared, samples| {
            if let Some(version) = shared.view().cluster.version() {
                let version = format!("{}.{}", version.major, version.minor);
                samples.add("", &[("cluster_version", &version)], 1.0);
            }
        },
    );
    samples(
        registry,
        shared,
        "etcd_server_version",
        "1 for the server's version.",
        |_, samples| {
            samples.add("", &[("server_version", &version::SERVER.to_string())], 1.0);
        },
    );
    samples(registry, shared, "etcd_server_id", "1 for the member's id.", |shared, samples| {
        samples.add("", &[("server_id", &shared.member_id.to_string())], 1.0);
    });
    samples(
        registry,
        shared,
        "etcd_debugging_server_alarms",
        "1 for each alarm.",
        |shared, samples| {
            for alarm in shared.view().alarms.of_kind(AlarmType::None.into()) {
                let kind = AlarmType::try_from(alarm.alarm);
                let kind = kind.map_or("UNKNOWN", |kind| kind.as_str_name());
                let member = types::MemberId(alarm.member_id).to_string();
                samples.add("", &[("alarm_type", kind), ("server_id", &member)], 1.0);
            }
        },
    );
}

fn number(
    registry: &Registry,
    shared: &Arc<Shared>,
    name: &'static str,
    help: &'static str,
    value: fn(&Shared) -> f64,
) {
    let shared = Arc::downgrade(shared);
    registry.collect(name, help, Kind::Gauge, move |samples| {
        if let Some(shared) = Weak::upgrade(&shared) {
            samples.add("", &[], value(&shared));
        }
    });
}

fn samples(
    registry: &Registry,
    shared: &Arc<Shared>,
    name: &'static str,
    help: &'static str,
    collect: fn(&Shared, &mut Samples),
) {
    let shared = Arc::downgrade(shared);
    registry.collect(name, help, Kind::Gauge, move |samples| {
        if let Some(shared) = Weak::upgrade(&shared) {
            collect(&shared, samples);
        }
    });
}
