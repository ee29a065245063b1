//! Clients that live with leases: some keep one alive for as long as the load lasts, some let theirs
//! end, some revoke them.

use crate::session::Session;
use bytes::Bytes;
use checker::{Call, Outcome, Reply};
use env::Rng as _;
use proto::etcdserverpb::{LeaseGrantRequest, PutRequest};
use std::time::Duration;
use types::LeaseId;

/// Keys of one lease.
const KEYS: u64 = 2;

/// What becomes of a client's leases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Habit {
    /// Kept alive as long as the load lasts.
    Keep,
    /// Kept alive for a while, then revoked or forgotten.
    Change,
}

/// A client.
pub struct Lender {
    session: Session,
    habit: Habit,
    ttl: i64,
    /// Leases so far.
    lent: u64,
}

impl Lender {
    pub const fn new(session: Session, habit: Habit, ttl: i64) -> Self {
        Self { session, habit, ttl, lent: 0 }
    }

    /// Lives with one lease after the other until the load ends.
    pub async fn run(mut self) {
        while self.lease().await.is_some() {}
    }

    /// `None` when the load has ended.
    async fn lease(&mut self) -> Option<()> {
        self.lent += 1;
        // Ids are told apart from all others by the client and the count.
        let id = (i64::from(self.session.client) + 1) << 32 | self.lent as i64;
        let grant = Call::Grant(LeaseGrantRequest { ttl: self.ttl, id });
        let granted = self.session.call(grant).await?;
        if !matches!(granted, Outcome::Done { .. }) {
            self.session.shared.clone().pause(Duration::from_millis(100)).await;
            return Some(());
        }
        for key in 0..KEYS {
            self.attach(id, key).await?;
        }
        let renewals = match self.habit {
            Habit::Keep => u64::MAX,
            Habit::Change => self.session.rng.below(4),
        };
        for _ in 0..renewals {
            self.session.shared.clone().pause(self.renewal_pause()).await;
            // Granted by one member, renewed by any.
            self.session.wander();
            let renewed = self.session.call(Call::KeepAlive(LeaseId(id))).await?;
            if let Outcome::Done { reply: Reply::KeepAlive { ttl: ..=0 }, .. } = renewed {
                let lost = u64::from(self.habit == Habit::Keep);
                self.session.shared.record(|record| record.kept_lost += lost);
                return Some(());
            }
            if self.session.rng.below(4) == 0 {
                self.session.call(Call::TimeToLive(LeaseId(id))).await?;
            }
            if self.session.rng.below(4) == 0 {
                let key = self.session.rng.below(KEYS);
                self.attach(id, key).await?;
            }
        }
        match self.session.rng.below(3) {
            0 => drop(self.session.call(Call::Revoke(LeaseId(id))).await?),
            _ => self.forget(id).await?,
        }
        Some(())
    }

    fn renewal_pause(&self) -> Duration {
        Duration::from_secs(self.ttl.unsigned_abs()) / 4
    }

    /// Lets the lease end, and looks whether it has.
    async fn forget(&mut self, id: i64) -> Option<()> {
        let ttl = Duration::from_secs(self.ttl.unsigned_abs());
        let wait = ttl.mul_f64(0.5 + self.session.rng.below(16) as f64 / 10.0);
        self.session.shared.clone().pause(wait).await;
        self.session.call(Call::TimeToLive(LeaseId(id))).await.map(drop)
    }

    async fn attach(&mut self, id: i64, key: u64) -> Option<()> {
        let value = format!("{}:{:x}", self.session.client, self.session.rng.next_u64());
        let put = PutRequest {
            key: Bytes::from(format!("l/{id:x}/{key}")),
            value: value.into(),
            lease: id,
            ..PutRequest::default()
        };
        self.session.call(Call::Put(put)).await.map(drop)
    }
}
