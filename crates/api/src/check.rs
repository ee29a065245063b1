//! What is wrong with a request by itself, before anybody is asked
//! (etcd `server/etcdserver/api/v3rpc/key.go`).

use proto::error::Error as Known;
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest};

use crate::overlap;

type Checked = Result<(), Known>;

/// A range.
///
/// # Errors
/// Of the first fault.
pub fn range(request: &RangeRequest) -> Checked {
    if request.key.is_empty() {
        return Err(Known::EmptyKey);
    }
    if SortOrder::try_from(request.sort_order).is_err()
        || SortTarget::try_from(request.sort_target).is_err()
    {
        return Err(Known::InvalidSortOption);
    }
    Ok(())
}

/// A range that is to be streamed: in key order, and by no revision.
///
/// # Errors
/// Of the first fault.
pub fn range_stream(request: &RangeRequest) -> Checked {
    range(request)?;
    // Ascending by key is the order in which keys come anyway.
    let default_order = match request.sort_order() {
        SortOrder::None => true,
        SortOrder::Ascend => request.sort_target() == SortTarget::Key,
        SortOrder::Descend => false,
    };
    if !default_order {
        return Err(Known::RangeStreamSortOrder);
    }
    let filters = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    if filters.iter().any(|filter| *filter != 0) {
        return Err(Known::RangeStreamRevisionFilter);
    }
    Ok(())
}

/// A put.
///
/// # Errors
/// Of the first fault.
pub fn put(request: &PutRequest) -> Checked {
    if request.key.is_empty() {
        return Err(Known::EmptyKey);
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(Known::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Known::LeaseProvided);
    }
    Ok(())
}

/// A delete.
///
/// # Errors
/// Of the first fault.
pub fn delete_range(request: &DeleteRangeRequest) -> Checked {
    if request.key.is_empty() { Err(Known::EmptyKey) } else { Ok(()) }
}

/// A transaction with all that lies in it; `ops_max` is `--max-txn-ops`.
///
/// # Errors
/// Of the first fault; overlaps are looked for last.
pub fn txn(request: &TxnRequest, ops_max: usize) -> Checked {
    txn_ops(request, ops_max)?;
    overlap::check(&request.success)?;
    overlap::check(&request.failure)
}

/// What a transaction uses of the budget for operations is not left to those inside of it, which
/// bounds the recursion here and everywhere behind.
fn txn_ops(request: &TxnRequest, ops_max: usize) -> Checked {
    let lists = [request.compare.len(), request.success.len(), request.failure.len()];
    let ops = lists.into_iter().max().unwrap_or(0);
    let Some(left) = ops_max.checked_sub(ops) else { return Err(Known::TooManyOps) };
    if request.compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(Known::EmptyKey);
    }
    request.success.iter().chain(&request.failure).try_for_each(|op| request_op(op, left))
}

fn request_op(op: &RequestOp, ops_max: usize) -> Checked {
    match &op.request {
        Some(Request::RequestRange(request)) => range(request),
        Some(Request::RequestPut(request)) => put(request),
        Some(Request::RequestDeleteRange(request)) => delete_range(request),
        Some(Request::RequestTxn(request)) => txn_ops(request, ops_max),
        None => Err(Known::KeyNotFound),
    }
}

#[cfg(test)]
#[path = "check_test.rs"]
mod tests;
