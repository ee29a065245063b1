//! Leases: what they live through, and what goes with them.
//!
//! A renewal that was acknowledged gives its lease at least its time to live from the moment at
//! which it was asked for; whatever happens to the cluster can only add to it.

use crate::history::{Call, History, Outcome, Refusal, Reply, Time};
use crate::place::{Cause, Places, show};
use crate::report::{Kind, Report};
use crate::store::Store;
use crate::times::Times;
use proto::etcdserverpb::LeaseTimeToLiveResponse;
use std::collections::BTreeMap;
use std::time::Duration;
use types::LeaseId;

/// Remaining times are told in whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

/// Something that gave a lease time.
#[derive(Clone, Copy)]
struct Renewal {
    /// The call, by its place in the history.
    call: usize,
    begin: Time,
    end: Time,
    ttl: Duration,
    is_grant: bool,
}

impl Renewal {
    /// Until when it keeps the lease alive at least.
    fn until(&self) -> Time {
        self.begin.after(self.ttl)
    }
}

/// What is known of a lease.
#[derive(Default)]
struct Life {
    /// By end.
    renewals: Vec<Renewal>,
    /// For each renewal, which one up to there gives time for the longest.
    longest: Vec<usize>,
    grants: u32,
    granted: i64,
    /// Revocations that may have been carried out: beginning and end.
    revoked: Vec<(Time, Time)>,
    /// The last time when somebody may have given it time.
    last_try: Time,
    /// When it was seen to have ended by itself.
    ended: Option<Time>,
}

impl Life {
    /// The renewal that makes it certain that the lease lives at a time, for one who asked from
    /// `begin` on.
    fn alive(&self, begin: Time, at: Time) -> Option<&Renewal> {
        if self.revoked.iter().any(|(asked, _)| *asked < at) {
            return None;
        }
        let before = self.renewals.partition_point(|renewal| renewal.end < begin);
        let longest = self.longest[..before].last()?;
        Some(&self.renewals[*longest]).filter(|renewal| renewal.until() > at)
    }

    fn sort(&mut self) {
        self.renewals.sort_by_key(|renewal| renewal.end);
        let mut longest = 0;
        for (number, renewal) in self.renewals.iter().enumerate() {
            if renewal.until() > self.renewals[longest].until() {
                longest = number;
            }
            self.longest.push(longest);
        }
    }

    /// When it had ended for certain: never, if it may have been granted again.
    fn dead(&self) -> Time {
        let revoked = self.revoked.iter().map(|(_, end)| *end).min().unwrap_or(Time::NEVER);
        let ended = self.ended.unwrap_or(Time::NEVER);
        if self.grants > 1 { Time::NEVER } else { revoked.min(ended) }
    }
}

/// Checks all leases.
pub fn check(
    history: &History,
    store: &Store,
    places: &Places,
    times: &Times,
    report: &mut Report,
) {
    let mut lives = gather(history);
    for (revision, cause) in places.causes() {
        if let Cause::Lease { id, certain: true } = cause {
            let seen = times.seen(revision);
            let life = lives.entry(id).or_default();
            check_end(history, id, life, revision, seen, report);
            life.ended = Some(life.ended.map_or(seen, |before| before.min(seen)));
        }
    }
    for (number, operation) in history.operations.iter().enumerate() {
        let Some(life) = lease_of(&operation.call).and_then(|id| lives.get(&id)) else { continue };
        let name = || show(number, operation);
        let (begin, end) = (operation.begin, operation.end());
        if says_dead(&operation.outcome) {
            if let Some(renewal) = life.alive(begin, end) {
                let ttl = renewal.ttl;
                report.add(Kind::LeaseLost, || {
                    let renewed = show(renewal.call, &history.operations[renewal.call]);
                    format!("{} says that it is gone, but {renewed} gave it {ttl:?}", name())
                });
            }
        } else if uses(&operation.call, &operation.outcome) && life.dead() < begin {
            let dead = life.dead();
            report.add(Kind::LeaseDeadUsed, || format!("{}: it had ended at {dead}", name()));
        }
        if let Outcome::Done { reply, .. } = &operation.outcome {
            check_ttl(life, begin, end, reply, report, name);
        }
    }
    check_never_ended(history, store, &lives, report);
}

fn gather(history: &History) -> BTreeMap<LeaseId, Life> {
    let mut lives: BTreeMap<LeaseId, Life> = BTreeMap::new();
    for (call, operation) in history.operations.iter().enumerate() {
        let Some(id) = lease_of(&operation.call) else { continue };
        let life = lives.entry(id).or_default();
        let (begin, end) = (operation.begin, operation.end());
        let refused = matches!(operation.outcome, Outcome::Refused { .. });
        let mut renew = |seconds: i64, is_grant| {
            let ttl = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            life.renewals.push(Renewal { call, begin, end, ttl, is_grant });
        };
        match (&operation.call, &operation.outcome) {
            (Call::Grant(request), Outcome::Done { reply: Reply::Grant { ttl, .. }, .. }) => {
                life.granted = request.ttl;
                renew(*ttl, true);
            }
            (
                Call::KeepAlive(_),
                Outcome::Done { reply: Reply::KeepAlive { ttl: ttl @ 1.. }, .. },
            ) => {
                renew(*ttl, false);
            }
            _ => {}
        }
        match &operation.call {
            Call::Grant(_) if !refused => life.grants += 1,
            Call::Revoke(_) if !refused => life.revoked.push((begin, end)),
            _ => {}
        }
        if matches!(operation.call, Call::Grant(_) | Call::KeepAlive(_)) && !refused {
            // What is not answered may still be on its way for a while, but not for ever.
            life.last_try = life.last_try.max(if end == Time::NEVER { begin } else { end });
        }
    }
    lives.values_mut().for_each(Life::sort);
    lives
}

/// The lease that a call is about.
fn lease_of(call: &Call) -> Option<LeaseId> {
    let id = match call {
        Call::Grant(request) => LeaseId(request.id),
        Call::Revoke(id) | Call::KeepAlive(id) | Call::TimeToLive(id) => *id,
        Call::Put(request) => LeaseId(request.lease),
        _ => LeaseId::NONE,
    };
    id.is_some().then_some(id)
}

fn says_dead(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Refused { reason, .. } => *reason == Refusal::LeaseNotFound,
        Outcome::Done { reply: Reply::KeepAlive { ttl }, .. } => *ttl <= 0,
        Outcome::Done { reply: Reply::TimeToLive(reply), .. } => reply.ttl < 0,
        Outcome::Done { .. } | Outcome::Unknown => false,
    }
}

/// Whether a call was carried out for which the lease has to live.
fn uses(call: &Call, outcome: &Outcome) -> bool {
    let done = matches!(outcome, Outcome::Done { .. });
    done && matches!(call, Call::KeepAlive(_) | Call::Put(_) | Call::Revoke(_))
}

/// A lease that ended by itself must not have been given more time than has passed.
fn check_end(
    history: &History,
    id: LeaseId,
    life: &Life,
    revision: i64,
    seen: Time,
    report: &mut Report,
) {
    if life.revoked.iter().any(|(begin, _)| *begin <= seen) {
        return;
    }
    let early = |renewal: &&Renewal| seen < renewal.until();
    // A renewal that began later is another fault, or another life.
    let mut renewals = life.renewals.iter().filter(|renewal| renewal.begin <= seen);
    if let Some(renewal) = renewals.find(early) {
        report.add(Kind::LeaseEndedEarly, || {
            let given = show(renewal.call, &history.operations[renewal.call]);
            format!(
                "lease {id} ended at {revision}, seen at {seen}, though {given} gave {:?}",
                renewal.ttl
            )
        });
    }
}

fn check_ttl(
    life: &Life,
    begin: Time,
    end: Time,
    reply: &Reply,
    report: &mut Report,
    name: impl Fn() -> String,
) {
    let mut short = |found: i64, least: i64| {
        if found < least {
            report.add(Kind::LeaseTtl, || format!("{}: {found} s instead of {least}", name()));
        }
    };
    match reply {
        Reply::Grant { ttl, .. } | Reply::KeepAlive { ttl: ttl @ 1.. } => {
            short(*ttl, life.granted);
            report.counts.renewals += u64::from(matches!(reply, Reply::KeepAlive { .. }));
        }
        Reply::TimeToLive(LeaseTimeToLiveResponse { ttl: ttl @ 0.., granted_ttl, .. }) => {
            short(*granted_ttl, life.granted);
            if let Some(renewal) = life.alive(begin, end) {
                let until = renewal.until().0;
                let left = until.saturating_sub(end.0).saturating_sub(ROUNDING);
                short(*ttl, i64::try_from(left.as_secs()).unwrap_or(i64::MAX));
            }
        }
        _ => {}
    }
}

fn check_never_ended(
    history: &History,
    store: &Store,
    lives: &BTreeMap<LeaseId, Life>,
    report: &mut Report,
) {
    let Some(grace) = history.lease_grace else { return };
    for id in store.leases() {
        let Some(life) = lives.get(&id).filter(|life| life.grants > 0) else { continue };
        let ttl = life.renewals.iter().map(|renewal| renewal.ttl).max().unwrap_or_default();
        let due = life.last_try.after(ttl).after(grace);
        let left = store.attached(id, store.last()).count();
        if left > 0 && due < history.end {
            report.add(Kind::LeaseNeverEnded, || {
                let grants = life.renewals.iter().filter(|renewal| renewal.is_grant).count();
                format!("lease {id} ({grants} grants seen) was due at {due} and has {left} keys")
            });
        }
    }
}
