//! From the flags to a running member.

use std::sync::Arc;

use config::{AutoCompaction, ClusterState, Config, MaxClusterVersion, Quota};
use env::{Disk, RealClock};
use node::compactor::Retention;
use node::data_dir::Paths;
use node::log::Keep;
use node::network::Network;
use node::{Member, Node, Options, Settings};
use peer::Transport;
use proto::version;
use snap::Snapshots;
use telemetry::Registry;

use crate::network::PeerNetwork;
use crate::start_line;

/// Says with which settings, and starts the member; blocks. Gives the transport to its peers, too.
///
/// # Errors
/// As [`node::start`].
pub fn start(
    config: &Config,
    disk: Arc<dyn Disk>,
    registry: &Registry,
) -> Result<(Member, Transport), node::Error> {
    start_line::log(config, &*disk);
    let options = options(config);
    let clock = Arc::new(RealClock::new());
    let snapshots = Snapshots::new(disk.clone(), clock.clone(), &options.paths.snap);
    let network = Arc::new(PeerNetwork::new(config, snapshots, clock.clone(), registry));
    let entrance: Arc<dyn Network> = network.clone();
    let member = node::start(disk, clock, &entrance, registry, &options)?;
    let transport = network.attach(member.node());
    Ok((member, transport))
}

/// Defragments the database if that frees so many bytes.
///
/// # Errors
/// When it fails.
pub async fn defragment_if_worth(node: &Node, threshold: u64) -> Result<(), String> {
    let (size, in_use) = (node.sizes().size(), node.sizes().in_use());
    if size.saturating_sub(in_use) < threshold {
        tracing::info!(
            "current-db-size-bytes" = size,
            "current-db-size-in-use-bytes" = in_use,
            "bootstrap-defrag-threshold-bytes" = threshold,
            "Skipping defragmentation"
        );
        return Ok(());
    }
    node.defragment().await.map_err(|error| format!("defragment the database: {error}"))
}

/// Shows in the metrics which features are on.
pub fn show_features(config: &Config, registry: &Registry) {
    let features = registry.gauges(
        "etcd_server_feature_enabled",
        "1 for features that are on, 0 for others.",
        &["name", "stage"],
    );
    for (name, stage, on) in config.feature_gates.shown() {
        features.with(&[name, stage]).set(f64::from(u8::from(on)));
    }
}

fn options(config: &Config) -> Options {
    let files =
        |count: Option<u64>| count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let gate = |gate| config.feature_gates.is_on(gate);
    Options {
        name: config.name.clone(),
        paths: Paths::new(&config.data_dir, config.wal_dir.as_deref()),
        initial_cluster: config.initial_cluster.clone(),
        peer_urls: config.advertise_peer_urls.clone(),
        initial_cluster_token: config.initial_cluster_token.clone(),
        cluster_state: match config.cluster_state {
            ClusterState::New => node::ClusterState::New,
            ClusterState::Existing => node::ClusterState::Existing,
        },
        client_urls: config.advertise_client_urls.iter().map(ToString::to_string).collect(),
        tick: config.heartbeat,
        election_ticks: u32::try_from(config.election_ticks()).unwrap_or(u32::MAX),
        pre_vote: config.pre_vote,
        snapshot_count: config.snapshot_count,
        catchup_entries: config.snapshot_catchup_entries,
        keep: Keep { wals: files(config.max_wals), snapshots: files(config.max_snapshots) },
        batch_interval: config.backend_batch_interval,
        batch_limit: usize::try_from(config.backend_batch_limit).unwrap_or(usize::MAX),
        segment_bytes: node::SEGMENT_BYTES,
        unsafe_no_fsync: config.unsafe_no_fsync,
        retention: match config.auto_compaction {
            None => Retention::Off,
            Some(AutoCompaction::Periodic(period)) => Retention::Period(period),
            Some(AutoCompaction::Revision(keep)) => Retention::Revisions(keep),
        },
        compaction_batch: usize::try_from(config.compaction_batch_limit).unwrap_or(usize::MAX),
        compaction_sleep: config.compaction_sleep_interval,
        watch_progress_interval: config.watch_progress_notify_interval,
        auth_token: config.auth_token.clone(),
        auth_token_ttl: config.auth_token_ttl,
        lease_checkpoints: gate(config::Gate::LeaseCheckpoint),
        persist_checkpoints: gate(config::Gate::LeaseCheckpointPersist),
        checks: node::Checks {
            initial: gate(config::Gate::InitialCorruptCheck),
            period: config.corrupt_check_time,
            compaction: gate(config::Gate::CompactHashCheck)
                .then_some(config.compact_hash_check_time),
        },
        downgrade_check: config.downgrade_check_time,
        force_new_cluster: config.force_new_cluster,
        skip_first_ticks: config.initial_election_tick_advance,
        settings: settings(config),
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        request_timeout: config.request_timeout(),
        tick: config.heartbeat,
        election: config.election,
        request_bytes_max: usize::try_from(config.max_request_bytes).unwrap_or(usize::MAX),
        quota: match config.quota {
            Quota::Unlimited => apply::Quota::Unlimited,
            Quota::Bytes(bytes) => apply::Quota::Bytes(bytes),
        },
        strict_reconfig_check: config.strict_reconfig_check,
        learners_max: config.max_learners,
        max_cluster_version: match config.max_cluster_version {
            MaxClusterVersion::Auto => node::MaxClusterVersion::Auto,
            MaxClusterVersion::V3_5 => node::MaxClusterVersion::At(version::V3_5),
            MaxClusterVersion::V3_6 => node::MaxClusterVersion::At(version::V3_6),
            MaxClusterVersion::V3_7 => node::MaxClusterVersion::At(version::V3_7),
        },
        warning_apply: config.warning_apply_duration,
    }
}
