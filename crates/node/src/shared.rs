//! What the threads of a member and its callers share: queues, published states, and small locked
//! parts with one owner's logic each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use apply::{Response, View};
use auth::TokenProvider;
use backend::{Sizes, Ticket};
use env::{Clock, Monotonic, Rng, Tasks};
use lease::Deadlines;
use mvcc::{Hashes, ReadView};
use proto::error::Error as Known;
use proto::version::Version;
use tokio::sync::{oneshot, watch as channel};
use types::{ClusterId, Index, MemberId};

use crate::boot::MaxClusterVersion;
use crate::consensus::{self, Status};
use crate::inbox::Inbox;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::peers::KnownPeers;
use crate::request_id::RequestIds;
use crate::synced::Synced;
use crate::waiters::Waiters;
use crate::watching::Streams;
use crate::{applying, commit, log};

/// How many proposals and reads may wait for the raft thread.
const REQUESTS_MAX: usize = 64 << 10;

/// A read that waits for its index.
pub(crate) type ReadWaiter = oneshot::Sender<Index>;
/// Somebody who waits for a committed state.
pub(crate) type TicketWaiter = oneshot::Sender<Ticket>;

/// The result of an applied request.
#[derive(Debug)]
pub struct Answer {
    /// Where its entry stands.
    pub index: Index,
    /// The store's revision after it.
    pub revision: i64,
    /// The answer.
    pub response: Response,
}

/// A result with its refusal, as the apply thread hands it over.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) index: Index,
    pub(crate) revision: i64,
    pub(crate) outcome: Result<Response, Known>,
}

/// Who leads, and since when there is a leader or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leadership {
    /// The leader; 0 for none.
    pub leader: MemberId,
    /// When that began.
    pub since: Monotonic,
}

/// What the flags decide about a member while it runs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a request may take: 5 s and two election timeouts.
    pub request_timeout: Duration,
    /// `--heartbeat-interval`.
    pub tick: Duration,
    /// An election timeout.
    pub election: Duration,
    /// `--max-request-bytes`.
    pub request_bytes_max: usize,
    /// `--quota-backend-bytes`.
    pub quota: apply::Quota,
    /// `--strict-reconfig-check`.
    pub strict_reconfig_check: bool,
    /// `--max-learners`.
    pub learners_max: usize,
    /// `--max-cluster-version`.
    pub max_cluster_version: MaxClusterVersion,
    /// `--warning-apply-duration`.
    pub warning_apply: Duration,
}

/// Everything that is shared.
pub(crate) struct Shared {
    pub(crate) cluster_id: ClusterId,
    pub(crate) member_id: MemberId,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: Arc<dyn Tasks>,
    pub(crate) randomness: Arc<dyn Fn() -> Box<dyn Rng> + Send + Sync>,
    pub(crate) ids: RequestIds,
    pub(crate) sizes: Sizes,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) peers: KnownPeers,
    /// The version of the cluster when this member joined it.
    pub(crate) joined: Option<Version>,

    pub(crate) consensus: Inbox<consensus::Event<ReadWaiter>>,
    pub(crate) log: Inbox<log::Task>,
    pub(crate) apply: Inbox<applying::Event<TicketWaiter>>,
    pub(crate) commit: Inbox<commit::Task>,
    pub(crate) watch: Inbox<watch::Event<ReadView>>,

    pub(crate) waiters: Waiters<Result<Applied, ()>>,
    /// Who waits to hear how far the members are.
    pub(crate) progress: Waiters<Option<Vec<(MemberId, Index)>>>,
    /// Who waits to see raft's state.
    pub(crate) shown: Waiters<String>,
    pub(crate) deadlines: Mutex<Deadlines>,
    pub(crate) tokens: Mutex<TokenProvider>,
    pub(crate) hashes: Mutex<Hashes>,

    /// Held by the defragmentation that is under way.
    pub(crate) defragmenting: tokio::sync::Mutex<()>,
    pub(crate) streams: Mutex<Streams>,
    pub(crate) synced: Synced,
    pub(crate) metrics: Metrics,

    pub(crate) view: RwLock<Arc<View>>,
    pub(crate) status: RwLock<Status>,
    pub(crate) applied: channel::Sender<Index>,
    pub(crate) compacted: channel::Sender<i64>,
    pub(crate) leadership: channel::Sender<Leadership>,
    /// The members' rows have this member's name and client URLs.
    pub(crate) published: channel::Sender<bool>,
    /// This member's probation has ended; what proves that is durable once this is applied.
    pub(crate) proven: channel::Sender<Option<Index>>,
    /// This member was removed from the cluster.
    pub(crate) removed: channel::Sender<bool>,
    pub(crate) stopping: channel::Sender<bool>,
    pub(crate) failure: channel::Sender<Option<String>>,
}

/// What a member is made of besides its threads.
pub(crate) struct Parts {
    pub(crate) cluster_id: ClusterId,
    pub(crate) member_id: MemberId,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: Arc<dyn Tasks>,
    pub(crate) randomness: Arc<dyn Fn() -> Box<dyn Rng> + Send + Sync>,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) peers: KnownPeers,
    pub(crate) joined: Option<Version>,
    pub(crate) deadlines: Deadlines,
    pub(crate) tokens: TokenProvider,
    pub(crate) metrics: Metrics,
    pub(crate) sizes: Sizes,
    pub(crate) view: View,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let now = parts.clock.now();
        let is_removed = parts.view.cluster.is_removed(parts.member_id);
        Self {
            cluster_id: parts.cluster_id,
            member_id: parts.member_id,
            settings: parts.settings,
            ids: RequestIds::new(parts.member_id, parts.clock.wall()),
            clock: parts.clock,
            tasks: parts.tasks,
            randomness: parts.randomness,
            sizes: parts.sizes,
            network: parts.network,
            peers: parts.peers,
            joined: parts.joined,
            consensus: Inbox::new(REQUESTS_MAX),
            log: Inbox::new(0),
            apply: Inbox::new(0),
            commit: Inbox::new(0),
            watch: Inbox::new(0),
            waiters: Waiters::default(),
            progress: Waiters::default(),
            shown: Waiters::default(),
            deadlines: Mutex::new(parts.deadlines),
            tokens: Mutex::new(parts.tokens),
            hashes: Mutex::default(),
            defragmenting: tokio::sync::Mutex::default(),
            streams: Mutex::default(),
            synced: Synced::default(),
            metrics: parts.metrics,
            applied: channel::Sender::new(parts.view.index),
            view: RwLock::new(Arc::new(parts.view)),
            status: RwLock::new(Status::default()),
            compacted: channel::Sender::new(0),
            leadership: channel::Sender::new(Leadership { leader: MemberId(0), since: now }),
            published: channel::Sender::new(false),
            proven: channel::Sender::new(None),
            removed: channel::Sender::new(is_removed),
            stopping: channel::Sender::new(false),
            failure: channel::Sender::new(None),
        }
    }

    /// The newest published state.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets everybody see a state.
    pub(crate) fn publish(&self, view: View) {
        let index = view.index;
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        self.applied.send_replace(index);
    }

    /// The version that this member tells others.
    pub(crate) fn announced(&self) -> Version {
        let cluster = self.view().cluster.version().or(self.joined);
        self.settings.max_cluster_version.announced(cluster)
    }

    /// What is known of raft.
    pub(crate) fn status(&self) -> Status {
        *self.status.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_status(&self, status: Status) {
        *self.status.write().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Ends the process by way of its owner: nothing is acknowledged from now on.
    pub(crate) fn fail(&self, reason: String) {
        self.failure.send_if_modified(|failure| {
            if failure.is_none() {
                *failure = Some(reason);
                return true;
            }
            false
        });
        self.close();
    }

    /// Tells everybody that the member is about to stop.
    pub(crate) fn begin_stop(&self) {
        self.stopping.send_replace(true);
        self.waiters.close();
    }

    /// Ends the queues, and with them the threads.
    pub(crate) fn close(&self) {
        self.begin_stop();
        self.consensus.close();
        self.log.close();
        self.apply.close();
        self.commit.close();
        self.watch.close();
        self.synced.give_up();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }
}

fn locked<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn deadlines(&self) -> MutexGuard<'_, Deadlines> {
        locked(&self.deadlines)
    }

    pub(crate) fn tokens(&self) -> MutexGuard<'_, TokenProvider> {
        locked(&self.tokens)
    }

    pub(crate) fn hashes(&self) -> MutexGuard<'_, Hashes> {
        locked(&self.hashes)
    }
}
