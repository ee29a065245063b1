//! What a request touches: each read and write of keys, at any nesting of transactions.
//!
//! One walk serves authorisation, quota, the overlap check, the read-only test and metrics, so that
//! none of them can forget a place where a key is named. It does not know what is allowed.
//!
//! Invariants: the walk needs no stack of the thread, so no nesting overflows it; every key field
//! of a request that names stored keys is yielded.

use bytes::Bytes;
use types::{KeyRange, LeaseId};

use crate::etcdserverpb::request_op::Request;
use crate::etcdserverpb::{
    Compare, DeleteRangeRequest, InternalRaftRequest, PutRequest, RangeRequest, RequestOp,
    TxnRequest,
};

/// A request that reads or writes keys.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Op<'a> {
    Range(&'a RangeRequest),
    Put(&'a PutRequest),
    DeleteRange(&'a DeleteRangeRequest),
    Txn(&'a TxnRequest),
}

/// One read or write.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    /// What is done.
    pub kind: Kind<'a>,
    /// To which keys.
    pub range: KeyRange,
    /// How many transactions it lies in; 0 for a request by itself.
    pub txn_depth: usize,
}

/// What is done with a range of keys.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// Keys are read.
    Range(&'a RangeRequest),
    /// Keys are compared.
    Compare(&'a Compare),
    /// What a put or a delete replaces is answered (`prev_kv`).
    PrevKv,
    /// A key is written. `ignore_value` and `ignore_lease` keep what is there, but show nothing of
    /// it: they are no read.
    Put(&'a PutRequest),
    /// Keys are deleted.
    DeleteRange(&'a DeleteRangeRequest),
}

impl Access<'_> {
    /// Whether state is changed; if not, it is shown.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        match self.kind {
            Kind::Put(_) | Kind::DeleteRange(_) => true,
            Kind::Range(_) | Kind::Compare(_) | Kind::PrevKv => false,
        }
    }

    /// The lease that a put attaches its key to; it has to exist.
    #[must_use]
    pub fn lease(&self) -> Option<LeaseId> {
        match self.kind {
            Kind::Put(put) => Some(LeaseId(put.lease)).filter(|lease| lease.is_some()),
            _ => None,
        }
    }
}

/// A stage of the walk through a request.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// A read or write.
    Access(Access<'a>),
    /// A transaction begins; its compares follow, then both branches.
    Txn(&'a TxnRequest),
    /// The operations of the innermost open transaction's `success` follow.
    Success,
    /// The operations of the innermost open transaction's `failure` follow.
    Failure,
    /// The innermost open transaction ends.
    End,
}

/// Every stage of the walk, in the order in which the parts stand in the request; accesses of one
/// operation: what it does, then `prev_kv`.
pub fn steps<'a>(op: impl Into<Op<'a>>) -> Steps<'a> {
    Steps { todo: vec![Todo::Op(op.into())], txn_depth: 0 }
}

/// Every read and write that the request names, whichever branches will run.
pub fn accesses<'a>(op: impl Into<Op<'a>>) -> impl Iterator<Item = Access<'a>> {
    steps(op).filter_map(|step| match step {
        Step::Access(access) => Some(access),
        _ => None,
    })
}

/// Calls the function with every read and write that the request names.
pub fn for_each_access<'a>(op: impl Into<Op<'a>>, function: impl FnMut(Access<'a>)) {
    accesses(op).for_each(function);
}

/// Whether the request changes nothing, whichever branches run.
pub fn is_read_only<'a>(op: impl Into<Op<'a>>) -> bool {
    accesses(op).all(|access| !access.is_write())
}

/// Whether a member may answer from its own state: a range that says so, or a transaction of
/// nothing else. As in Go, one with a transaction inside never is.
pub fn is_serializable<'a>(op: impl Into<Op<'a>>) -> bool {
    let mut transactions = 0;
    steps(op).all(|step| match step {
        Step::Access(Access { kind: Kind::Range(range), .. }) => range.serializable,
        Step::Access(access) => !access.is_write(),
        Step::Txn(_) => {
            transactions += 1;
            transactions == 1
        }
        Step::Success | Step::Failure | Step::End => true,
    })
}

/// How many ranges, puts and deletes the request holds, both branches counted.
pub fn op_count<'a>(op: impl Into<Op<'a>>) -> usize {
    accesses(op).filter(|access| !matches!(access.kind, Kind::Compare(_) | Kind::PrevKv)).count()
}

/// The largest sum of costs that one path through the branches can have.
///
/// With a put's cost this is how Go's quota counts a transaction.
pub fn largest_cost<'a>(op: impl Into<Op<'a>>, cost: impl Fn(&Access<'a>) -> u64) -> u64 {
    /// Of an open transaction: `success` and `failure`, and the one that is being added up.
    struct Branches {
        success: u64,
        current: u64,
    }
    let mut open = vec![Branches { success: 0, current: 0 }];
    for step in steps(op) {
        let top = open.last_mut().expect("the outermost is never closed");
        match step {
            Step::Access(access) => top.current += cost(&access),
            Step::Txn(_) => open.push(Branches { success: 0, current: 0 }),
            Step::Success => {}
            Step::Failure => top.success = std::mem::take(&mut top.current),
            Step::End => {
                let largest = top.success.max(top.current);
                open.pop();
                open.last_mut().expect("the outermost is never closed").current += largest;
            }
        }
    }
    open[0].current
}

/// The walk; see [`steps`].
#[derive(Clone, Debug)]
pub struct Steps<'a> {
    /// What is still to come, the next one last.
    todo: Vec<Todo<'a>>,
    /// How many transactions are open.
    txn_depth: usize,
}

#[derive(Clone, Debug)]
enum Todo<'a> {
    Op(Op<'a>),
    PrevKv { key: &'a Bytes, range_end: Bytes },
    Compares(&'a [Compare]),
    Ops(&'a [RequestOp]),
    Mark(Step<'a>),
}

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        loop {
            let step = match self.todo.pop()? {
                Todo::Mark(step) => {
                    self.txn_depth -= usize::from(matches!(step, Step::End));
                    Some(step)
                }
                Todo::Op(op) => Some(self.begin(op)),
                Todo::PrevKv { key, range_end } => Some(self.access(Kind::PrevKv, key, &range_end)),
                Todo::Compares(compares) => self.compare(compares),
                Todo::Ops(ops) => {
                    self.descend(ops);
                    None
                }
            };
            if step.is_some() {
                return step;
            }
        }
    }
}

impl<'a> Steps<'a> {
    fn begin(&mut self, op: Op<'a>) -> Step<'a> {
        match op {
            Op::Range(range) => self.access(Kind::Range(range), &range.key, &range.range_end),
            Op::Put(put) => {
                if put.prev_kv {
                    self.todo.push(Todo::PrevKv { key: &put.key, range_end: Bytes::new() });
                }
                self.access(Kind::Put(put), &put.key, &Bytes::new())
            }
            Op::DeleteRange(delete) => {
                if delete.prev_kv {
                    let range_end = delete.range_end.clone();
                    self.todo.push(Todo::PrevKv { key: &delete.key, range_end });
                }
                self.access(Kind::DeleteRange(delete), &delete.key, &delete.range_end)
            }
            Op::Txn(txn) => {
                self.todo.extend([
                    Todo::Mark(Step::End),
                    Todo::Ops(&txn.failure),
                    Todo::Mark(Step::Failure),
                    Todo::Ops(&txn.success),
                    Todo::Mark(Step::Success),
                    Todo::Compares(&txn.compare),
                ]);
                self.txn_depth += 1;
                Step::Txn(txn)
            }
        }
    }

    fn compare(&mut self, compares: &'a [Compare]) -> Option<Step<'a>> {
        let (first, rest) = compares.split_first()?;
        self.todo.push(Todo::Compares(rest));
        Some(self.access(Kind::Compare(first), &first.key, &first.range_end))
    }

    fn descend(&mut self, ops: &'a [RequestOp]) {
        let Some((first, rest)) = ops.split_first() else { return };
        self.todo.push(Todo::Ops(rest));
        self.todo.extend(Op::of(first).map(Todo::Op));
    }

    fn access(&self, kind: Kind<'a>, key: &Bytes, range_end: &Bytes) -> Step<'a> {
        let range = KeyRange::parse(key.clone(), range_end.clone());
        Step::Access(Access { kind, range, txn_depth: self.txn_depth })
    }
}

impl<'a> Op<'a> {
    /// The operation of a transaction; `None` for one that is none.
    #[must_use]
    pub fn of(op: &'a RequestOp) -> Option<Self> {
        op.request.as_ref().map(|request| match request {
            Request::RequestRange(range) => Self::Range(range),
            Request::RequestPut(put) => Self::Put(put),
            Request::RequestDeleteRange(delete) => Self::DeleteRange(delete),
            Request::RequestTxn(txn) => Self::Txn(txn),
        })
    }

    /// The request about keys that an entry of the log carries, if it is about keys.
    #[must_use]
    pub fn in_entry(request: &'a InternalRaftRequest) -> Option<Self> {
        let InternalRaftRequest { range, put, delete_range, txn, .. } = request;
        range
            .as_ref()
            .map(Self::Range)
            .or_else(|| put.as_ref().map(Self::Put))
            .or_else(|| delete_range.as_ref().map(Self::DeleteRange))
            .or_else(|| txn.as_ref().map(Self::Txn))
    }
}

impl<'a> From<&'a RangeRequest> for Op<'a> {
    fn from(range: &'a RangeRequest) -> Self {
        Self::Range(range)
    }
}

impl<'a> From<&'a PutRequest> for Op<'a> {
    fn from(put: &'a PutRequest) -> Self {
        Self::Put(put)
    }
}

impl<'a> From<&'a DeleteRangeRequest> for Op<'a> {
    fn from(delete: &'a DeleteRangeRequest) -> Self {
        Self::DeleteRange(delete)
    }
}

impl<'a> From<&'a TxnRequest> for Op<'a> {
    fn from(txn: &'a TxnRequest) -> Self {
        Self::Txn(txn)
    }
}

#[cfg(test)]
#[path = "access_test.rs"]
mod tests;
