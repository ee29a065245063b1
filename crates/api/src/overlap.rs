//! Whether a transaction would write a key twice (etcd `v3rpc/key.go`, `checkIntervals`).
//!
//! A key may not be put twice, nor put and deleted, on one path through the branches. As in Go, a
//! delete "from a key on" (`range_end` of one zero byte) counts as deleting nothing.
//!
//! Invariant of [`Ranges`]: disjoint, none empty, none touching the next.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proto::error::Error as Known;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{DeleteRangeRequest, RequestOp};

/// What a list of operations may write.
#[derive(Debug, Default)]
struct Writes {
    puts: BTreeSet<Bytes>,
    deletes: Ranges,
}

/// Looks for overlaps in the operations of one branch.
///
/// # Errors
/// `etcdserver: duplicate key given in txn request`.
pub(crate) fn check(ops: &[RequestOp]) -> Result<(), Known> {
    writes(ops).map(|_| ())
}

fn writes(ops: &[RequestOp]) -> Result<Writes, Known> {
    let mut all = Writes::default();
    for op in ops {
        if let Some(Request::RequestDeleteRange(delete)) = &op.request {
            all.deletes.insert_delete(delete);
        }
    }
    for op in ops {
        if let Some(Request::RequestTxn(txn)) = &op.request {
            let success = writes(&txn.success)?;
            let failure = writes(&txn.failure)?;
            for key in &success.puts {
                all.put(key)?;
            }
            // Only one of the branches runs, so that both may put a key.
            for key in failure.puts.difference(&success.puts) {
                all.put(key)?;
            }
            if failure.puts.iter().any(|key| all.deletes.contains(key)) {
                return Err(Known::DuplicateKey);
            }
            all.deletes.merge(success.deletes);
            all.deletes.merge(failure.deletes);
        }
    }
    for op in ops {
        if let Some(Request::RequestPut(put)) = &op.request {
            all.put(&put.key)?;
        }
    }
    Ok(all)
}

impl Writes {
    fn put(&mut self, key: &Bytes) -> Result<(), Known> {
        if self.deletes.contains(key) || !self.puts.insert(key.clone()) {
            return Err(Known::DuplicateKey);
        }
        Ok(())
    }
}

/// A set of keys as ranges: start to exclusive end.
#[derive(Debug, Default)]
struct Ranges(BTreeMap<Bytes, Bytes>);

impl Ranges {
    fn insert_delete(&mut self, delete: &DeleteRangeRequest) {
        let start = delete.key.clone();
        let end = if delete.range_end.is_empty() {
            // The next key there can be: the range holds the one key.
            let mut end = start.to_vec();
            end.push(0);
            end.into()
        } else {
            delete.range_end.clone()
        };
        self.insert(start, end);
    }

    fn insert(&mut self, mut start: Bytes, mut end: Bytes) {
        if start >= end {
            return;
        }
        // Every range that overlaps or touches becomes part of the new one. They are the last few
        // that start at or before its end.
        while let Some((other_start, other_end)) = self.0.range(..=end.clone()).next_back() {
            if *other_end < start {
                break;
            }
            start = start.min(other_start.clone());
            end = end.max(other_end.clone());
            let gone = other_start.clone();
            self.0.remove(&gone);
        }
        self.0.insert(start, end);
    }

    fn merge(&mut self, other: Self) {
        for (start, end) in other.0 {
            self.insert(start, end);
        }
    }

    fn contains(&self, key: &Bytes) -> bool {
        self.0.range(..=key.clone()).next_back().is_some_and(|(_, end)| key < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delete(key: &'static str, end: &'static str) -> DeleteRangeRequest {
        DeleteRangeRequest { key: key.into(), range_end: end.into(), ..Default::default() }
    }

    #[test]
    fn ranges_join() {
        let mut ranges = Ranges::default();
        for (start, end) in [("c", "d"), ("a", "b"), ("f", ""), ("b", "c"), ("z", "a")] {
            ranges.insert_delete(&delete(start, end));
        }
        let all: Vec<(&[u8], &[u8])> = ranges.0.iter().map(|(s, e)| (&s[..], &e[..])).collect();
        assert_eq!(all, [(&b"a"[..], &b"d"[..]), (b"f", b"f\0")]);
        for (key, inside) in [("a", true), ("cz", true), ("d", false), ("f", true), ("fa", false)] {
            assert_eq!(ranges.contains(&Bytes::from(key)), inside, "{key}");
        }
    }
}
