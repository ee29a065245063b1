//! The operations of a transaction, in order, with their answers.

use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, ResponseHeader, TxnRequest,
};
use proto::twin::{
    DeleteRangeResponse, PutResponse, RangeResponse, Response, ResponseOp, TxnResponse,
};
use types::{KeyRange, LeaseId};

use super::check::reads_before;
use super::{Ranges, branch, header, skipped};
use crate::record::Record;
use crate::write::Write;
use crate::{Counts, Error, ReadView, Result};

/// Carries out a transaction's branches. The caller fills the outermost header.
pub(super) fn txn(
    write: &mut Write<'_>,
    request: &TxnRequest,
    path: &[bool],
    ranges: Ranges,
) -> Result<(TxnResponse, Counts)> {
    let target = Target::Write(write, ranges);
    Execution { target, path: path.iter(), counts: Counts::default() }.run(request)
}

/// Carries out the branches of a transaction that only reads.
pub(super) fn read_only_txn(
    view: &ReadView,
    request: &TxnRequest,
    path: &[bool],
) -> Result<(TxnResponse, Counts)> {
    let target = Target::View(view);
    Execution { target, path: path.iter(), counts: Counts::default() }.run(request)
}

/// What operations are carried out on.
enum Target<'a, 'w> {
    View(&'a ReadView),
    Write(&'a mut Write<'w>, Ranges),
}

struct Execution<'a, 'w> {
    target: Target<'a, 'w>,
    /// Which branch each transaction takes, in the order in which they are come to.
    path: std::slice::Iter<'a, bool>,
    counts: Counts,
}

impl<'w> Execution<'_, 'w> {
    fn run(mut self, request: &TxnRequest) -> Result<(TxnResponse, Counts)> {
        let response = self.txn(request)?;
        Ok((response, self.counts))
    }

    /// The header of a nested transaction stays empty, as in Go.
    fn txn(&mut self, request: &TxnRequest) -> Result<TxnResponse> {
        let succeeded = *self.path.next().expect("the path has a branch for each transaction");
        let ops = branch(request, succeeded);
        let mut responses = Vec::with_capacity(ops.len());
        for op in ops {
            responses.push(ResponseOp { response: self.op(op)? });
        }
        Ok(TxnResponse { header: Some(ResponseHeader::default()), succeeded, responses })
    }

    fn op(&mut self, op: &RequestOp) -> Result<Option<Response>> {
        Ok(Some(match &op.request {
            Some(Request::RequestRange(range)) => Response::ResponseRange(self.range(range)?),
            Some(Request::RequestPut(request)) => {
                let (write, counts) = self.write();
                Response::ResponsePut(put(write, request, counts)?)
            }
            Some(Request::RequestDeleteRange(request)) => {
                let (write, counts) = self.write();
                Response::ResponseDeleteRange(delete_range(write, request, counts)?)
            }
            Some(Request::RequestTxn(nested)) => Response::ResponseTxn(self.txn(nested)?),
            None => return Ok(None),
        }))
    }

    fn range(&mut self, request: &RangeRequest) -> Result<RangeResponse> {
        match &self.target {
            Target::Write(write, Ranges::Skip) => Ok(skipped(write.revision())),
            Target::Write(write, Ranges::Execute) => {
                self.counts.ranges += 1;
                write.view().range(request)
            }
            Target::View(view) => {
                self.counts.ranges += 1;
                view.range(request)
            }
        }
    }

    fn write(&mut self) -> (&mut Write<'w>, &mut Counts) {
        match &mut self.target {
            Target::Write(write, _) => (write, &mut self.counts),
            Target::View(_) => panic!("a transaction that was taken for read-only writes"),
        }
    }
}

/// Writes a key.
pub(super) fn put(
    write: &mut Write<'_>,
    request: &PutRequest,
    counts: &mut Counts,
) -> Result<PutResponse> {
    let before = if reads_before(request) {
        counts.ranges += 1;
        write.view().get(&request.key, 0)?
    } else {
        None
    };
    let kept = before
        .as_ref()
        .map(|bytes| Record::parse(bytes).expect("a view gives records that were read"));
    let (mut value, mut lease) = (&request.value[..], LeaseId(request.lease));
    if request.ignore_value {
        value = kept.ok_or(Error::KeyNotFound)?.value;
    }
    if request.ignore_lease {
        lease = kept.ok_or(Error::KeyNotFound)?.lease;
    }
    counts.puts += 1;
    counts.put_bytes += (request.key.len() + value.len()) as u64;
    write.put(&request.key, value, lease);
    let prev_kv = before.filter(|_| request.prev_kv);
    Ok(PutResponse { header: header(write.revision()), prev_kv })
}

/// Deletes the keys of a range.
pub(super) fn delete_range(
    write: &mut Write<'_>,
    request: &DeleteRangeRequest,
    counts: &mut Counts,
) -> Result<DeleteRangeResponse> {
    let DeleteRangeRequest { key, range_end, prev_kv } = request;
    let mut prev_kvs = Vec::new();
    if *prev_kv {
        counts.ranges += 1;
        let all = RangeRequest {
            key: key.clone(),
            range_end: range_end.clone(),
            ..RangeRequest::default()
        };
        prev_kvs = write.view().range(&all)?.kvs;
    }
    counts.deletes += 1;
    let deleted = write.delete_range(&KeyRange::parse(key.clone(), range_end.clone()));
    Ok(DeleteRangeResponse { header: header(write.revision()), deleted, prev_kvs })
}
