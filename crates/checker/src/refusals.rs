//! Whether what was refused had to be, and what had to be refused was.

use crate::history::{Call, History, Operation, Outcome, Refusal, Time};
use crate::order::Floors;
use crate::place::show;
use crate::report::{Kind, Report};
use proto::etcdserverpb::TxnRequest;
use proto::etcdserverpb::request_op::Request;

/// A compaction: when it was asked for, when it was acknowledged.
struct Compaction {
    begin: Time,
    end: Time,
    revision: i64,
}

/// The compactions of a history, by what can be asked of them in a binary search.
pub struct Compactions {
    /// By beginning; with the highest revision asked for so far.
    asked: Vec<(Time, i64)>,
    /// By end; with the highest revision acknowledged so far.
    done: Vec<(Time, i64)>,
}

impl Compactions {
    /// All compactions of a history.
    pub fn new(history: &History) -> Self {
        let base = Compaction {
            begin: Time::ZERO,
            end: Time::ZERO,
            revision: history.base.compact_revision,
        };
        let mut all = vec![base];
        for operation in &history.operations {
            if let (Call::Compact(request), false) =
                (&operation.call, matches!(operation.outcome, Outcome::Refused { .. }))
            {
                let (begin, end) = (operation.begin, operation.end());
                all.push(Compaction { begin, end, revision: request.revision });
            }
        }
        let asked = rising(all.iter().map(|one| (one.begin, one.revision)).collect());
        Self { asked, done: rising(all.iter().map(|one| (one.end, one.revision)).collect()) }
    }

    /// The highest revision that may have been compacted at this time.
    pub fn possible(&self, at: Time) -> i64 {
        newest(&self.asked, at)
    }

    /// The revision that had been compacted for certain at this time.
    pub fn certain(&self, at: Time) -> i64 {
        newest(&self.done, at)
    }
}

fn rising(mut list: Vec<(Time, i64)>) -> Vec<(Time, i64)> {
    list.sort_unstable();
    let mut highest = 0;
    for (_, revision) in &mut list {
        highest = highest.max(*revision);
        *revision = highest;
    }
    list
}

fn newest(list: &[(Time, i64)], at: Time) -> i64 {
    let before = list.partition_point(|(time, _)| *time < at);
    list[..before].last().map_or(0, |(_, revision)| *revision)
}

/// Checks refusals because of revisions, and reads that should have been refused.
pub fn check(history: &History, compactions: &Compactions, floors: &Floors, report: &mut Report) {
    for (number, operation) in history.operations.iter().enumerate() {
        let Some((lowest, highest)) = revisions(&operation.call) else { continue };
        match &operation.outcome {
            Outcome::Refused { end, reason: Refusal::Compacted } => {
                // A compaction to the compacted revision itself is refused, a read at it is not.
                let is_compaction = matches!(operation.call, Call::Compact(_));
                let limit = compactions.possible(*end) + i64::from(is_compaction);
                if lowest >= limit {
                    refused(report, number, operation, &format!("compacted is up to {limit}"));
                }
            }
            Outcome::Refused { reason: Refusal::Future, .. } => {
                let floor = floors.floor(number);
                if operation.call.is_linearizable() && highest <= floor {
                    refused(report, number, operation, &format!("revision {floor} was there"));
                }
            }
            Outcome::Done { .. } => {
                let compacted = compactions.certain(operation.begin);
                // Of a transaction only the branch that is taken counts.
                let reads = matches!(operation.call, Call::Range(_));
                if reads && operation.call.is_linearizable() && lowest < compacted {
                    report.add(Kind::ReadBehindCompaction, || {
                        let what = show(number, operation);
                        format!("{what} was answered, though {compacted} was compacted before")
                    });
                }
            }
            Outcome::Refused { .. } | Outcome::Unknown => {}
        }
    }
}

fn refused(report: &mut Report, number: usize, operation: &Operation, why: &str) {
    report.add(Kind::WrongRefusal, || {
        format!("{} was refused with {:?}, but {why}", show(number, operation), operation.outcome)
    });
}

/// The lowest and the highest revision that a call names.
fn revisions(call: &Call) -> Option<(i64, i64)> {
    let mut named = Vec::new();
    match call {
        Call::Range(request) => named.push(request.revision),
        Call::Compact(request) => named.push(request.revision),
        Call::Txn(request) => txn_revisions(request, &mut named),
        _ => {}
    }
    named.retain(|&revision| revision > 0);
    Some((*named.iter().min()?, *named.iter().max()?))
}

fn txn_revisions(request: &TxnRequest, named: &mut Vec<i64>) {
    for operation in request.success.iter().chain(&request.failure) {
        match &operation.request {
            Some(Request::RequestRange(range)) => named.push(range.revision),
            Some(Request::RequestTxn(txn)) => txn_revisions(txn, named),
            _ => {}
        }
    }
}
