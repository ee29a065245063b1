//! Whether the order of revisions is an order of real time: what was complete before something else
//! began stands before it.

use crate::history::{History, Operation, Outcome, Time};
use crate::place::{Places, Position, show};
use crate::report::{Kind, Report};
use crate::times::Times;

/// The beginning or the end of a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    at: Time,
    /// At equal times beginnings come first: such calls count as concurrent.
    is_end: bool,
    call: usize,
}

/// The newest revision that was complete when each call began: what a linearizable call can't be
/// behind of.
pub struct Floors {
    by_call: Vec<i64>,
}

impl Floors {
    /// The lowest revision that a call can have seen.
    pub fn floor(&self, call: usize) -> i64 {
        self.by_call[call]
    }
}

/// Checks the order of all calls whose place is promised.
pub fn check(history: &History, places: &Places, report: &mut Report) -> Floors {
    let mut moments = Vec::new();
    for (call, operation) in history.operations.iter().enumerate() {
        moments.push(Moment { at: operation.begin, is_end: false, call });
        // A call that is never answered has no end that others could begin after.
        if operation.outcome != Outcome::Unknown {
            moments.push(Moment { at: operation.end(), is_end: true, call });
        }
    }
    moments.sort_unstable();
    let start = Position { revision: history.base.revision, behind: false };
    let (mut newest, mut newest_call) = (start, None);
    let mut floors = Floors { by_call: vec![history.base.revision; history.operations.len()] };
    for Moment { is_end, call, .. } in moments {
        let operation = &history.operations[call];
        if !is_end {
            floors.by_call[call] = newest.revision;
        }
        let Some(place) = places.calls[call].filter(|_| operation.call.is_linearizable()) else {
            continue;
        };
        if is_end {
            if place >= newest {
                (newest, newest_call) = (place, Some(call));
            }
        } else if place < newest {
            report.add(Kind::OutOfOrder, || out_of_order(history, newest_call, call, place));
        }
    }
    floors
}

fn out_of_order(history: &History, before: Option<usize>, call: usize, place: Position) -> String {
    let describe = |number: usize| show(number, &history.operations[number]);
    let before = before.map_or("the beginning".to_owned(), describe);
    let kind = if place.behind { "sees" } else { "made" };
    format!(
        "{} {kind} revision {}, though it began behind {before}",
        describe(call),
        place.revision
    )
}

/// Checks that nothing was seen before it was asked for.
pub fn check_future(history: &History, times: &Times, report: &mut Report) {
    for (number, operation) in history.operations.iter().enumerate() {
        let Some(header) = operation.header() else { continue };
        if operation.end() < times.birth(header.revision) {
            report.add(Kind::FromTheFuture, || future_call(number, operation, times));
        }
    }
    for watch in &history.watches {
        for answer in &watch.responses {
            let events = answer.events.iter().filter_map(|event| event.kv.as_ref());
            let newest = events.map(|kv| kv.mod_revision).max().unwrap_or(0);
            if answer.at < times.birth(newest.max(answer.revision)) {
                report.add(Kind::FromTheFuture, || {
                    let member = watch.member;
                    format!("a watch of {member} shows revision {newest} at {}", answer.at)
                });
            }
        }
    }
}

fn future_call(number: usize, operation: &Operation, times: &Times) -> String {
    let revision = operation.header().map_or(0, |header| header.revision);
    let birth = times.birth(revision);
    format!("{} shows revision {revision}, which was asked for at {birth}", show(number, operation))
}
