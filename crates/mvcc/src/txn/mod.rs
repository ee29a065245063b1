//! Requests that write, and transactions: compares, checks, then operations in order, with the
//! answers, errors and revisions of etcd 3.7's package `etcdserver/txn`.
//!
//! Compares and checks of all nested transactions see the state before the outermost; operations
//! see what the ones before them changed. What is checked first fails without a trace; see
//! [`crate::write`] for what fails later.
//!
//! Knows no lessor: whether a lease is there is asked of the caller.

mod check;
mod compare;
mod execute;

use backend::Backend;
use bytes::Bytes;
use proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, ResponseHeader, TxnRequest,
};
use proto::twin::{DeleteRangeResponse, PutResponse, RangeResponse, TxnResponse};
use types::{KeyRange, LeaseId};

use crate::write::{Undo, Write};
use crate::{Applied, Counts, ReadView, Result, Store};

/// What becomes of the ranges in a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ranges {
    /// They are answered.
    Execute,
    /// They are answered by an empty range: nobody waits for the answer. Their revisions are checked
    /// all the same, so that every member applies the same transactions.
    Skip,
}

impl Store {
    /// Writes a key.
    ///
    /// # Errors
    /// [`Error::LeaseNotFound`](crate::Error::LeaseNotFound) when `is_lease` denies the lease,
    /// [`Error::KeyNotFound`](crate::Error::KeyNotFound) when a value or lease is to be kept that is
    /// not there, or when the file cannot be read.
    pub fn put(
        &mut self,
        backend: &mut Backend,
        request: &PutRequest,
        is_lease: &dyn Fn(LeaseId) -> bool,
    ) -> Result<Applied<PutResponse>> {
        check::lease(request, is_lease)?;
        let mut counts = Counts::default();
        let mut write = Write::begin(self, backend, Undo::Needless);
        let mut response = execute::put(&mut write, request, &mut counts)?;
        let (changes, revision) = write.commit();
        response.header = header(revision);
        Ok(Applied { response, changes, counts: counts.ended() })
    }

    /// Deletes the keys of a range. Makes a revision only if there was one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn delete_range(
        &mut self,
        backend: &mut Backend,
        request: &DeleteRangeRequest,
    ) -> Result<Applied<DeleteRangeResponse>> {
        let mut counts = Counts::default();
        let mut write = Write::begin(self, backend, Undo::Needless);
        let response = execute::delete_range(&mut write, request, &mut counts)?;
        let (changes, _) = write.commit();
        Ok(Applied { response, changes, counts: counts.ended() })
    }

    /// Deletes single keys in one transaction, in their order, as the revocation of their lease
    /// does. Keys that are not there are passed over. The response is the store's revision.
    pub fn delete_keys(&mut self, backend: &mut Backend, keys: &[Bytes]) -> Applied<i64> {
        let mut write = Write::begin(self, backend, Undo::Needless);
        for key in keys {
            write.delete_range(&KeyRange::Key(key.clone()));
        }
        let (changes, response) = write.commit();
        let counts = Counts { deletes: keys.len() as u64, ..Counts::default() };
        Applied { response, changes, counts: counts.ended() }
    }

    /// Carries out a transaction. It takes one revision if it changes anything.
    ///
    /// # Errors
    /// As [`put`](Self::put) and [`ReadView::range`], for the operations of the branches taken;
    /// nothing is changed then.
    pub fn txn(
        &mut self,
        backend: &mut Backend,
        request: &TxnRequest,
        is_lease: &dyn Fn(LeaseId) -> bool,
        ranges: Ranges,
    ) -> Result<Applied<TxnResponse>> {
        let mut checked = Counts::default();
        let before = self.view(backend);
        let path = compare::path(&before, request, &mut checked)?;
        let writes = match check::txn(&before, request, &path, is_lease, &mut checked) {
            Err(_) if ranges == Ranges::Skip && env::planted!("range-decides-txn") => 2,
            writes => writes?,
        };
        drop(before);
        // With one write nothing but the file can fail behind it.
        let undo = if writes > 1 { Undo::Possible } else { Undo::Needless };
        let mut write = Write::begin(self, backend, undo);
        let (mut response, counts) = execute::txn(&mut write, request, &path, ranges)?;
        let (changes, revision) = write.commit();
        response.header = header(revision);
        Ok(Applied { response, changes, counts: checked.ended().plus(counts.ended()) })
    }
}

impl ReadView {
    /// Carries out a transaction that only reads.
    ///
    /// # Errors
    /// As [`range`](Self::range), for the ranges of the branches taken.
    ///
    /// # Panics
    /// If the transaction can write: the caller has asked [`proto::access::is_read_only`].
    pub fn txn(&self, request: &TxnRequest) -> Result<Applied<TxnResponse>> {
        let mut counts = Counts::default();
        let path = compare::path(self, request, &mut counts)?;
        check::txn(self, request, &path, &|_| false, &mut counts)?;
        let (mut response, executed) = execute::read_only_txn(self, request, &path)?;
        response.header = header(self.revision());
        let counts = counts.plus(executed).ended();
        Ok(Applied { response, changes: Vec::new(), counts })
    }
}

/// A header with a revision only.
fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader { revision, ..ResponseHeader::default() })
}

/// What is answered to a range that nobody waits for.
fn skipped(revision: i64) -> RangeResponse {
    RangeResponse { header: header(revision), ..RangeResponse::default() }
}

/// The branch of a transaction that its compares have chosen.
fn branch(request: &TxnRequest, succeeded: bool) -> &[proto::etcdserverpb::RequestOp] {
    if succeeded { &request.success } else { &request.failure }
}

/// A range of a transaction is refused by its revision before anything is carried out.
fn check_range(view: &ReadView, request: &RangeRequest) -> Result<()> {
    match request.revision {
        0 => Ok(()),
        revision if revision > view.revision() => Err(crate::Error::FutureRevision),
        revision if revision < view.compact_revision() => Err(crate::Error::Compacted),
        _ => Ok(()),
    }
}
