//! Leases as callers ask about them: answered here by the leader, and by asking the leader
//! elsewhere. Nothing of this goes through the log, but for taking a checkpoint back.
//!
//! Invariant: a leader's word about a lease counts only when a quorum has confirmed, in a round that
//! began after the question, that it still leads. Whoever leads next was then elected after the
//! question, and gives each lease its whole time from there.

use std::time::Duration;

use apply::View;
use bytes::Bytes;
use env::Monotonic;
use lease::{Error, Renewal};
use proto::error::{Error as Known, Status};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::InternalRaftRequest;
use types::{LeaseId, MemberId};

use crate::ask::{self, Failure};
use crate::handle::Node;

/// How soon the leader is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Whether a caller may do something, given the state it would be done in.
pub type Check<'a> = &'a (dyn Fn(&View) -> Result<(), Status> + Sync);

/// Who asks the leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asker {
    /// A client of its own.
    Client,
    /// Another member, for one of its clients.
    Member,
}

/// Why the leader itself did not answer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Refusal {
    /// What the answer is, for callers.
    Status(Status),
    /// There is no such lease.
    NotFound,
    /// Somebody else leads.
    NotPrimary,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::NotFound,
            Error::NotPrimary => Self::NotPrimary,
            other => Self::Status(Known::from(other).into()),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Status(status) => status,
            Refusal::NotFound => Known::LeaseNotFound.into(),
            Refusal::NotPrimary => Known::from(Error::NotPrimary).into(),
        }
    }
}

/// How a question to the leader ended.
enum Asked<T> {
    /// With an answer.
    Answered(T),
    /// It has no such lease.
    NotFound,
    /// It is to be asked again.
    Again,
}

impl<T> Asked<T> {
    fn of(answer: Result<T, Failure>) -> Self {
        match answer {
            Ok(answer) => Self::Answered(answer),
            Err(Failure::Refused { status: 404, .. }) => Self::NotFound,
            Err(error) => {
                tracing::debug!(%error, "the leader did not answer about a lease");
                Self::Again
            }
        }
    }
}

impl Node {
    /// Renews a lease, on whichever member leads; gives its time to live in seconds. `check` is
    /// asked each time before it is tried.
    ///
    /// # Errors
    /// `check`'s; that there is no such lease; a time-out; that nobody leads.
    pub async fn renew_lease(&self, id: LeaseId, check: Check<'_>) -> Result<i64, Status> {
        let asking = async {
            loop {
                if self.raft().is_leader {
                    match self.renew_here(id, Asker::Client, check).await {
                        Err(Refusal::NotPrimary) => {}
                        answer => return Ok(answer?),
                    }
                }
                self.wait_for_leader().await;
                check(&self.view())?;
                for url in self.leader_urls() {
                    let asked = ask::renew_lease(self.network(), &url, id, self.patience());
                    match Asked::of(asked.await) {
                        Asked::Answered(ttl) => return Ok(ttl),
                        Asked::NotFound => return Err(Known::LeaseNotFound.into()),
                        Asked::Again => {}
                    }
                }
                self.sleep(RETRY_INTERVAL).await;
            }
        };
        self.in_time(asking).await
    }

    /// Renews a lease as the leader. It is renewed before leadership is confirmed, so that it does
    /// not end meanwhile, and again behind that: only the second counts.
    pub(crate) async fn renew_here(
        &self,
        id: LeaseId,
        asker: Asker,
        check: Check<'_>,
    ) -> Result<i64, Refusal> {
        let mut confirmed: Option<Monotonic> = None;
        loop {
            if !env::planted!("renewal-before-grant") {
                self.applied_all().await.map_err(Refusal::Status)?;
            }
            if asker == Asker::Member && confirmed.is_none() {
                env::fail_point!("beforeServeHTTPLeaseRenew");
            }
            check(&self.view()).map_err(Refusal::Status)?;
            if confirmed.is_none() {
                env::fail_point!("beforeCheckpointInLeaseRenew");
            }
            let now = self.0.clock.now();
            let renewal = self.0.deadlines().renew(now, id);
            // A leader after this one adds an election timeout to the time of its promotion: what
            // was confirmed within that is as good as confirmed now.
            let is_confirmed =
                confirmed.is_some_and(|began| now.since(began) <= self.0.settings.election);
            let is_answer = match renewal {
                Ok(Renewal::Renewed { .. }) => true,
                Err(Error::NotFound) => !env::planted!("renewal-before-grant"),
                _ => false,
            };
            if is_answer && !is_confirmed {
                confirmed = Some(self.confirm_leading().await?);
                continue;
            }
            match renewal? {
                Renewal::Renewed { ttl } => {
                    self.metrics().leases.renewed();
                    return Ok(ttl);
                }
                // What was noted of the lease's remaining time has to be taken back first.
                Renewal::CheckpointFirst => {
                    self.clear_checkpoint(id).await.map_err(Refusal::Status)?;
                }
                Renewal::RevokePending => {
                    self.lease_revoked(id).await.map_err(Refusal::Status)?;
                }
            }
        }
    }

    /// Makes sure that this member leads, and gives the time since when that is certain. Everything
    /// that was committed then is applied: a leader that is new may have grants and revocations in
    /// its log and not know yet that they are committed. One that was replaced and does not know it
    /// (etcd #15247) finds out, or gets no answer until it steps down.
    async fn confirm_leading(&self) -> Result<Monotonic, Refusal> {
        let (now, before) = (self.0.clock.now(), self.raft());
        if !before.is_leader {
            return Err(Refusal::NotPrimary);
        }
        let mut leadership = self.0.leadership.subscribe();
        tokio::select! {
            biased;
            confirmed = self.linearize() => confirmed.map_err(|_| Refusal::NotPrimary)?,
            _ = leadership.wait_for(|now| now.leader != self.ids().1) => {
                return Err(Refusal::NotPrimary);
            }
        }
        // A follower's reads are confirmed by its leader.
        let after = self.raft();
        if after.is_leader && after.term == before.term {
            Ok(now)
        } else {
            Err(Refusal::NotPrimary)
        }
    }

    async fn clear_checkpoint(&self, id: LeaseId) -> Result<(), Status> {
        let checkpoint = pb::LeaseCheckpoint { id: id.get(), remaining_ttl: 0 };
        let request = pb::LeaseCheckpointRequest { checkpoints: vec![checkpoint] };
        let request = InternalRaftRequest {
            lease_checkpoint: Some(request),
            ..InternalRaftRequest::default()
        };
        self.propose_as_root(request).await?;
        Ok(())
    }

    /// Returns when a lease is gone, or leadership.
    async fn lease_revoked(&self, id: LeaseId) -> Result<(), Status> {
        let mut applied = self.0.applied.subscribe();
        let gone = async {
            while self.0.view().leases.lookup(id).is_some() && self.0.deadlines().is_primary() {
                applied.changed().await.map_err(|_| Known::Stopped)?;
            }
            Ok(())
        };
        let waited = self.timeout(self.0.settings.request_timeout, gone).await;
        Ok(waited.unwrap_or(Err(Known::Timeout))?)
    }

    /// How long a lease still lives, and its keys if asked for, as whichever member leads knows
    /// it; `None` if there is no such lease. Without a header. `check` is asked of the very state
    /// whose keys are shown, or before the leader is asked.
    ///
    /// # Errors
    /// `check`'s; a time-out; that nobody leads.
    pub async fn lease_time_to_live(
        &self,
        request: pb::LeaseTimeToLiveRequest,
        check: Check<'_>,
    ) -> Result<Option<pb::LeaseTimeToLiveResponse>, Status> {
        let asking = async {
            loop {
                if self.raft().is_leader {
                    match self.time_to_live_here(&request, Asker::Client, check).await {
                        Err(Refusal::NotPrimary) => {}
                        Err(Refusal::NotFound) => return Ok(None),
                        answer => return Ok(Some(answer?)),
                    }
                }
                self.wait_for_leader().await;
                check(&self.view())?;
                for url in self.leader_urls() {
                    let asked =
                        ask::lease_time_to_live(self.network(), &url, request, self.patience());
                    match Asked::of(asked.await) {
                        Asked::Answered(answer) => {
                            // The keys may have become others since the check.
                            check(&self.view())?;
                            return Ok(Some(answer));
                        }
                        Asked::NotFound => return Ok(None),
                        Asked::Again => {}
                    }
                }
                self.sleep(RETRY_INTERVAL).await;
            }
        };
        self.in_time(asking).await
    }

    /// The answer of the leader itself.
    pub(crate) async fn time_to_live_here(
        &self,
        request: &pb::LeaseTimeToLiveRequest,
        asker: Asker,
        check: Check<'_>,
    ) -> Result<pb::LeaseTimeToLiveResponse, Refusal> {
        let id = LeaseId(request.id);
        self.applied_all().await.map_err(Refusal::Status)?;
        self.confirm_leading().await?;
        match asker {
            Asker::Client => env::fail_point!("beforeLookupWhenLeaseTimeToLive"),
            Asker::Member => env::fail_point!("beforeLookupWhenForwardLeaseTimeToLive"),
        }
        let remaining = {
            let now = self.0.clock.now();
            self.0.deadlines().remaining(now, id)?
        };
        let view = self.view();
        check(&view).map_err(Refusal::Status)?;
        let lease = view.leases.lookup(id).ok_or(Refusal::NotFound)?;
        let keys = request.keys.then(|| view.leases.keys(id));
        Ok(pb::LeaseTimeToLiveResponse {
            header: None,
            id: request.id,
            ttl: remaining.as_secs() as i64,
            granted_ttl: lease.ttl,
            keys: keys.into_iter().flatten().map(|key| Bytes::copy_from_slice(key)).collect(),
        })
    }

    /// All leases, those that end first in front; on a follower in the order of their ids.
    #[must_use]
    pub fn leases_by_expiry(&self) -> Vec<LeaseId> {
        let deadlines = self.0.deadlines();
        if deadlines.is_primary() {
            return deadlines.by_expiry();
        }
        drop(deadlines);
        self.0.view().leases.iter().map(|lease| lease.id).collect()
    }

    /// Where the leader is; nowhere while this member does not know it.
    pub(crate) fn leader_urls(&self) -> Vec<String> {
        let leader = self.raft().leader;
        if leader == self.ids().1 {
            return Vec::new();
        }
        let view = self.view();
        view.cluster.member(leader).map(|member| member.peer_urls.clone()).unwrap_or_default()
    }

    /// Lets what asks the leader go on for as long as a request may take.
    pub(crate) async fn in_time<T>(
        &self,
        asking: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        tokio::select! {
            biased;
            answer = self.timeout(self.patience(), asking) => match answer {
                Ok(answer) => answer,
                Err(_) if self.raft().leader == MemberId(0) => Err(Known::NoLeader.into()),
                Err(_) => Err(Known::Timeout.into()),
            },
            () = self.stopped() => Err(Known::Stopped.into()),
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        self.0.settings.request_timeout
    }
}
