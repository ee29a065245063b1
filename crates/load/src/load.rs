//! A load: its plan, its start, and what it gives.

use crate::api::Api;
use crate::compactor::Where;
use crate::lender::{Habit, Lender};
use crate::send::Failure;
use crate::session::{Caller, DIAL_MAX, Session};
use crate::shared::Shared;
use crate::watcher::{Place, Watcher};
use crate::{compactor, finish, kv};
use anyhow::Result;
use bytes::Bytes;
use checker::{Call, Calls, History, Member, Outcome, Time};
use env::{Rng as _, SeededRng};
use proto::etcdserverpb::WatchCreateRequest;
use proto::etcdserverpb::watch_create_request::FilterType;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;

/// What a load is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the clients do follows from it.
    pub seed: u64,
    /// The members, `host:port`, each with the number of its place here.
    pub endpoints: Vec<String>,
    /// Clients that write and read keys.
    pub clients: u32,
    /// Clients with leases.
    pub lenders: u32,
    /// Seconds that leases live which are to end.
    pub lease_ttl: i64,
    /// Seconds that leases live which are kept alive.
    pub kept_ttl: i64,
    /// Keys.
    pub keys: u64,
    /// The longest value.
    pub value_bytes_max: u64,
    /// Between two calls of a client.
    pub pause: Duration,
    /// How long a client waits for an answer.
    pub call_max: Duration,
    /// Between two compactions; none without.
    pub compaction: Option<Duration>,
    /// Where the history is compacted.
    pub compacted: Where,
}

impl Plan {
    /// A moderate load.
    #[must_use]
    pub const fn new(seed: u64, endpoints: Vec<String>) -> Self {
        Self {
            seed,
            endpoints,
            clients: 12,
            lenders: 6,
            lease_ttl: 3,
            kept_ttl: 15,
            keys: 100,
            value_bytes_max: 64,
            pause: Duration::from_millis(5),
            call_max: Duration::from_secs(8),
            compaction: Some(Duration::from_secs(2)),
            compacted: Where::Anywhere,
        }
    }
}

/// A running load.
#[derive(Debug)]
pub struct Load {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clients: JoinSet<()>,
    pub(crate) watchers: JoinSet<()>,
    pub(crate) plan: Plan,
    rng: SeededRng,
    numbered: u32,
}

/// What a load gives.
#[derive(Debug)]
pub struct Recording {
    /// What was seen.
    pub history: History,
    /// The errors that a cluster without faults does not give.
    pub failures: Vec<Failure>,
    /// Compactions after which every member gave its hash.
    pub compared: u64,
    /// Leases that were to be kept alive and ended nevertheless, be it that no renewal got through
    /// in time.
    pub kept_lost: u64,
}

impl Load {
    /// Starts the clients on the runtime that this is called on. The cluster is taken to be empty.
    #[must_use]
    pub fn start(plan: Plan) -> Self {
        let shared = Arc::new(Shared::new(plan.endpoints.clone()));
        let rng = SeededRng::new(plan.seed);
        let (clients, watchers) = (JoinSet::new(), JoinSet::new());
        let mut load = Self { shared, clients, watchers, plan, rng, numbered: 0 };
        load.watch_everything();
        for member in 0..load.plan.endpoints.len() {
            load.watch_on(Member(member as u32));
        }
        for _ in 0..load.plan.clients {
            let (session, pause) = (load.session(), load.plan.pause);
            let calls = Calls::new(session.client, load.plan.keys, load.plan.value_bytes_max);
            load.clients.spawn(kv::run(session, calls, pause));
        }
        for lender in 0..load.plan.lenders {
            let (habit, ttl) = match lender % 3 {
                0 => (Habit::Keep, load.plan.kept_ttl),
                _ => (Habit::Change, load.plan.lease_ttl),
            };
            let lender = Lender::new(load.session(), habit, ttl);
            load.clients.spawn(lender.run());
        }
        if let Some(pause) = load.plan.compaction {
            let session = load.session();
            load.clients.spawn(compactor::run(session, pause, load.plan.compacted));
        }
        load
    }

    fn session(&mut self) -> Session {
        let (client, rng) = self.number();
        Session::new(Arc::clone(&self.shared), client, rng, self.plan.call_max)
    }

    /// The number of the next client, and its own random numbers.
    fn number(&mut self) -> (u32, SeededRng) {
        self.numbered += 1;
        (self.numbered, SeededRng::new(self.rng.next_u64()))
    }

    /// The watch from which the history is known.
    fn watch_everything(&mut self) {
        let request = WatchCreateRequest { start_revision: 2, ..everything() };
        self.watch(Place::Any, request, None);
    }

    /// Watches of several kinds on a member.
    fn watch_on(&mut self, member: Member) {
        let place = Place::Member(member);
        let now = self.shared.newest.load(Ordering::Relaxed) + 1;
        let start_revision = now.max(2);
        let everything = WatchCreateRequest {
            start_revision,
            prev_kv: true,
            progress_notify: true,
            ..everything()
        };
        self.watch(place, everything, None);
        let some = WatchCreateRequest {
            key: Bytes::from_static(b"k/01"),
            range_end: Bytes::from_static(b"k/04"),
            start_revision: 0,
            ..WatchCreateRequest::default()
        };
        self.watch(place, some, Some(Duration::from_secs(3)));
        let deletions = WatchCreateRequest {
            key: Bytes::from_static(b"k/"),
            range_end: Bytes::from_static(b"k0"),
            start_revision,
            filters: vec![FilterType::Noput as i32],
            prev_kv: true,
            ..WatchCreateRequest::default()
        };
        self.watch(place, deletions, None);
        let one = WatchCreateRequest {
            key: Bytes::from_static(b"k/007"),
            start_revision,
            ..WatchCreateRequest::default()
        };
        self.watch(place, one, Some(Duration::from_secs(7)));
    }

    fn watch(&mut self, place: Place, request: WatchCreateRequest, reopen: Option<Duration>) {
        let (client, rng) = self.number();
        let watcher = Watcher::new(Arc::clone(&self.shared), client, place, request, rng);
        let watcher = match reopen {
            Some(time) => watcher.reopened_every(time),
            None => watcher,
        };
        self.watchers.spawn(watcher.run());
    }

    /// Says that a member's process is about to be started again: what it says may go back.
    pub fn restarted(&self, member: Member) {
        let at = self.shared.now();
        self.shared.record(|record| record.starts.push((member, at)));
    }

    /// Adds a member that serves, and watches on it.
    pub fn add_member(&mut self, endpoint: String) -> Member {
        let member = self.shared.add_member(endpoint);
        self.watch_on(member);
        member
    }

    /// Leaves a member for good.
    pub fn remove_member(&self, member: Member) {
        self.shared.remove_member(member);
    }

    /// Sends a call of the test's own to a member and records it. Values that it puts have to be
    /// unlike all others. `None` if the member can't be reached.
    pub async fn call(&self, member: Member, call: Call, limit: Duration) -> Option<Outcome> {
        let endpoint = self.shared.endpoint(member);
        let api = Api::connect(&endpoint, limit.min(DIAL_MAX)).await.ok()?;
        let caller = Caller { shared: &self.shared, client: 0, member };
        Some(caller.call(&api, call, limit).await.0)
    }

    /// The newest revision that was seen so far.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.shared.newest.load(Ordering::Relaxed)
    }

    /// The time on the load's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.shared.now()
    }

    /// Calls that were answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Ends the load, waits until every watch has everything, and asks every member what it holds.
    ///
    /// # Errors
    /// If a member does not answer or is not up to date in time. All members that were not removed
    /// have to be up.
    pub async fn finish(self) -> Result<Recording> {
        finish::finish(self).await
    }
}

fn everything() -> WatchCreateRequest {
    WatchCreateRequest {
        key: Bytes::from_static(b"\0"),
        range_end: Bytes::from_static(b"\0"),
        ..WatchCreateRequest::default()
    }
}
