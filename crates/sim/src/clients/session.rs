//! A client's way to the members: one at a time, another when one fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::Caller;
use checker::{Call, Header, Member, Operation, Outcome, Reply};
use env::{Rng as _, SeededRng};
use proto::error::Status;
use proto::etcdserverpb::InternalRaftRequest;
use tokio::sync::oneshot;

use crate::clients::login::{self, APP};
use crate::clients::send::send;
use crate::kernel::Owner;
use crate::record::Record;
use crate::servers::Served;
use crate::sim::Sim;

/// How long a client waits for an answer.
const CALL_MAX: Duration = Duration::from_secs(8);
/// Between tries to find a member that runs.
const TRY_PAUSE: Duration = Duration::from_millis(50);
/// How long the way to a member takes at most.
const WAY_MAX: u64 = 1_000_000;

/// One client.
pub(super) struct Session {
    pub(super) record: Arc<Record>,
    pub(super) client: u32,
    pub(super) rng: SeededRng,
    /// Counts tries, so that each goes to the next member.
    turn: usize,
    call_max: Duration,
    /// Who it is, where that is asked.
    user: &'static str,
    caller: Caller,
}

impl Session {
    pub(super) fn new(record: Arc<Record>, client: u32, rng: SeededRng) -> Self {
        let (turn, caller) = (client as usize, Caller::default());
        Self { record, client, rng, turn, call_max: CALL_MAX, user: APP, caller }
    }

    /// Logs in as this user, where that is asked.
    pub(super) const fn for_user(mut self, user: &'static str) -> Self {
        self.user = user;
        self
    }

    /// Waits for so long for an answer.
    pub(super) const fn giving_up_after(mut self, time: Duration) -> Self {
        self.call_max = time;
        self
    }

    /// Goes to any member with the next call.
    pub(super) fn wander(&mut self) {
        self.turn = self.rng.below(1 << 20) as usize;
    }

    /// Waits for at most so long.
    pub(super) async fn pause(&mut self, most: Duration) {
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let time = Duration::from_nanos(self.rng.below(most.max(1)));
        self.record.sleep(time).await;
    }

    /// The member that this client is at, once one runs; `None` when clients are to end.
    pub(super) async fn member(&mut self) -> Option<Served> {
        loop {
            if self.record.has_ended() {
                return None;
            }
            let all = self.record.servers.all();
            if let Some(served) = all.get(self.turn % all.len().max(1)) {
                return Some(served.clone());
            }
            self.record.sleep(TRY_PAUSE).await;
        }
    }

    /// Asks, and records what comes of it. `None` when clients are to end.
    pub(super) async fn call(&mut self, call: Call) -> Option<Outcome> {
        let served = self.member().await?;
        let begin = self.record.now();
        self.pause(Duration::from_nanos(WAY_MAX)).await;
        let sent = self.send(&served, call.clone()).await;
        if let Some(Err(status)) = &sent
            && login::is_wanted(status)
        {
            self.log_in(&served).await;
        }
        if let Some(Ok((header, reply))) = &sent {
            self.acknowledge(&call, header.revision, reply);
        }
        self.pause(Duration::from_nanos(WAY_MAX)).await;
        let end = self.record.now();
        let is_lost = self.record.kernel.happens(self.record.loss.load(Ordering::Relaxed));
        let outcome = match sent {
            _ if is_lost => Outcome::Unknown,
            Some(Ok((header, reply))) => Outcome::Done { end, header, reply },
            Some(Err(status)) => Outcome::of_error(&status.message, end),
            None => Outcome::Unknown,
        };
        if outcome == Outcome::Unknown {
            self.turn += 1;
        }
        self.note(&served, &call, &outcome);
        let member = Member(served.number as u32);
        let operation =
            Operation { client: self.client, member, begin, call, outcome: outcome.clone() };
        let mut seen = self.record.seen();
        seen.lost += u64::from(is_lost);
        seen.answered += u64::from(matches!(outcome, Outcome::Done { .. }));
        seen.operations.push(operation);
        drop(seen);
        Some(outcome)
    }

    /// Has the member's process carry a call out; `None` when that ends before, or takes too long.
    async fn send(&self, served: &Served, call: Call) -> Option<Result<(Header, Reply), Status>> {
        let (server, caller) = (Arc::clone(&served.server), self.caller.clone());
        self.serve(served, async move { Box::pin(send(&server, &caller, call)).await }).await
    }

    async fn log_in(&mut self, served: &Served) {
        self.record.seen().logins += 1;
        let (server, user) = (Arc::clone(&served.server), self.user);
        let caller = self.serve(served, async move { login::log_in(&server, user).await }).await;
        self.caller = caller.unwrap_or_default();
    }

    /// Proposes something as root at the member that this client is at; `None` unless it was carried
    /// out, or had been before.
    pub(super) async fn propose(&mut self, request: InternalRaftRequest) -> Option<()> {
        let served = self.member().await?;
        self.record.seen().auth_changes += 1;
        let node = served.node.clone();
        let proposed =
            self.serve(&served, async move { node.propose_as_root(request).await }).await;
        let done = match proposed {
            Some(Ok(_)) => true,
            Some(Err(status)) => login::is_there_already(&status),
            None => false,
        };
        done.then_some(())
    }

    /// Has the member's process do something; `None` when that ends before, or takes too long.
    async fn serve<T: Send + 'static>(
        &self,
        served: &Served,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        let serving = async move {
            // Whoever asked may have given up.
            let _ = sender.send(work.await);
        };
        let process = Owner::Process(served.number, served.process);
        self.record.kernel.begin(process, Box::pin(serving));
        let received = env::timeout(&*self.record.tasks, self.call_max, receiver).await;
        received.ok()?.ok()
    }

    /// Enters what is promised from now on, be the answer lost or not.
    fn acknowledge(&self, call: &Call, revision: i64, reply: &Reply) {
        if let (Call::Put(put), Reply::Put(_)) = (call, reply)
            && !put.ignore_value
        {
            let (key, value) = (put.key.clone(), put.value.clone());
            let acknowledged = move |sim: &mut Sim| sim.acknowledged(revision, key, value);
            self.record.kernel.after(Duration::ZERO, acknowledged);
        }
    }

    fn note(&self, served: &Served, call: &Call, outcome: &Outcome) {
        let what = match call {
            Call::Range(_) => "range",
            Call::Put(_) => "put",
            Call::Delete(_) => "delete",
            Call::Txn(_) => "txn",
            Call::Compact(_) => "compact",
            Call::Grant(_) => "grant",
            Call::Revoke(_) => "revoke",
            Call::KeepAlive(_) => "keep-alive",
            Call::TimeToLive(_) => "time-to-live",
        };
        let (who, member) = (format!("c{}", self.client), served.number + 1);
        match outcome {
            Outcome::Done { header, .. } => self
                .record
                .kernel
                .note(&who, format_args!("{what} at m{member}: revision {}", header.revision)),
            Outcome::Refused { reason, .. } => {
                self.record.kernel.note(&who, format_args!("{what} at m{member}: {reason:?}"));
            }
            Outcome::Unknown => {
                self.record.kernel.note(&who, format_args!("{what} at m{member}: not known"));
            }
        }
    }
}
