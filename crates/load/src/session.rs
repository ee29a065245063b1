//! A client's way to the members: one connection at a time, to another member when one fails.

use crate::api::Api;
use crate::send::{Failure, is_plain_refusal, send};
use crate::shared::Shared;
use checker::{Call, Member, Operation, Outcome};
use env::{Rng as _, SeededRng};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tonic::{Code, Status};

/// How long a connection may take.
pub const DIAL_MAX: Duration = Duration::from_secs(1);

/// Between tries to find a member that answers.
const TRY_PAUSE: Duration = Duration::from_millis(30);

/// One client.
#[derive(Debug)]
pub struct Session {
    pub shared: Arc<Shared>,
    pub client: u32,
    pub rng: SeededRng,
    call_max: Duration,
    open: Option<(Member, Api)>,
    /// Counts tries, so that each goes to the next member.
    turn: usize,
}

impl Session {
    pub fn new(shared: Arc<Shared>, client: u32, rng: SeededRng, call_max: Duration) -> Self {
        Self { shared, client, rng, call_max, open: None, turn: client as usize }
    }

    /// Sends a call to the member that the client is connected to, and records what comes of it.
    /// `None` when the load has ended.
    pub async fn call(&mut self, call: Call) -> Option<Outcome> {
        let (member, api) = self.connected().await?;
        let caller = Caller { shared: &self.shared, client: self.client, member };
        let (outcome, stay) = caller.call(&api, call, self.call_max).await;
        if !stay {
            self.leave();
        }
        Some(outcome)
    }

    /// Goes to another member with the next call.
    pub fn leave(&mut self) {
        self.open = None;
        self.turn += 1;
    }

    /// Goes to any member with the next call.
    pub fn wander(&mut self) {
        self.open = None;
        self.turn = self.rng.below(1 << 20) as usize;
    }

    async fn connected(&mut self) -> Option<(Member, Api)> {
        loop {
            if self.shared.has_ended() {
                return None;
            }
            if let Some((member, api)) = self.open.clone() {
                if !self.shared.is_removed(member) {
                    return Some((member, api));
                }
                self.leave();
            }
            let members = self.shared.members();
            let (member, endpoint) = members[self.turn % members.len()].clone();
            match Api::connect(&endpoint, DIAL_MAX).await {
                Ok(api) => self.open = Some((member, api)),
                Err(_) => {
                    self.turn += 1;
                    tokio::time::sleep(TRY_PAUSE).await;
                }
            }
        }
    }
}

/// Who calls whom.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub shared: &'a Shared,
    pub client: u32,
    pub member: Member,
}

impl Caller<'_> {
    /// Sends a call and records what comes of it; whether to stay with this connection.
    pub async fn call(self, api: &Api, call: Call, limit: Duration) -> (Outcome, bool) {
        let Self { shared, client, member } = self;
        let begin = shared.now();
        let sent = tokio::time::timeout(limit, send(api, &call)).await;
        let sent = sent.unwrap_or_else(|_| Err(Status::deadline_exceeded("the client gave up")));
        let end = shared.now();
        let (outcome, stay) = match sent {
            Ok((header, reply)) => {
                shared.see(header.revision);
                shared.answered.fetch_add(1, Ordering::Relaxed);
                (Outcome::Done { end, header, reply }, true)
            }
            Err(status) => {
                let outcome = Outcome::of_error(status.message(), end);
                let (code, message) = (status.code(), status.message().to_owned());
                let stay = outcome != Outcome::Unknown && code != Code::Unavailable;
                if !is_plain_refusal(&outcome) {
                    let failure = Failure { member, begin, end, code, message };
                    shared.record(|record| record.failures.push(failure));
                }
                (outcome, stay)
            }
        };
        let operation = Operation { client, member, begin, call, outcome: outcome.clone() };
        shared.record(|record| record.operations.push(operation));
        (outcome, stay)
    }
}
