//! What callers can ask of a running member.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apply::View;
use auth::{Identity, Lookup};
use backend::{Sizes, Ticket};
use membership::{Change, Member};
use mvcc::KvHash;
use prost::Message;
use proto::RequestKind;
use proto::error::{Error as Known, Status};
use proto::etcdserverpb::{InternalRaftRequest, RequestHeader};
use proto::raftpb::{Message as RaftMessage, MessageType};
use proto::version::{self, Version};
use raft::SnapshotStatus;
use raft::confchange::ConfChangeEntry;
use tokio::sync::oneshot;
use types::{ClusterId, Index, MemberId, Term};

use crate::inbox::Urgency;
use crate::metrics::Metrics;
use crate::network::{Incoming, Network};
use crate::shared::{Answer, Applied, Leadership, Shared};
use crate::{applying, consensus};

/// How far the applied index may be behind the committed one before proposals are refused.
const APPLY_GAP_MAX: u64 = 5000;
/// How soon a proposal is made again that the leader did not take.
const DROPPED_PAUSE: Duration = Duration::from_millis(10);
/// How long a removed member goes on.
const REMOVAL_DELAY: Duration = Duration::from_secs(1);
/// How long a lease request waits for what is committed to be applied (etcd's `applyTimeout`).
const APPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// A running member. Cheap to clone.
#[derive(Clone)]
pub struct Node(pub(crate) Arc<Shared>);

impl Node {
    /// The cluster's and the member's identity.
    #[must_use]
    pub fn ids(&self) -> (ClusterId, MemberId) {
        (self.0.cluster_id, self.0.member_id)
    }

    /// What is counted of this member.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The time by the member's clock.
    #[must_use]
    pub fn now(&self) -> env::Monotonic {
        self.0.clock.now()
    }

    /// The newest state that readers may see.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.0.view()
    }

    /// What is known of raft.
    #[must_use]
    pub fn raft(&self) -> consensus::Status {
        self.0.status()
    }

    /// Raft's term.
    #[must_use]
    pub fn term(&self) -> Term {
        self.0.status().term
    }

    /// Whether there is a leader.
    #[must_use]
    pub fn has_leader(&self) -> bool {
        self.0.status().leader != MemberId(0)
    }

    /// Whether this member is a learner.
    #[must_use]
    pub fn is_learner(&self) -> bool {
        let view = self.0.view();
        view.cluster.is_member(self.0.member_id)
            && view.cluster.member(self.0.member_id).is_some_and(|member| member.is_learner)
    }

    /// The sizes of the database.
    #[must_use]
    pub fn sizes(&self) -> &Sizes {
        &self.0.sizes
    }

    /// The quota of the database.
    #[must_use]
    pub fn quota(&self) -> apply::Quota {
        self.0.settings.quota
    }

    /// A number that no other request of any member has.
    #[must_use]
    pub fn next_id(&self) -> u64 {
        self.0.ids.next()
    }

    /// Proposes a request in somebody's name, and waits until it is applied here.
    ///
    /// # Errors
    /// The refusal; too many or too large requests; a time-out, in Go's three wordings.
    pub fn propose(
        &self,
        who: Identity,
        mut request: InternalRaftRequest,
    ) -> impl Future<Output = Result<Answer, Status>> + Send + '_ {
        let start = self.now();
        let kind = RequestKind::of(&request);
        let id = self.0.ids.next();
        request.header =
            Some(RequestHeader { id, username: who.user, auth_revision: who.revision });
        // The message is large and mostly empty: what waits keeps its bytes alone.
        let data = request.encode_to_vec();
        async move {
            self.check_gap()?;
            let answer = self.propose_bytes(id, data).await;
            self.metrics().requests.proposed(kind, self.now().since(start), answer.is_ok());
            answer
        }
    }

    async fn propose_bytes(&self, id: u64, data: Vec<u8>) -> Result<Answer, Status> {
        if data.len() > self.0.settings.request_bytes_max {
            return Err(Known::RequestTooLarge.into());
        }
        let data = bytes::Bytes::from(data);
        let event = |id| consensus::Event::Propose { id, data: data.clone() };
        let _pending = self.metrics().requests.begin();
        self.wait_for(id, event).await
    }

    /// As [`propose`](Self::propose), by the member itself.
    ///
    /// # Errors
    /// As [`propose`](Self::propose).
    pub fn propose_as_root(
        &self,
        request: InternalRaftRequest,
    ) -> impl Future<Output = Result<Answer, Status>> + Send + '_ {
        self.propose(self.root(), request)
    }

    /// The identity in which the member itself proposes.
    pub(crate) fn root(&self) -> Identity {
        let auth = &self.0.view().auth;
        if auth.is_enabled() { Identity::root(auth.revision()) } else { Identity::default() }
    }

    /// Too much that is committed and not applied means that the member cannot keep up.
    fn check_gap(&self) -> Result<(), Status> {
        let applied = self.0.applied.borrow().get();
        if self.0.status().committed.get() > applied + APPLY_GAP_MAX {
            return Err(Known::TooManyRequests.into());
        }
        Ok(())
    }

    /// Takes what came from the network.
    pub fn receive(&self, incoming: Incoming) {
        let shared = &self.0;
        let (message, is_snapshot) = match incoming {
            Incoming::Message(message) => (message, false),
            Incoming::Snapshot(message) => (message, true),
            Incoming::Unreachable(member) => {
                shared.consensus.complete(consensus::Event::Unreachable(member));
                return;
            }
            Incoming::SnapshotSent { to, arrived } => {
                let status = if arrived { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
                shared.consensus.complete(consensus::Event::SnapshotSent(to, status));
                return;
            }
            Incoming::Removed => {
                shared.removed.send_replace(true);
                return;
            }
        };
        // Without its database a snapshot could not be installed.
        if !is_snapshot && message.message_type == MessageType::Snap {
            tracing::warn!(from = %MemberId(message.from), "dropped a snapshot without a database");
            return;
        }
        let bytes = message.entries.iter().map(|entry| entry.data.len()).sum();
        let urgency = urgency(&message);
        let event = consensus::Event::Message(message);
        if shared.consensus.foreign(event, bytes, urgency).is_err() {
            tracing::debug!("dropped a raft message: too many wait");
        }
    }

    /// How far the members are, if this one leads.
    pub(crate) async fn progress(&self) -> Result<Option<Vec<(MemberId, Index)>>, Status> {
        let id = self.0.ids.next();
        let mut waiter = self.0.progress.register(id);
        self.0.consensus.urgent(consensus::Event::Progress { id }).map_err(|_| self.refused())?;
        tokio::select! {
            biased;
            progress = waiter.answer() => progress.ok_or_else(|| Known::Stopped.into()),
            () = self.stopped() => Err(Known::Stopped.into()),
        }
    }

    /// Raft's state as JSON, as etcd shows it; `None` while the member stops.
    pub async fn raft_json(&self) -> Option<String> {
        let id = self.0.ids.next();
        let mut waiter = self.0.shown.register(id);
        self.0.consensus.urgent(consensus::Event::Show { id }).ok()?;
        tokio::select! {
            biased;
            state = waiter.answer() => state,
            () = self.stopped() => None,
        }
    }

    pub(crate) fn network(&self) -> &dyn Network {
        &*self.0.network
    }

    /// Hands an event to raft and waits for the answer to its id. What raft drops for want of a
    /// leader is handed over again when there is one.
    async fn wait_for(
        &self,
        id: u64,
        event: impl Fn(u64) -> consensus::Event<oneshot::Sender<Index>>,
    ) -> Result<Answer, Status> {
        let start = self.0.clock.now();
        let held = AtomicBool::new(false);
        let attempts = async {
            loop {
                held.store(false, Ordering::Relaxed);
                let mut waiter = self.0.waiters.register(id);
                if self.0.consensus.request(event(id)).is_err() {
                    self.metrics().requests.gave_up();
                    return Err(self.refused());
                }
                match waiter.answer().await {
                    Some(Ok(Applied { index, revision, outcome })) => {
                        let response = outcome?;
                        return Ok(Answer { index, revision, response });
                    }
                    Some(Err(())) => drop(waiter),
                    None => return Err(Known::Stopped.into()),
                }
                // Also a leader drops proposals, while it hands over.
                if self.has_leader() {
                    self.sleep(DROPPED_PAUSE).await;
                }
                held.store(true, Ordering::Relaxed);
                tokio::select! {
                    biased;
                    () = self.wait_for_leader() => {}
                    () = self.stopped() => return Err(Known::Stopped.into()),
                }
            }
        };
        let answered = self.timeout(self.0.settings.request_timeout, attempts).await;
        answered.unwrap_or_else(|_| {
            self.metrics().requests.gave_up();
            // What raft never took ends in Go with the bare deadline.
            let held = held.load(Ordering::Relaxed);
            let error = if held { Known::ContextDeadlineExceeded } else { self.timed_out(start) };
            Err(error.into())
        })
    }

    fn refused(&self) -> Status {
        if self.0.consensus.is_closed() {
            Known::Stopped.into()
        } else {
            Known::TooManyRequests.into()
        }
    }

    /// Resolves when there is a leader.
    pub async fn leader_found(&self) {
        self.wait_for_leader().await;
    }

    pub(crate) async fn wait_for_leader(&self) {
        let mut leadership = self.0.leadership.subscribe();
        // An error means that the member is gone, which its callers see by themselves.
        let _ = leadership.wait_for(|now| now.leader != MemberId(0)).await;
    }

    /// Go's words for a request that took too long.
    fn timed_out(&self, start: env::Monotonic) -> Known {
        let Leadership { leader, since } = *self.0.leadership.borrow();
        // A leader that was elected while the request waited, or is still missing, says why.
        let elected_meanwhile = leader != MemberId(0) && since > start;
        if elected_meanwhile { Known::TimeoutDueToLeaderFail } else { Known::Timeout }
    }

    /// Returns when a read from [`view`](Self::view) is linearizable.
    ///
    /// # Errors
    /// A time-out, or that the member stops.
    pub async fn linearize(&self) -> Result<(), Status> {
        let confirmed = self.confirm_read().await;
        if confirmed.is_err() {
            self.metrics().requests.failed_read();
        }
        confirmed
    }

    async fn confirm_read(&self) -> Result<(), Status> {
        let (sender, receiver) = oneshot::channel();
        if self.0.consensus.urgent(consensus::Event::Read(sender)).is_err() {
            return Err(self.refused());
        }
        let confirmed = async {
            let index = receiver.await.map_err(|_| Known::Stopped)?;
            self.wait_applied(index).await
        };
        tokio::select! {
            biased;
            confirmed = self.timeout(self.0.settings.request_timeout, confirmed) => {
                Ok(confirmed.unwrap_or(Err(Known::Timeout))?)
            }
            () = self.stopped() => Err(Known::Stopped.into()),
        }
    }

    /// Returns when the view shows an entry.
    async fn wait_applied(&self, index: Index) -> Result<(), Known> {
        if *self.0.applied.borrow() >= index {
            return Ok(());
        }
        let mut applied = self.0.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= index).await;
        reached.map(|_| ()).map_err(|_| Known::Stopped)
    }

    /// Returns when everything that is committed now is applied.
    ///
    /// # Errors
    /// `etcdserver: request timed out, waiting for the applied index took too long`.
    pub async fn applied_all(&self) -> Result<(), Status> {
        let committed = self.0.status().committed;
        let waited = self.timeout(APPLY_TIMEOUT, self.wait_applied(committed)).await;
        Ok(waited.unwrap_or(Err(Known::TimeoutWaitAppliedIndex))?)
    }

    /// Who a token belongs to.
    ///
    /// # Errors
    /// [`auth::Error::InvalidAuthToken`].
    pub async fn identify(&self, token: &str) -> Result<Identity, auth::Error> {
        for _ in 0..2 {
            let view = self.0.view();
            let now = self.0.clock.now();
            let found = self.0.tokens().lookup(now, token, view.index, view.auth.revision());
            match found {
                Lookup::Known(identity) => return Ok(identity),
                Lookup::Unknown => break,
                Lookup::WaitFor(index) => {
                    let waited = self.timeout(APPLY_TIMEOUT, self.wait_applied(index));
                    if !matches!(waited.await, Ok(Ok(()))) {
                        break;
                    }
                }
            }
        }
        Err(auth::Error::InvalidAuthToken)
    }

    /// The random part of a new token.
    #[must_use]
    pub fn token_prefix(&self) -> String {
        let mut rng = (self.0.randomness)();
        self.0.tokens().prefix(&mut *rng)
    }

    /// Changes the members through the log, and waits until that is applied here. Strict checks are
    /// made first where they are on.
    ///
    /// # Errors
    /// The refusal, or a time-out.
    pub async fn change_members(&self, change: Change) -> Result<Vec<Member>, Status> {
        self.check_reconfiguration(&change)?;
        let id = self.0.ids.next();
        let in_log = ConfChangeEntry::V1(change.to_conf_change(id));
        let event = |id| consensus::Event::ProposeConfChange { id, change: in_log.clone() };
        let answer = self.wait_for(id, event).await?;
        match answer.response {
            apply::Response::Members(members) => Ok(members),
            // The leader put an empty entry in its place, since another change is under way; its
            // answer is never for this id.
            other => unreachable!("{other:?} to a change of members"),
        }
    }

    /// A committed state with everything applied so far.
    ///
    /// # Errors
    /// That the member stops.
    pub async fn ticket(&self) -> Result<Ticket, Status> {
        let (sender, receiver) = oneshot::channel();
        self.0.apply.complete(applying::Event::Ticket(sender));
        receiver.await.map_err(|_| Known::Stopped.into())
    }

    /// Returns when the physical part of a compaction is done.
    ///
    /// # Errors
    /// That the member stops.
    pub async fn compacted(&self, revision: i64) -> Result<(), Status> {
        let mut compacted = self.0.compacted.subscribe();
        tokio::select! {
            biased;
            reached = compacted.wait_for(|done| *done >= revision) => {
                reached.map(|_| ()).map_err(|_| Known::Stopped.into())
            }
            () = self.stopped() => Err(Known::Stopped.into()),
        }
    }

    /// The hash that a compaction left behind at a revision.
    #[must_use]
    pub fn compaction_hash(&self, revision: i64) -> Option<KvHash> {
        self.0.hashes().get(revision)
    }

    /// Resolves when the member stops.
    pub async fn stopped(&self) {
        let mut stopping = self.0.stopping.subscribe();
        // An error means that it is gone already.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// Resolves with the reason when the member cannot go on.
    pub async fn failed(&self) -> String {
        let mut failure = self.0.failure.subscribe();
        loop {
            if let Some(reason) = failure.borrow_and_update().clone() {
                return reason;
            }
            if failure.changed().await.is_err() {
                return "the member is gone".to_owned();
            }
        }
    }

    /// Resolves when there has been no leader for this long.
    pub async fn leaderless_for(&self, duration: Duration) {
        let mut leadership = self.0.leadership.subscribe();
        loop {
            let _ = leadership.wait_for(|now| now.leader == MemberId(0)).await;
            let back = leadership.wait_for(|now| now.leader != MemberId(0));
            if self.timeout(duration, back).await.is_err() {
                return;
            }
        }
    }

    fn check_reconfiguration(&self, change: &Change) -> Result<(), Status> {
        if !self.0.settings.strict_reconfig_check {
            return Ok(());
        }
        crate::reconfigure::check(&self.0, change)
    }
}

/// How long a message may wait: what others propose goes out together; what they send and have
/// stored while the log here is at work would wait for it.
fn urgency(message: &RaftMessage) -> Urgency {
    match message.message_type {
        MessageType::Prop => Urgency::Proposal,
        MessageType::App => Urgency::Answer,
        MessageType::AppResp if !message.reject => Urgency::Answer,
        _ => Urgency::Pressing,
    }
}

impl Node {
    /// Resolves when clients may be served: the member's name and client URLs are known to all.
    pub async fn ready(&self) {
        let mut published = self.0.published.subscribe();
        // An error means that the member is gone already.
        let _ = published.wait_for(|published| *published).await;
    }

    /// Resolves when this member was removed from the cluster, and the others have had the time to
    /// hear that from it.
    pub async fn removed(&self) {
        let mut removed = self.0.removed.subscribe();
        // An error means that the member is gone already.
        let _ = removed.wait_for(|removed| *removed).await;
        self.sleep(REMOVAL_DELAY).await;
        tracing::warn!("the member has been permanently removed from the cluster");
        tracing::warn!("data-dir used by this member must be removed");
    }
}

impl Node {
    /// Tells everybody that the member is about to stop: streams end, waiting requests are refused.
    pub fn begin_stop(&self) {
        self.0.begin_stop();
    }

    /// Ends the member, and with it the process: whoever calls has seen that it cannot go on, such as
    /// by a page of the database that cannot be read. Nothing is acknowledged from now on.
    pub fn fail(&self, reason: String) {
        self.0.fail(reason);
    }

    /// Why the member cannot go on, if it cannot.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.failure.borrow().clone()
    }

    /// The version that this member speaks for among others: what the cluster version may become.
    #[must_use]
    pub fn level(&self) -> Version {
        self.0.announced()
    }

    /// The version of the database's schema as text, or `unknown`: absent before 3.6.
    #[must_use]
    pub fn storage_version(&self) -> String {
        let cluster = self.view().cluster.version();
        match cluster.filter(|cluster| *cluster >= version::V3_6) {
            Some(cluster) => cluster.to_string(),
            None => "unknown".to_owned(),
        }
    }
}
