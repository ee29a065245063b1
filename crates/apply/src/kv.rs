//! Requests about keys: carried out by `mvcc`, with leases following what changed.

use bytes::Bytes;
use mvcc::{Changed, Counts, Ranges};
use proto::etcdserverpb::InternalRaftRequest;

use crate::applied::{Effect, Response};
use crate::applier::{Applier, Error, Waiter};
use crate::request::Outcome;

impl Applier {
    /// Carries out a request of this kind; `None` if it is of another.
    pub(crate) fn kv(
        &mut self,
        request: &InternalRaftRequest,
        waiter: Waiter,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Outcome>, Error> {
        let (store, backend) = (&mut self.store, &mut self.backend);
        let leases = self.leases.view().clone();
        let is_lease = |id| leases.lookup(id).is_some();
        let done = if let Some(put) = &request.put {
            store
                .put(backend, put, &is_lease)
                .map(|applied| (Response::Put(applied.response), applied.changes, applied.counts))
        } else if let Some(txn) = &request.txn {
            let ranges = if waiter == Waiter::Present { Ranges::Execute } else { Ranges::Skip };
            store
                .txn(backend, txn, &is_lease, ranges)
                .map(|applied| (Response::Txn(applied.response), applied.changes, applied.counts))
        } else if let Some(delete) = &request.delete_range {
            store.delete_range(backend, delete).map(|applied| {
                (Response::DeleteRange(applied.response), applied.changes, applied.counts)
            })
        } else if let Some(range) = &request.range {
            let answer = store.view(backend).range(range);
            let counts = Counts { ranges: 1, ..Counts::default() };
            answer.map(|answer| (Response::Range(answer), Vec::new(), counts))
        } else if let Some(compaction) = &request.compaction {
            store.compact(backend, compaction.revision).map(|order| {
                effects.push(Effect::Compact(order));
                (Response::Empty, Vec::new(), Counts::default())
            })
        } else {
            return Ok(None);
        };
        match done {
            Ok((response, changes, counts)) => {
                self.counts = counts;
                self.follow(&changes);
                Ok(Some(Ok(response)))
            }
            Err(mvcc::Error::Backend(error)) => Err(error.into()),
            Err(refusal) => {
                let known = refusal.answer().expect("all but the file's errors have an answer");
                Ok(Some(Err(known)))
            }
        }
    }

    /// Deletes the keys of a lease that has ended.
    pub(crate) fn delete_keys(&mut self, keys: &[lease::Key]) {
        let keys: Vec<Bytes> = keys.iter().map(|key| Bytes::copy_from_slice(key)).collect();
        self.counts = self.store.delete_keys(&mut self.backend, &keys).counts;
    }

    /// Attaches the changed keys to their leases, in the order of the changes. A put with
    /// `ignore_lease` keeps the number of whatever lease the key has, also of one that is not there:
    /// in a restored database a key may name a lease whose row is missing. Go's members all end at
    /// such a put, each time they are started; here the key is just a key without a lease.
    fn follow(&mut self, changes: &[Changed]) {
        for Changed { key, lease } in changes {
            if !lease.is_some() {
                self.leases.detach(key);
            } else if self.leases.attach(*lease, key).is_err() {
                tracing::warn!("lease-id" = %lease, "a key keeps a lease that is not there");
                self.leases.detach(key);
            }
        }
    }
}
