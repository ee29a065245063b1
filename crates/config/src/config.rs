//! The configuration of a member, typed.

use crate::gates::FeatureGates;
use crate::logging::Logging;
use crate::settings::Settings;
use membership::Url;
use std::path::PathBuf;
use std::time::Duration;

/// The name that a member has when none is given.
pub const DEFAULT_NAME: &str = "default";

/// The least that `--raft-read-timeout` and `--raft-write-timeout` may be; smaller ones are raised.
pub const RAFT_TIMEOUT_MIN: Duration = Duration::from_secs(5);

/// What a zero of `--warning-unary-request-duration` stands for.
const WARNING_UNARY_DEFAULT: Duration = Duration::from_millis(300);

/// The quota where none is given: 2 GiB.
pub const QUOTA_DEFAULT_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The configuration of a member.
///
/// Invariants after [`parse`](crate::parse): `0 < heartbeat`, `5 * heartbeat <= election <= 50 s`;
/// no list of URLs is empty; listeners have IP addresses or `localhost`; nothing speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// For people, and to find itself in [`initial_cluster`](Self::initial_cluster).
    pub name: String,
    /// Holds `member/`.
    pub data_dir: PathBuf,
    /// Where the log is, if not in the data directory.
    pub wal_dir: Option<PathBuf>,

    /// Where peers are listened for.
    pub listen_peer_urls: Vec<Url>,
    /// Where clients are listened for.
    pub listen_client_urls: Vec<Url>,
    /// Where clients' plain HTTP is listened for, if not with gRPC.
    pub listen_client_http_urls: Vec<Url>,
    /// Where metrics and health are served besides.
    pub listen_metrics_urls: Vec<Url>,
    /// Where peers reach this member.
    pub advertise_peer_urls: Vec<Url>,
    /// Where clients reach this member.
    pub advertise_client_urls: Vec<Url>,

    /// `name=url` pairs, as given or by default: read when the member starts for the first time.
    pub initial_cluster: String,
    /// Whether a cluster is founded or joined.
    pub cluster_state: ClusterState,
    /// Seeds the ids of cluster and members.
    pub initial_cluster_token: String,
    /// Most ticks of the first election are skipped.
    pub initial_election_tick_advance: bool,
    /// Member changes that would lose the quorum are refused.
    pub strict_reconfig_check: bool,
    /// Learners that the cluster may have.
    pub max_learners: usize,
    /// raft's pre-vote.
    pub pre_vote: bool,
    /// The highest cluster version that this member agrees to.
    pub max_cluster_version: MaxClusterVersion,

    /// raft's tick.
    pub heartbeat: Duration,
    /// A follower's patience.
    pub election: Duration,

    /// The members are rewritten to this one.
    pub force_new_cluster: bool,
    /// How often data is compared with the other members'; `None` for never.
    pub corrupt_check_time: Option<Duration>,
    /// How often the leader compares hashes of compactions.
    pub compact_hash_check_time: Duration,
    /// How often it is looked whether a downgrade has ended; `None` for never.
    pub downgrade_check_time: Option<Duration>,
    /// How long a stream from a peer may be silent.
    pub raft_read_timeout: Duration,
    /// How long a stream to a peer may be stuck.
    pub raft_write_timeout: Duration,

    /// Applied entries between raft snapshots.
    pub snapshot_count: u64,
    /// Entries kept for slow followers behind a snapshot.
    pub snapshot_catchup_entries: u64,
    /// WAL files kept; `None` keeps all.
    pub max_wals: Option<u64>,
    /// Snapshot files kept; `None` keeps all.
    pub max_snapshots: Option<u64>,

    /// How large the data may get.
    pub quota: Quota,
    /// Longest wait before a commit of the data file.
    pub backend_batch_interval: Duration,
    /// Operations before a commit of the data file; at least 1.
    pub backend_batch_limit: u64,
    /// The database is defragmented at the start if that frees so many bytes; `None` never does.
    pub bootstrap_defrag: Option<u64>,
    /// What is never synced is lost in a crash.
    pub unsafe_no_fsync: bool,

    /// Operations in one list of a transaction.
    pub max_txn_ops: u64,
    /// Bytes of one request.
    pub max_request_bytes: u64,
    /// Streams of one client connection.
    pub max_concurrent_streams: u32,

    /// What history is compacted by itself.
    pub auto_compaction: Option<AutoCompaction>,
    /// Revisions removed in one step of a compaction; at least 1.
    pub compaction_batch_limit: u64,
    /// Pause between steps of a compaction.
    pub compaction_sleep_interval: Duration,
    /// Period of progress events of watches that asked for them.
    pub watch_progress_notify_interval: Duration,

    /// The kind of tokens, with its options; empty for none, so that nobody can log in.
    pub auth_token: String,
    /// How long a simple token stays valid.
    pub auth_token_ttl: Duration,
    /// bcrypt's cost, 4 to 31.
    pub bcrypt_cost: u32,

    /// What is applied or read more slowly than this gets a warning.
    pub warning_apply_duration: Duration,
    /// Calls that take longer than this get a warning.
    pub warning_unary_request_duration: Duration,
    /// How long calls take is shown by method.
    pub extensive_metrics: bool,
    /// Where and how to log.
    pub logging: Logging,
    /// Which features are on.
    pub feature_gates: FeatureGates,
}

/// Whether a cluster is founded or joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClusterState {
    /// Founded by the members of `--initial-cluster` together.
    New,
    /// Joined by a member that was added before.
    Existing,
}

/// The highest cluster version that a member agrees to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MaxClusterVersion {
    /// 3.7, unless the cluster is found at 3.5 or below.
    Auto,
    /// 3.5.
    V3_5,
    /// 3.6.
    V3_6,
    /// 3.7.
    V3_7,
}

/// How large the data may get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quota {
    /// At most this many bytes.
    Bytes(u64),
    /// As large as it gets.
    Unlimited,
}

/// What history is compacted by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AutoCompaction {
    /// Revisions older than this.
    Periodic(Duration),
    /// All but the newest revisions, this many.
    Revision(i64),
}

impl Config {
    /// Reads flags that [`crate::validate`] has found good.
    pub(crate) fn from_settings(
        settings: Settings<'_>,
        logging: Logging,
        feature_gates: FeatureGates,
        auto_compaction: Option<AutoCompaction>,
    ) -> Self {
        let millis = |name| Duration::from_millis(settings.uint(name));
        let wal_dir = settings.text("wal-dir");
        Self {
            name: settings.text("name"),
            data_dir: PathBuf::from(settings.text("data-dir")),
            wal_dir: (!wal_dir.is_empty()).then(|| PathBuf::from(wal_dir)),
            listen_peer_urls: settings.urls("listen-peer-urls"),
            listen_client_urls: settings.urls("listen-client-urls"),
            listen_client_http_urls: settings.urls("listen-client-http-urls"),
            listen_metrics_urls: settings.urls("listen-metrics-urls"),
            advertise_peer_urls: settings.urls("initial-advertise-peer-urls"),
            advertise_client_urls: settings.urls("advertise-client-urls"),
            initial_cluster: settings.text("initial-cluster"),
            cluster_state: cluster_state(&settings.text("initial-cluster-state")),
            initial_cluster_token: settings.text("initial-cluster-token"),
            initial_election_tick_advance: settings.bool("initial-election-tick-advance"),
            strict_reconfig_check: settings.bool("strict-reconfig-check"),
            max_learners: usize::try_from(settings.int("max-learners")).unwrap_or(0),
            pre_vote: settings.bool("pre-vote"),
            max_cluster_version: max_cluster_version(&settings.text("max-cluster-version")),
            force_new_cluster: settings.bool("force-new-cluster"),
            corrupt_check_time: settings.period("corrupt-check-time"),
            compact_hash_check_time: settings
                .duration_or("compact-hash-check-time", Duration::from_mins(1)),
            downgrade_check_time: settings.period("downgrade-check-time"),
            raft_read_timeout: settings.at_least("raft-read-timeout", RAFT_TIMEOUT_MIN),
            raft_write_timeout: settings.at_least("raft-write-timeout", RAFT_TIMEOUT_MIN),
            heartbeat: millis("heartbeat-interval"),
            election: millis("election-timeout"),
            snapshot_count: settings.uint("snapshot-count"),
            snapshot_catchup_entries: settings.uint("snapshot-catchup-entries"),
            max_wals: unless_zero(settings.uint("max-wals")),
            max_snapshots: unless_zero(settings.uint("max-snapshots")),
            quota: quota(settings.int("quota-backend-bytes")),
            backend_batch_interval: settings
                .duration_or("backend-batch-interval", Duration::from_millis(100)),
            backend_batch_limit: limit_or(settings.int("backend-batch-limit"), 10_000),
            bootstrap_defrag: unless_zero(
                settings.uint("bootstrap-defrag-threshold-megabytes").saturating_mul(1 << 20),
            ),
            unsafe_no_fsync: settings.bool("unsafe-no-fsync"),
            max_txn_ops: settings.uint("max-txn-ops"),
            max_request_bytes: settings.uint("max-request-bytes"),
            max_concurrent_streams: u32::try_from(settings.uint("max-concurrent-streams"))
                .expect("the flag's type has 32 bits"),
            auto_compaction,
            compaction_batch_limit: limit_or(settings.int("compaction-batch-limit"), 1000),
            compaction_sleep_interval: settings
                .duration_or("compaction-sleep-interval", Duration::from_millis(10)),
            watch_progress_notify_interval: settings
                .duration_or("watch-progress-notify-interval", Duration::from_secs(600)),
            auth_token: settings.text("auth-token"),
            auth_token_ttl: Duration::from_secs(settings.uint("auth-token-ttl")),
            bcrypt_cost: bcrypt_cost(settings.uint("bcrypt-cost")).unwrap_or(BCRYPT_COST_DEFAULT),
            warning_apply_duration: settings.duration_or_zero("warning-apply-duration"),
            warning_unary_request_duration: settings
                .duration_or("warning-unary-request-duration", WARNING_UNARY_DEFAULT),
            extensive_metrics: settings.text("metrics") == "extensive",
            logging,
            feature_gates,
        }
    }

    /// Ticks in an election timeout.
    #[must_use]
    pub fn election_ticks(&self) -> u64 {
        (self.election.as_millis() / self.heartbeat.as_millis()) as u64
    }

    /// How long a request may take: 5 s for the work, and two elections.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        let ticks = u32::try_from(self.election_ticks()).unwrap_or(u32::MAX);
        Duration::from_secs(5) + 2 * ticks * self.heartbeat
    }

    /// `<data-dir>/member`.
    #[must_use]
    pub fn member_dir(&self) -> PathBuf {
        self.data_dir.join("member")
    }

    /// The folder of the log.
    #[must_use]
    pub fn wal_path(&self) -> PathBuf {
        self.wal_dir.clone().unwrap_or_else(|| self.member_dir().join("wal"))
    }

    /// The folder of snapshots and of the data file.
    #[must_use]
    pub fn snap_dir(&self) -> PathBuf {
        self.member_dir().join("snap")
    }

    /// The data file.
    #[must_use]
    pub fn backend_path(&self) -> PathBuf {
        self.snap_dir().join("db")
    }
}

const BCRYPT_COST_DEFAULT: u32 = 10;

/// The cost, if bcrypt has it.
pub fn bcrypt_cost(cost: u64) -> Option<u32> {
    u32::try_from(cost).ok().filter(|cost| (4..=31).contains(cost))
}

fn cluster_state(text: &str) -> ClusterState {
    if text == "existing" { ClusterState::Existing } else { ClusterState::New }
}

fn max_cluster_version(text: &str) -> MaxClusterVersion {
    match text {
        "3.5" => MaxClusterVersion::V3_5,
        "3.6" => MaxClusterVersion::V3_6,
        "3.7" => MaxClusterVersion::V3_7,
        _ => MaxClusterVersion::Auto,
    }
}

fn quota(bytes: i64) -> Quota {
    match u64::try_from(bytes) {
        Ok(0) => Quota::Bytes(QUOTA_DEFAULT_BYTES),
        Ok(bytes) => Quota::Bytes(bytes),
        Err(_) => Quota::Unlimited,
    }
}

fn unless_zero(count: u64) -> Option<u64> {
    (count != 0).then_some(count)
}

/// A limit whose zero stands for a default; a negative one is reached at once.
fn limit_or(limit: i64, default: u64) -> u64 {
    match limit {
        0 => default,
        limit => limit.max(1).unsigned_abs(),
    }
}
