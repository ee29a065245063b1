//! What a request costs against `--quota-backend-bytes` (etcd `server/storage/quota.go`).
//!
//! At apply the quota changes an answer only, never the state: the one local branch there is.

use proto::access::{self, Access, Kind, Op};
use proto::etcdserverpb::{PutRequest, TxnRequest};

/// `--quota-backend-bytes=0` means this.
pub const DEFAULT_BYTES: i64 = 2 << 30;
/// More than this gives a warning at start.
pub const SUGGESTED_BYTES_MAX: i64 = 8 << 30;

const LEASE_COST: u64 = 64;
const KEY_COST: u64 = 256;

/// How many bytes the database may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quota {
    /// Any number.
    Unlimited,
    /// Fewer than this.
    Bytes(u64),
}

/// How the operations of nested transactions count (spec/apply.md 6.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NestedCost {
    /// As any other: from cluster version 3.6 on, and always where a request is proposed.
    Counted,
    /// Not at all: below cluster version 3.6.
    Free,
}

impl Quota {
    /// The meaning of the flag: negative is unlimited, 0 the default.
    #[must_use]
    pub const fn from_flag(bytes: i64) -> Self {
        match bytes {
            0 => Self::Bytes(DEFAULT_BYTES as u64),
            bytes if bytes < 0 => Self::Unlimited,
            bytes => Self::Bytes(bytes as u64),
        }
    }

    /// The number for the metric and for `Status`: 0 when unlimited.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Unlimited => 0,
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Whether a database of `size` bytes has room for a request of this cost. What costs nothing
    /// always has.
    #[must_use]
    pub const fn has_room(self, size: u64, cost: u64) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Bytes(bytes) => cost == 0 || size.saturating_add(cost) < bytes,
        }
    }
}

/// The cost of a put.
#[must_use]
pub fn put_cost(put: &PutRequest) -> u64 {
    KEY_COST + put.key.len() as u64 + put.value.len() as u64
}

/// The cost of a transaction: that of its dearer branch.
#[must_use]
pub fn txn_cost(txn: &TxnRequest, nested: NestedCost) -> u64 {
    let is_counted = nested == NestedCost::Counted && !env::planted!("quota-ignores-nested");
    access::largest_cost(Op::Txn(txn), |access: &Access<'_>| match access.kind {
        Kind::Put(put) if is_counted || access.txn_depth <= 1 => put_cost(put),
        _ => 0,
    })
}

/// The cost of a lease.
#[must_use]
pub const fn lease_cost() -> u64 {
    LEASE_COST
}

#[cfg(test)]
mod tests {
    use proto::etcdserverpb::{RequestOp, request_op};

    use super::*;

    fn op(request: request_op::Request) -> RequestOp {
        RequestOp { request: Some(request) }
    }

    fn put(value: usize) -> RequestOp {
        let put = PutRequest {
            key: b"key".as_slice().into(),
            value: vec![0; value].into(),
            ..PutRequest::default()
        };
        op(request_op::Request::RequestPut(put))
    }

    fn txn(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> TxnRequest {
        TxnRequest { success, failure, ..TxnRequest::default() }
    }

    fn nested(inner: TxnRequest) -> RequestOp {
        op(request_op::Request::RequestTxn(inner))
    }

    #[test]
    fn a_transaction_costs_what_its_dearer_branch_does() {
        let both = txn(vec![put(10), put(20)], vec![put(1000)]);
        assert_eq!(txn_cost(&both, NestedCost::Counted), KEY_COST + 3 + 1000);
        assert_eq!(txn_cost(&txn(Vec::new(), Vec::new()), NestedCost::Counted), 0);
    }

    #[test]
    fn nested_puts_cost_as_much_as_others_where_they_count() {
        let inner = txn(vec![put(500)], vec![put(700)]);
        let deeper = txn(vec![nested(txn(vec![nested(inner)], Vec::new()))], vec![put(20)]);
        assert_eq!(txn_cost(&deeper, NestedCost::Counted), KEY_COST + 3 + 700);
        assert_eq!(txn_cost(&deeper, NestedCost::Free), KEY_COST + 3 + 20);
    }
}
