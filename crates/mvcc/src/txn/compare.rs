//! Compares, and the branches that they choose.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{Compare, TxnRequest};
use types::{KeyRange, RecordKey};

use super::branch;
use crate::index::{Direction, Entry};
use crate::record::Record;
use crate::view::Found;
use crate::{Counts, ReadView, Result};

/// How many records a compare of a range has in memory.
const RECORDS_AT_ONCE: usize = 1000;

/// Which branch each transaction takes: the outermost first, then those in its branch in the order
/// in which they are come to.
pub(super) fn path(
    view: &ReadView,
    request: &TxnRequest,
    counts: &mut Counts,
) -> Result<Vec<bool>> {
    let mut path = Vec::with_capacity(1);
    choose(view, request, &mut path, counts)?;
    Ok(path)
}

fn choose(
    view: &ReadView,
    request: &TxnRequest,
    path: &mut Vec<bool>,
    counts: &mut Counts,
) -> Result<()> {
    let succeeded = all_hold(view, &request.compare, counts)?;
    path.push(succeeded);
    for op in branch(request, succeeded) {
        if let Some(Request::RequestTxn(nested)) = &op.request {
            choose(view, nested, path, counts)?;
        }
    }
    Ok(())
}

fn all_hold(view: &ReadView, compares: &[Compare], counts: &mut Counts) -> Result<bool> {
    for compare in compares {
        counts.ranges += 1;
        if !holds(view, compare)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a compare holds for every key that it names. For none it is compared with a pair of
/// zeros, but no value is equal or unequal to that of a key that is not there.
fn holds(view: &ReadView, compare: &Compare) -> Result<bool> {
    let keys = KeyRange::parse(compare.key.clone(), compare.range_end.clone());
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut visited = 0;
    let mut holds = true;
    let in_record = needs_record(compare);
    view.index.visit(&keys, view.revision(), Direction::Ascending, &mut |key, entry| {
        visited += 1;
        if in_record {
            found.push(Found { key, entry });
        } else {
            holds = holds && numbers_relate(compare, Some(&entry));
        }
        if holds { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    if visited == 0 {
        let by_value = is_known(compare) && compare.target() == CompareTarget::Value;
        return Ok(!by_value && numbers_relate(compare, None));
    }
    if in_record {
        return records_relate(view, compare, &found);
    }
    Ok(holds)
}

/// Whether the target is one that this version knows.
fn is_known(compare: &Compare) -> bool {
    CompareTarget::try_from(compare.target).is_ok()
}

/// Whether the target is found in records only.
fn needs_record(compare: &Compare) -> bool {
    is_known(compare) && matches!(compare.target(), CompareTarget::Value | CompareTarget::Lease)
}

fn records_relate(view: &ReadView, compare: &Compare, found: &[Found<'_>]) -> Result<bool> {
    for found in found.chunks(RECORDS_AT_ONCE) {
        for (found, bytes) in found.iter().zip(view.fetch(found)?) {
            let key = RecordKey { revision: found.entry.revision, tombstone: false };
            let record: Record<'_> = view.parse(key, &bytes)?;
            let ordering = match compare.target() {
                CompareTarget::Value => record.value.cmp(given_value(compare)),
                _ => record.lease.get().cmp(&given_number(compare)),
            };
            if !relates(compare, ordering) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Compares a number that the index has. An unknown target is equal to everything, as in Go.
fn numbers_relate(compare: &Compare, entry: Option<&Entry>) -> bool {
    if !is_known(compare) {
        return relates(compare, Ordering::Equal);
    }
    let number = entry.map_or(0, |entry| match compare.target() {
        CompareTarget::Version => entry.version,
        CompareTarget::Create => entry.create,
        CompareTarget::Mod => entry.revision.main,
        CompareTarget::Value | CompareTarget::Lease => 0,
    });
    relates(compare, number.cmp(&given_number(compare)))
}

/// The value given; empty if something else was given.
fn given_value(compare: &Compare) -> &[u8] {
    match &compare.target_union {
        Some(TargetUnion::Value(value)) => value,
        _ => b"",
    }
}

/// The number given; 0 if what was given is not the target's.
fn given_number(compare: &Compare) -> i64 {
    match (compare.target(), &compare.target_union) {
        (CompareTarget::Version, Some(TargetUnion::Version(number)))
        | (CompareTarget::Create, Some(TargetUnion::CreateRevision(number)))
        | (CompareTarget::Mod, Some(TargetUnion::ModRevision(number)))
        | (CompareTarget::Lease, Some(TargetUnion::Lease(number))) => *number,
        _ => 0,
    }
}

/// Whether the relation asked for is the one found. An unknown one holds always, as in Go.
fn relates(compare: &Compare, found: Ordering) -> bool {
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => found.is_eq(),
        Ok(CompareResult::NotEqual) => found.is_ne(),
        Ok(CompareResult::Greater) => found.is_gt(),
        Ok(CompareResult::Less) => found.is_lt(),
        Err(_) => true,
    }
}
