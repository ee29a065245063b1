//! Where each call stands in the order of revisions, whether its answer is right there, and what
//! made each revision: an acknowledged call, one with an unknown outcome, or a lease that ended.

use crate::evaluate::{self, evaluate, same_kvs, same_reply};
use crate::history::{Call, Header, History, Operation, Outcome, Reply};
use crate::log::{describe, may_write};
use crate::report::{Kind, Report};
use crate::store::{Change, Store};
use bytes::Bytes;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{RequestOp, TxnRequest};
use std::collections::BTreeMap;
use types::{KeyRange, LeaseId};

/// A place: a write's is its revision, a read's is behind the revision that it saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position {
    /// The revision.
    pub revision: i64,
    /// Whether the revision was there before.
    pub behind: bool,
}

/// What made a revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Not known.
    Nobody,
    /// The call at this place in the history.
    Call(usize),
    /// A lease that ended by itself. Not certain where a call with an unknown outcome may have done
    /// the same.
    Lease {
        /// The lease.
        id: LeaseId,
        /// Whether nothing else can be the cause.
        certain: bool,
    },
}

/// The result.
#[derive(Clone, Debug)]
pub struct Places {
    /// Of each call; `None` for one that was not carried out, or whose place is not promised.
    pub calls: Vec<Option<Position>>,
    base: i64,
    causes: Vec<Cause>,
}

impl Places {
    /// What made a revision.
    pub fn cause(&self, revision: i64) -> Cause {
        let position = usize::try_from(revision - self.base - 1).ok();
        let cause = position.and_then(|position| self.causes.get(position));
        cause.copied().unwrap_or(Cause::Nobody)
    }

    fn set_cause(&mut self, revision: i64, cause: Cause) {
        let position = usize::try_from(revision - self.base - 1).expect("a revision of the log");
        self.causes[position] = cause;
    }

    /// The revisions with their causes.
    pub fn causes(&self) -> impl Iterator<Item = (i64, Cause)> {
        (self.base + 1..).zip(self.causes.iter().copied())
    }
}

/// Places everything.
pub fn place(history: &History, store: &Store, report: &mut Report) -> Places {
    let count = (store.last() - store.base()) as usize;
    let mut placing = Placing {
        history,
        store,
        report,
        places: Places {
            calls: vec![None; history.operations.len()],
            base: store.base(),
            causes: vec![Cause::Nobody; count],
        },
    };
    for number in 0..history.operations.len() {
        placing.place_answered(number);
    }
    placing.claim_the_rest();
    placing.places
}

struct Placing<'a> {
    history: &'a History,
    store: &'a Store,
    report: &'a mut Report,
    places: Places,
}

impl<'a> Placing<'a> {
    fn place_answered(&mut self, number: usize) {
        let operation = &self.history.operations[number];
        self.report.counts.operations += 1;
        let (header, reply) = match &operation.outcome {
            Outcome::Done { header, reply, .. } => (*header, reply),
            Outcome::Refused { .. } => return self.report.counts.refused += 1,
            Outcome::Unknown => return self.report.counts.unknown += 1,
        };
        if header.revision < self.store.base() {
            return;
        }
        let behind = Position { revision: header.revision, behind: true };
        match &operation.call {
            Call::KeepAlive(_) | Call::TimeToLive(_) => {}
            Call::Grant(_) | Call::Compact(_) => self.places.calls[number] = Some(behind),
            call if may_write(call) => self.place_write(number, header, reply),
            _ => {
                self.places.calls[number] = Some(behind);
                self.compare(number, header.revision, reply);
            }
        }
    }

    /// A call that may have written stands at its revision if it made it, else behind. Where both
    /// would do, as for two deletions of one key, the answer decides.
    fn place_write(&mut self, number: usize, header: Header, reply: &Reply) {
        let call = &self.history.operations[number].call;
        let revision = header.revision;
        let changes = self.store.changes(revision);
        let made = evaluate(call, self.store, revision - 1);
        let made = made.filter(|made| !made.changes.is_empty() && Some(&*made.changes) == changes);
        let nothing = evaluate(call, self.store, revision)
            .filter(|found| found.changes.is_empty() && revision <= self.store.last());
        let says = |result: &evaluate::Result| {
            result.reply.as_ref().is_ok_and(|expected| same_reply(expected, reply))
        };
        match (made, nothing) {
            (Some(made), nothing) if says(&made) || !nothing.as_ref().is_some_and(says) => {
                self.claim(number, revision);
                self.compare(number, revision - 1, reply);
            }
            (_, Some(_)) => {
                self.places.calls[number] = Some(Position { revision, behind: true });
                self.compare(number, revision, reply);
            }
            _ => self.report.add(Kind::LostWrite, || {
                let there = changes.map_or("nothing".to_owned(), describe);
                let what = show(number, &self.history.operations[number]);
                format!("{what} was acknowledged, but there is {there}")
            }),
        }
    }

    fn claim(&mut self, number: usize, revision: i64) {
        self.places.calls[number] = Some(Position { revision, behind: false });
        if let Cause::Call(other) = self.places.cause(revision) {
            let operations = &self.history.operations;
            self.report.add(Kind::AppliedTwice, || {
                let (one, other) = (&operations[number], (other, &operations[other]));
                format!(
                    "both made revision {revision}: {}, {}",
                    show(number, one),
                    show(other.0, other.1)
                )
            });
            return;
        }
        self.places.set_cause(revision, Cause::Call(number));
    }

    /// Compares an answer with what the state at a revision gives.
    fn compare(&mut self, number: usize, at: i64, reply: &Reply) {
        let operation = &self.history.operations[number];
        let Some(expected) = evaluate(&operation.call, self.store, at) else { return };
        self.report.counts.answers += 1;
        let good = match &expected.reply {
            Ok(expected) => same_reply(expected, reply),
            Err(_) => false,
        };
        if !good {
            self.report.add(Kind::WrongReply, || {
                let expected = match &expected.reply {
                    Ok(reply) => brief(reply),
                    Err(refusal) => format!("{refusal:?}"),
                };
                format!(
                    "{}: the state at {at} gives {expected}, the answer was {}",
                    show(number, operation),
                    brief(reply)
                )
            });
        }
    }

    /// Finds what made the revisions that no acknowledged call made.
    fn claim_the_rest(&mut self) {
        let values = self.calls_by_value();
        let mut others = self.unknown_without_value();
        for revision in self.store.base() + 1..=self.store.last() {
            if self.places.cause(revision) != Cause::Nobody {
                continue;
            }
            let changes = self.store.changes(revision).expect("a revision of the log");
            let writer = changes.iter().find_map(|change| {
                let kv = change.kv.as_ref()?;
                // A value that was there already was kept, not put.
                let before = self.store.get(&change.key, revision - 1);
                let kept = before.is_some_and(|before| before.value == kv.value);
                let writer = values.get(&(kv.key.clone(), kv.value.clone())).copied();
                writer.filter(|_| !kept)
            });
            match writer {
                Some(writer) => self.claim_by_value(writer, revision, changes),
                None => self.claim_by_effect(&mut others, revision, changes),
            }
        }
    }

    fn claim_by_value(&mut self, number: usize, revision: i64, changes: &[Change]) {
        let operation = &self.history.operations[number];
        let what = || show(number, operation);
        match &operation.outcome {
            Outcome::Refused { .. } => self.report.add(Kind::RefusedButApplied, || {
                format!("revision {revision} is {}, which was refused", what())
            }),
            _ if self.places.calls[number].is_some_and(|place| !place.behind) => {
                let before = self.places.calls[number].map_or(0, |place| place.revision);
                self.report.add(Kind::AppliedTwice, || {
                    format!("at revisions {before} and {revision}: {}", what())
                });
            }
            Outcome::Done { header, .. } => self.report.add(Kind::LostWrite, || {
                let acknowledged = header.revision;
                format!("{} was acknowledged at {acknowledged}, but is at {revision}", what())
            }),
            Outcome::Unknown => {
                let made = evaluate(&operation.call, self.store, revision - 1);
                if made.is_some_and(|made| made.changes == changes) {
                    self.report.counts.unknown_applied += 1;
                } else {
                    self.report.add(Kind::UnclaimedRevision, || {
                        let found = describe(changes);
                        format!("revision {revision} is {found}, not all of {}", what())
                    });
                }
                self.claim(number, revision);
            }
        }
    }

    /// Deletions, and puts that keep the value.
    fn claim_by_effect(&mut self, others: &mut Vec<usize>, revision: i64, changes: &[Change]) {
        let lease = self.ended_lease(revision, changes);
        let found = others.iter().position(|&number| {
            let call = &self.history.operations[number].call;
            touches(call, &changes[0].key)
                && evaluate(call, self.store, revision - 1)
                    .is_some_and(|made| made.changes == changes)
        });
        match (lease, found) {
            (Some(id), found) => {
                self.report.counts.expiries += 1;
                self.places.set_cause(revision, Cause::Lease { id, certain: found.is_none() });
            }
            (None, Some(position)) => {
                self.report.counts.unknown_applied += 1;
                let number = others.remove(position);
                self.claim(number, revision);
            }
            (None, None) => self.unclaimed(revision, changes),
        }
    }

    /// The lease all of whose keys go here, in order.
    fn ended_lease(&self, revision: i64, changes: &[Change]) -> Option<LeaseId> {
        let id = self.lease_of(revision, changes)?;
        let keys = self.store.attached(id, revision - 1).map(|kv| &kv.key);
        keys.eq(changes.iter().map(|change| &change.key)).then_some(id)
    }

    /// The lease of the deleted keys, if it is one.
    fn lease_of(&self, revision: i64, changes: &[Change]) -> Option<LeaseId> {
        let lease = |change: &Change| {
            let before = self.store.get(&change.key, revision - 1)?;
            change.kv.is_none().then_some(LeaseId(before.lease)).filter(|lease| lease.is_some())
        };
        let id = lease(changes.first()?)?;
        changes.iter().all(|change| lease(change) == Some(id)).then_some(id)
    }

    fn unclaimed(&mut self, revision: i64, changes: &[Change]) {
        match self.lease_of(revision, changes) {
            Some(id) => self.report.add(Kind::LeasePartial, || {
                let keys: Vec<String> = self
                    .store
                    .attached(id, revision - 1)
                    .map(|kv| crate::history::show(&kv.key))
                    .collect();
                let gone = describe(changes);
                format!("revision {revision}: lease {id} had {keys:?}, but this went: {gone}")
            }),
            None => self.report.add(Kind::UnclaimedRevision, || {
                format!("nobody asked for revision {revision}: {}", describe(changes))
            }),
        }
    }

    /// The calls by the pairs that they put.
    fn calls_by_value(&self) -> BTreeMap<(Bytes, Bytes), usize> {
        let mut values = BTreeMap::new();
        for (number, operation) in self.history.operations.iter().enumerate() {
            pairs(&operation.call, &mut |key, value| {
                values.insert((key.clone(), value.clone()), number);
            });
        }
        values
    }

    /// Calls with an unknown outcome that may do something in which no value of theirs appears.
    fn unknown_without_value(&self) -> Vec<usize> {
        let operations = self.history.operations.iter().enumerate();
        let mut found: Vec<usize> = operations
            .filter(|(_, operation)| {
                operation.outcome == Outcome::Unknown && may_write(&operation.call)
            })
            .filter(
                |(_, operation)| !matches!(&operation.call, Call::Put(put) if !put.ignore_value),
            )
            .map(|(number, _)| number)
            .collect();
        // The earliest first: what was sent first was carried out first, mostly.
        found.sort_by_key(|&number| self.history.operations[number].begin);
        found
    }
}

/// Whether a call may change a key.
fn touches(call: &Call, key: &Bytes) -> bool {
    match call {
        Call::Put(request) => request.key == key,
        Call::Delete(request) => {
            KeyRange::parse(request.key.clone(), request.range_end.clone()).contains(key)
        }
        Call::Txn(_) | Call::Revoke(_) => true,
        _ => false,
    }
}

/// Every pair that a call may put.
fn pairs(call: &Call, each: &mut impl FnMut(&Bytes, &Bytes)) {
    match call {
        Call::Put(request) if !request.ignore_value => each(&request.key, &request.value),
        Call::Txn(request) => txn_pairs(request, each),
        _ => {}
    }
}

fn txn_pairs(request: &TxnRequest, each: &mut impl FnMut(&Bytes, &Bytes)) {
    for RequestOp { request } in request.success.iter().chain(&request.failure) {
        match request {
            Some(Request::RequestPut(put)) if !put.ignore_value => each(&put.key, &put.value),
            Some(Request::RequestTxn(txn)) => txn_pairs(txn, each),
            _ => {}
        }
    }
}

/// A call for reports.
pub fn show(number: usize, operation: &Operation) -> String {
    let Operation { client, member, begin, call, .. } = operation;
    let call: String = format!("{call:?}").chars().take(400).collect();
    let end = operation.end();
    let header = operation.header();
    let at = header.map_or(String::new(), |header| format!(" at revision {}", header.revision));
    format!("call {number} (client {client} to {member}, {begin} to {end}{at}) {call}")
}

/// An answer for reports.
fn brief(reply: &Reply) -> String {
    if let Reply::Range(range) = reply {
        let kvs: Vec<String> = range.kvs.iter().map(crate::log::describe_kv).collect();
        let text = format!("{kvs:?} count {} more {}", range.count, range.more);
        return text.chars().take(700).collect();
    }
    format!("{reply:?}").chars().take(700).collect()
}

/// Whether a final state is the store's.
pub fn same_state(store: &Store, at: i64, kvs: &[proto::mvccpb::KeyValue]) -> bool {
    let expected: Vec<_> = store.range(&KeyRange::All, at).cloned().collect();
    same_kvs(&expected, kvs)
}
