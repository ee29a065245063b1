//! What is found out before a transaction changes anything.

use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{PutRequest, TxnRequest};
use types::LeaseId;

use super::{branch, check_range};
use crate::{Counts, Error, ReadView, Result};

/// Checks the operations that will be carried out, in their order; returns how many of them write.
pub(super) fn txn(
    view: &ReadView,
    request: &TxnRequest,
    path: &[bool],
    is_lease: &dyn Fn(LeaseId) -> bool,
    counts: &mut Counts,
) -> Result<usize> {
    Check { view, path: path.iter(), is_lease, counts, writes: 0 }.run(request)
}

struct Check<'a> {
    view: &'a ReadView,
    /// Which branch each transaction takes, in the order in which they are come to.
    path: std::slice::Iter<'a, bool>,
    is_lease: &'a dyn Fn(LeaseId) -> bool,
    counts: &'a mut Counts,
    writes: usize,
}

impl Check<'_> {
    fn run(mut self, request: &TxnRequest) -> Result<usize> {
        self.txn(request)?;
        Ok(self.writes)
    }

    fn txn(&mut self, request: &TxnRequest) -> Result<()> {
        let succeeded = *self.path.next().expect("the path has a branch for each transaction");
        for op in branch(request, succeeded) {
            match &op.request {
                Some(Request::RequestRange(range)) => check_range(self.view, range)?,
                Some(Request::RequestPut(put)) => {
                    self.writes += 1;
                    self.put(put)?;
                }
                Some(Request::RequestDeleteRange(_)) => self.writes += 1,
                Some(Request::RequestTxn(nested)) => self.txn(nested)?,
                None => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, request: &PutRequest) -> Result<()> {
        lease(request, self.is_lease)?;
        if reads_before(request) {
            self.counts.ranges += 1;
        }
        let keeps = request.ignore_value || request.ignore_lease;
        if keeps && self.view.index.get(&request.key, self.view.revision()).is_none() {
            return Err(Error::KeyNotFound);
        }
        Ok(())
    }
}

/// Whether a put looks at what is there before it.
pub(super) const fn reads_before(request: &PutRequest) -> bool {
    request.ignore_value || request.ignore_lease || request.prev_kv
}

/// A put's lease has to be there.
pub(super) fn lease(request: &PutRequest, is_lease: &dyn Fn(LeaseId) -> bool) -> Result<()> {
    let lease = LeaseId(request.lease);
    if lease.is_some() && !is_lease(lease) {
        return Err(Error::LeaseNotFound);
    }
    Ok(())
}
