//! The log line that says with which settings the server starts, under the names that etcd gives
//! them: what an operator looks for first, and what tools read settings from.

use std::path::Path;
use std::time::Duration;

use config::{AutoCompaction, ClusterState, Config, ETCD_VERSION, Quota};
use env::Disk;
use membership::Url;
use node::data_dir::Paths;
use telemetry::{GoDuration, json_strings};

/// What etcd 3.7 does with data of the v2 API, whatever it is told.
const V2_DEPRECATION: &str = "write-only";

/// Logs the settings; before the member starts, since it says whether there was one.
pub fn log(config: &Config, disk: &dyn Disk) {
    let paths = Paths::new(&config.data_dir, config.wal_dir.as_deref());
    let was_started = has_segments(disk, &paths.wal);
    // Not read where there is a cluster already.
    let (initial_cluster, token) = if was_started {
        ("", "")
    } else {
        (&*config.initial_cluster, &*config.initial_cluster_token)
    };
    let election_ticks = u32::try_from(config.election_ticks()).unwrap_or(u32::MAX);
    let (compaction_mode, compaction_interval) = compaction(config.auto_compaction);
    tracing::info!(
        "etcd-version" = ETCD_VERSION,
        "member-initialized" = was_started,
        name = config.name,
        "data-dir" = %config.data_dir.display(),
        "wal-dir-dedicated" = config.wal_dir.as_deref().unwrap_or(Path::new("")).to_str(),
        "member-dir" = paths.snap.parent().and_then(Path::to_str),
        "force-new-cluster" = config.force_new_cluster,
        "heartbeat-interval" = duration(config.heartbeat),
        "election-timeout" = duration(config.heartbeat.saturating_mul(election_ticks)),
        "initial-election-tick-advance" = config.initial_election_tick_advance,
        "snapshot-count" = config.snapshot_count,
        "max-wals" = config.max_wals.unwrap_or(0),
        "max-snapshots" = config.max_snapshots.unwrap_or(0),
        "snapshot-catchup-entries" = config.snapshot_catchup_entries,
        "initial-advertise-peer-urls[]" = list(&config.advertise_peer_urls),
        "listen-peer-urls[]" = list(&config.listen_peer_urls),
        "advertise-client-urls[]" = list(&config.advertise_client_urls),
        "listen-client-urls[]" = list(&config.listen_client_urls),
        "listen-metrics-urls[]" = list(&config.listen_metrics_urls),
        "initial-cluster" = initial_cluster,
        "initial-cluster-state" = state(config.cluster_state),
        "initial-cluster-token" = token,
        "quota-backend-bytes" = quota(config.quota),
        "max-request-bytes" = config.max_request_bytes,
        "max-concurrent-streams" = config.max_concurrent_streams,
        "pre-vote" = config.pre_vote,
        "corrupt-check-time-interval" = duration(config.corrupt_check_time.unwrap_or_default()),
        "auto-compaction-mode" = compaction_mode,
        "auto-compaction-interval" = compaction_interval,
        "downgrade-check-interval" = duration(config.downgrade_check_time.unwrap_or_default()),
        "max-learners" = config.max_learners,
        "v2-deprecation" = V2_DEPRECATION,
        "starting an etcd server"
    );
}

/// Whether a member has written a log here before. A directory that cannot be read is refused when
/// the member starts.
fn has_segments(disk: &dyn Disk, wal: &Path) -> bool {
    disk.list(wal).is_ok_and(|entries| !entries.is_empty())
}

fn duration(duration: Duration) -> String {
    GoDuration::from(duration).to_string()
}

fn list(urls: &[Url]) -> String {
    json_strings(urls.iter().map(ToString::to_string))
}

const fn state(state: ClusterState) -> &'static str {
    match state {
        ClusterState::New => "new",
        ClusterState::Existing => "existing",
    }
}

/// -1 for no quota, as etcd writes it.
fn quota(quota: Quota) -> i64 {
    match quota {
        Quota::Bytes(bytes) => i64::try_from(bytes).unwrap_or(i64::MAX),
        Quota::Unlimited => -1,
    }
}

/// Mode and interval; a number of revisions stands in for nanoseconds, as in etcd.
fn compaction(compaction: Option<AutoCompaction>) -> (&'static str, String) {
    match compaction {
        None => ("periodic", duration(Duration::ZERO)),
        Some(AutoCompaction::Periodic(period)) => ("periodic", duration(period)),
        Some(AutoCompaction::Revision(keep)) => ("revision", GoDuration(keep).to_string()),
    }
}
