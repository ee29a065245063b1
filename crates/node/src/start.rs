//! Starting and stopping a member.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use apply::View;
use auth::TokenProvider;
use backend::schema::migration::{PlanError, plan};
use backend::{Backend, Committer};
use env::{Clock, Disk};
use lease::Deadlines;
use membership::Url;
use proto::version::{self, Version};
use raft::{Config, RawNode, StorageWrites};
use snap::Snapshots;
use telemetry::Registry;
use types::{ClusterId, Index, MemberId};

use crate::applying::Applying;
use crate::boot::{Base, Booted, ClusterState, Ground};
use crate::commit::{Commits, Loaded};
use crate::compactor::Retention;
use crate::consensus::Consensus;
use crate::corruption::{Checks, InitialError, Inquiry};
use crate::data_dir::{self, Kind, Paths};
use crate::handle::Node;
use crate::install::{self, Installer};
use crate::log::{Keep, Log};
use crate::metrics::{self, Metrics};
use crate::network::{Identity, Network};
use crate::peers::KnownPeers;
use crate::probation::Trial;
use crate::request_id::RequestIds;
use crate::shared::{Parts, Settings, Shared};
use crate::threads::Threads;
use crate::turns::{ApplyTurns, CommitTurns, Cores, LogTurns, Pace, RaftTurns};
use crate::world::World;
use crate::{monitor, raft_log};

/// How many bytes of entries raft keeps in memory; older ones are read back from the log.
pub(crate) const RAFT_LOG_BYTES_MAX: u64 = 16 << 20;
/// Raft's limits, as all members of etcd have them (spec/peer.md 5.8).
const SIZE_PER_MESSAGE_MAX: u64 = 1 << 20;
const INFLIGHT_MESSAGES_MAX: usize = 512;
/// How many bytes of entries may be on their way to one follower, and how many a follower may hold
/// that are not stored yet. etcd's have no such limits.
const INFLIGHT_BYTES_MAX: u64 = 32 << 20;
const UNSTABLE_BYTES_MAX: u64 = 64 << 20;

/// What a member is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--name`.
    pub name: String,
    /// `--data-dir` and `--wal-dir`.
    pub paths: Paths,
    /// `--initial-cluster`.
    pub initial_cluster: String,
    /// `--initial-advertise-peer-urls`.
    pub peer_urls: Vec<Url>,
    /// `--initial-cluster-token`.
    pub initial_cluster_token: String,
    /// `--initial-cluster-state`.
    pub cluster_state: ClusterState,
    /// `--advertise-client-urls`.
    pub client_urls: Vec<String>,
    /// `--heartbeat-interval`.
    pub tick: Duration,
    /// `--election-timeout` in ticks.
    pub election_ticks: u32,
    /// `--pre-vote`.
    pub pre_vote: bool,
    /// `--snapshot-count`.
    pub snapshot_count: u64,
    /// `--snapshot-catchup-entries`.
    pub catchup_entries: u64,
    /// `--max-wals` and `--max-snapshots`.
    pub keep: Keep,
    /// `--backend-batch-interval`.
    pub batch_interval: Duration,
    /// `--backend-batch-limit`.
    pub batch_limit: usize,
    /// How large a segment of the log becomes: etcd's size but in tests.
    pub segment_bytes: u64,
    /// `--unsafe-no-fsync`.
    pub unsafe_no_fsync: bool,
    /// `--auto-compaction-*`.
    pub retention: Retention,
    /// `--compaction-batch-limit`.
    pub compaction_batch: usize,
    /// `--compaction-sleep-interval`.
    pub compaction_sleep: Duration,
    /// `--watch-progress-notify-interval`.
    pub watch_progress_interval: Duration,
    /// `--auth-token`.
    pub auth_token: String,
    /// `--auth-token-ttl`.
    pub auth_token_ttl: Duration,
    /// What is left of leases is noted (feature `LeaseCheckpoint`).
    pub lease_checkpoints: bool,
    /// And stored (feature `LeaseCheckpointPersist`).
    pub persist_checkpoints: bool,
    /// When data is compared with the other members'.
    pub checks: Checks,
    /// `--downgrade-check-time`.
    pub downgrade_check: Option<Duration>,
    /// `--force-new-cluster`.
    pub force_new_cluster: bool,
    /// `--initial-election-tick-advance`.
    pub skip_first_ticks: bool,
    /// What callers are held to.
    pub settings: Settings,
}

/// Why a member does not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    #[error(transparent)]
    Backend(#[from] backend::Error),
    #[error(transparent)]
    Wal(#[from] wal::Error),
    #[error(transparent)]
    Snap(#[from] snap::Error),
    #[error(transparent)]
    Schema(#[from] PlanError),
    #[error(transparent)]
    Apply(#[from] apply::Error),
    #[error(transparent)]
    InitialCluster(#[from] membership::InitialError),
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("error setting up initial cluster: {0}")]
    InitialClusterText(membership::UrlError),
    #[error("member {member} has already been bootstrapped")]
    AlreadyBootstrapped { member: MemberId },
    #[error(
        "member {member} was started before, and its data is not here: remove it from the cluster \
         and add it anew"
    )]
    LostData { member: MemberId },
    #[error(
        "the log in {} is empty, and of member {member} of cluster {cluster}, which is not what the \
         flags say: remove it if the flags are right", dir.display()
    )]
    OtherBeginning { dir: PathBuf, member: MemberId, cluster: ClusterId },
    #[error("cannot fetch cluster info from peer urls: {0}")]
    Join(String),
    #[error("error validating peerURLs {existing}: {reason}")]
    OtherCluster { existing: String, reason: membership::InitialError },
    #[error("member {member} was removed from the cluster, and does not come back")]
    Removed { member: MemberId },
    #[error("{member} found data inconsistency with peers")]
    Inconsistent { member: MemberId },
    #[error("read the database: {0}")]
    Unreadable(mvcc::Error),
    #[error("the process ends")]
    Stopped,
    #[error("incompatible with current running cluster")]
    Incompatible,
    #[error("{}", membership::Error::TooManyLearners)]
    TooManyLearners,
    #[error("v2 http proxy has already been deprecated in 3.6: {} is the directory of one", .0.display())]
    Proxy(PathBuf),
    #[error("the database has entries up to index {index}, but there is no log in {}", dir.display())]
    LogMissing { index: Index, dir: PathBuf },
    #[error(
        "failed to find database snapshot file (snap: snapshot file doesn't exist): {} has entries up \
         to index {applied}, and beside it is no database of the snapshot at index {snapshot}",
        database.display()
    )]
    DatabaseMissing { database: PathBuf, applied: Index, snapshot: Index },
    #[error("{} is not of this member's log: it knows no member {member}", database.display())]
    ForeignDatabase { database: PathBuf, member: MemberId },
    #[error("the snapshot in {} is not of this member's log: it has other members", folder.display())]
    ForeignSnapshot { folder: PathBuf },
    #[error("the log's metadata is damaged: {0}")]
    Metadata(String),
    #[error("entry {index} cannot be read: {reason}")]
    Entry { index: u64, reason: String },
    #[error("raft: {0}")]
    Raft(String),
    #[error("{0}")]
    AuthToken(String),
    #[error(
        "invalid downgrade; server version is lower than determined cluster version: \
         this member is held at {level}, the cluster is at {cluster}"
    )]
    BelowCluster { level: Version, cluster: Version },
}

/// How far Go gets until an error ends its start; it says so with other words each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// To the member's own place in the cluster, and the files for it.
    Bootstrap,
    /// Further.
    Later,
    /// Go ends otherwise, or has no such error.
    None,
}

impl Error {
    /// At which stage of Go's start this error ends it.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::DataDir(_)
            | Self::Io { .. }
            | Self::Schema(_)
            | Self::InitialCluster(_)
            | Self::AlreadyBootstrapped { .. }
            | Self::LostData { .. }
            | Self::OtherBeginning { .. }
            | Self::Join(_)
            | Self::OtherCluster { .. }
            | Self::Incompatible
            | Self::TooManyLearners => Stage::Bootstrap,
            Self::InitialClusterText(_) | Self::Inconsistent { .. } | Self::AuthToken(_) => {
                Stage::Later
            }
            _ => Stage::None,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }
}

/// A running member and its threads.
pub struct Member {
    node: Node,
    threads: Threads,
}

impl Member {
    /// What callers ask.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Stops in order: what was applied is committed to the file, and the log is closed. Blocks.
    pub fn stop(self) {
        self.node.0.peers.stop();
        self.threads.stop(&self.node.0);
    }
}

/// Opens or makes a member's files and starts it. Blocks; to be called within a tokio runtime, which
/// then runs the member's timers.
///
/// # Errors
/// [`Error`]; nothing was lost.
pub fn start(
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    network: &Arc<dyn Network>,
    registry: &Registry,
    options: &Options,
) -> Result<Member, Error> {
    let world = World::new(disk, clock, Arc::clone(network));
    let runtime = tokio::runtime::Handle::current();
    let Assembled { shared, cores, trial } =
        runtime.block_on(assemble(&world, registry, options))?;
    let threads = Threads::start(&shared, cores)
        .map_err(|source| Error::io("start the threads of", &options.paths.data, source))?;
    let node = Node(shared);
    monitor::start(&node, options, trial);
    Ok(Member { node, threads })
}

/// All parts of a member, none of which is running yet.
pub(crate) struct Assembled {
    pub(crate) shared: Arc<Shared>,
    pub(crate) cores: Cores,
    pub(crate) trial: Option<Trial>,
}

/// Opens or makes a member's files and loads what is in them.
pub(crate) async fn assemble(
    world: &World,
    registry: &Registry,
    options: &Options,
) -> Result<Assembled, Error> {
    let World { disk, clock, network, .. } = world;
    let snapshots = Snapshots::new(Arc::clone(disk), Arc::clone(clock), &options.paths.snap);
    let booted = boot(&Ground { world, options, snapshots: &snapshots }).await?;
    check_level(options, &booted)?;
    let (member_id, cluster_id) = (booted.member_id, booted.cluster_id);
    tracing::info!("cluster-id" = %cluster_id, "local-member-id" = %member_id,
        "applied-index" = booted.applied.get(), "starting member");
    let consensus = raft_core(options, world, &booted)?;
    let Loaded { applier, compaction } =
        install::load(options, member_id, booted.backend, booted.members, booted.conf_state)?;
    let view = applier.view();
    let mut tokens = TokenProvider::new(&options.auth_token, options.auth_token_ttl)
        .map_err(|error| Error::AuthToken(error.to_string()))?;
    tokens.begin(view.auth.is_enabled());
    check_data(world, options, cluster_id, member_id, &view).await?;
    let identity = identity(options, cluster_id, member_id, &view, booted.joined);
    let peers = KnownPeers::new(member_id, network.enter(&identity));
    peers.follow(&view.cluster);
    peers.add_remotes(&booted.remotes);
    let shared = Arc::new(Shared::new(Parts {
        cluster_id,
        member_id,
        settings: options.settings,
        clock: Arc::clone(clock),
        tasks: Arc::clone(&world.tasks),
        randomness: Arc::clone(&world.randomness),
        network: Arc::clone(network),
        peers,
        joined: booted.joined,
        deadlines: Deadlines::new(lease_options(options)),
        tokens,
        metrics: Metrics::new(registry, &options.settings),
        sizes: applier.sizes(),
        view,
    }));
    metrics::register_observed(registry, &shared);
    let installer = Installer {
        disk: Arc::clone(disk),
        options: options.clone(),
        snapshots: snapshots.clone(),
        member: member_id,
        sizes: applier.sizes(),
    };
    let pace = Pace {
        tick: options.tick,
        batch_interval: options.batch_interval,
        compaction_batch: options.compaction_batch,
        compaction_sleep: options.compaction_sleep,
        catchup_entries: options.catchup_entries,
    };
    let log = Log::new(Arc::clone(disk), booted.wal, snapshots, options.keep);
    let applying = Applying::new(applier, compaction, options.snapshot_count, booted.last_snapshot)
        .slow_beyond(options.settings.warning_apply);
    let now = clock.now();
    let cores = Cores {
        raft: RaftTurns::new(consensus, pace, now),
        log: LogTurns::new(log, pace),
        apply: ApplyTurns::new(applying, pace, installer, now),
        commit: CommitTurns::new(Commits::new(booted.committer)),
    };
    Ok(Assembled { shared, cores, trial: booted.trial })
}

/// Compares what was loaded with the other members, if that is wished for.
async fn check_data(
    world: &World,
    options: &Options,
    cluster: ClusterId,
    me: MemberId,
    view: &View,
) -> Result<(), Error> {
    if !options.checks.initial || view.index == Index(0) {
        return Ok(());
    }
    let timeout = options.settings.request_timeout;
    let others: Vec<_> = view.cluster.members().filter(|member| member.id != me).cloned().collect();
    let (network, tasks) = (&*world.network, &*world.tasks);
    let inquiry = Inquiry { network, tasks, cluster, timeout };
    let checked = inquiry.initial(view.read.clone(), &others).await;
    checked.map_err(|error| match error {
        InitialError::Different => Error::Inconsistent { member: me },
        InitialError::Unreadable(error) => Error::Unreadable(error),
        InitialError::Stopped => Error::Stopped,
    })
}

fn identity(
    options: &Options,
    cluster: ClusterId,
    member: MemberId,
    view: &View,
    joined: Option<Version>,
) -> Identity {
    let known = view.cluster.version().or(joined);
    Identity {
        cluster,
        member,
        removed: view.cluster.contents().removed.iter().copied().collect(),
        level: options.settings.max_cluster_version.announced(known),
    }
}

async fn boot(ground: &Ground<'_>) -> Result<Booted, Error> {
    let (disk, paths) = (&*ground.world.disk, &ground.options.paths);
    if data_dir::identify(disk, &paths.data)? == Kind::Proxy {
        return Err(Error::Proxy(paths.data.clone()));
    }
    data_dir::create(disk, paths)?;
    ground.snapshots.clean()?;
    let has_log = wal::exists(disk, &paths.wal)?;
    if has_log {
        data_dir::check_log(disk, paths)?;
    }
    let has_database = disk
        .exists(&paths.database())
        .map_err(|source| Error::io("look for", &paths.database(), source))?;
    let (backend, committer) = install::open(ground.world, ground.options).await?;
    if !has_log {
        data_dir::sync_names(disk, paths)?;
        return ground.begin(backend, committer).await;
    }
    check_schema(&backend)?;
    let document_needed =
        backend.get(backend::Bucket::Meta, backend::schema::storage_version::KEY)?.is_none();
    let base = ground.base(document_needed)?;
    let (backend, committer) = with_snapshot(ground, backend, committer, &base).await?;
    if !has_database && base.metadata.index == 0 {
        tracing::warn!("there is no database: it is made anew from the log");
    }
    check_schema(&backend)?;
    let booted = ground.restart(backend, committer, &base)?;
    if booted.is_blank() { ground.begin_again(booted).await } else { Ok(booted) }
}

/// Refuses a database of a later version, whose rows may mean what is not known here. One whose
/// version cannot be told is of 3.4, or nothing was committed to it.
fn check_schema(backend: &Backend) -> Result<(), Error> {
    match backend.schema_version()? {
        Ok(found) => Ok(plan(found, version::V3_7).map(drop)?),
        Err(_) => Ok(()),
    }
}

/// A database behind its snapshot is replaced by the one that came with the snapshot.
async fn with_snapshot(
    ground: &Ground<'_>,
    backend: Backend,
    committer: Committer,
    base: &Base,
) -> Result<(Backend, Committer), Error> {
    let index = Index(base.metadata.index);
    let applied = backend.last_committed().position().index;
    if applied >= index {
        return Ok((backend, committer));
    }
    let database = ground.options.paths.database();
    tracing::info!("Recovering from snapshot backend");
    drop((backend, committer));
    if ground.snapshots.database(index).is_err() {
        return Err(Error::DatabaseMissing { database, applied, snapshot: index });
    }
    ground.snapshots.install_database(index)?;
    let opened = install::open(ground.world, ground.options).await?;
    let applied = opened.0.last_committed().position().index;
    if applied < index {
        return Err(Error::DatabaseMissing { database, applied, snapshot: index });
    }
    Ok(opened)
}

fn check_level(options: &Options, booted: &Booted) -> Result<(), Error> {
    let Some(cluster) = booted.members.cluster().version() else { return Ok(()) };
    let level = options.settings.max_cluster_version.level(Some(cluster));
    if membership::versions::is_below_cluster(level, Some(cluster)) {
        return Err(Error::BelowCluster { level, cluster });
    }
    Ok(())
}

fn lease_options(options: &Options) -> lease::Options {
    lease::Options {
        checkpoint_interval: options.lease_checkpoints.then_some(lease::CHECKPOINT_INTERVAL),
        ..lease::Options::default()
    }
}

fn raft_core(
    options: &Options,
    world: &World,
    booted: &Booted,
) -> Result<Consensus<crate::shared::ReadWaiter>, Error> {
    let mut config = Config::new(booted.member_id, (world.randomness)());
    config.election_tick = options.election_ticks;
    config.applied = booted.applied;
    config.storage_writes = StorageWrites::Asynchronous;
    config.size_per_message_max = SIZE_PER_MESSAGE_MAX;
    config.inflight_messages_max = INFLIGHT_MESSAGES_MAX;
    config.inflight_bytes_max = INFLIGHT_BYTES_MAX;
    config.unstable_size_max = UNSTABLE_BYTES_MAX;
    config.check_quorum = true;
    config.pre_vote = options.pre_vote;
    config.step_down_on_stalled_append = true;
    config.logger = Arc::new(raft_log::RaftLog);
    let wrong = |error: raft::Error| Error::Raft(error.to_string());
    let mut raw = RawNode::new(config, booted.storage.clone()).map_err(wrong)?;
    if !booted.founders.is_empty() {
        raw.bootstrap(&booted.founders).map_err(wrong)?;
    }
    let ids = RequestIds::new(booted.member_id, world.clock.wall());
    let founders = booted.founders.len();
    let probation = booted.trial.as_ref().map(|trial| trial.probation);
    Ok(Consensus::new(booted.member_id, raw, ids).founded_by(founders).on(probation))
}
