//! The replicated leases (server/lease/lessor.go without its clock): granted, attached, checkpointed
//! and revoked by applied entries only.
//!
//! Does not know time: when a lease ends is the leader's affair. Does not delete keys: a revoke
//! gives their names back.
//!
//! Invariants: `owners` and `view.keys` hold the same pairs; every pair's lease is in `view.leases`;
//! `ttl >= ttl_min` for every lease.

use std::collections::HashMap;

use backend::schema::lease as row;
use backend::{Backend, Bucket};
use proto::version::{V3_6, Version};
use types::LeaseId;

use crate::view::Terms;
use crate::{Error, Key, Lease, View};

/// The longest time to live, in seconds.
pub const TTL_MAX: i64 = 9_000_000_000;

/// Whether a checkpoint outlives a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checkpoints {
    /// They are forgotten.
    InMemory,
    /// They are written into the lease's row.
    Persisted,
}

impl Checkpoints {
    /// The rule of all versions: persisted when the feature `LeaseCheckpointPersist` is on, and
    /// always from cluster version 3.6 on.
    #[must_use]
    pub fn rule(feature: bool, cluster_version: Option<Version>) -> Self {
        let always = cluster_version.is_some_and(|version| version >= V3_6);
        if feature || always { Self::Persisted } else { Self::InMemory }
    }
}

/// The leases and what is attached to them. Owned by apply.
pub struct Leases {
    view: View,
    /// The lease of each attached key; for look-ups only, its order is never seen.
    owners: HashMap<Key, LeaseId>,
    ttl_min: i64,
}

impl Leases {
    /// Loads all leases. Keys are not stored with them: the caller attaches each key that has a
    /// lease, in the order of revisions, before anything else.
    ///
    /// `ttl_min` is in seconds and the same on all members: the smallest whole number not below one
    /// and a half election timeouts.
    ///
    /// # Errors
    /// When the file cannot be read or a row is no lease.
    pub fn open(backend: &Backend, ttl_min: i64) -> backend::Result<Self> {
        let mut leases = Self { view: View::default(), owners: HashMap::new(), ttl_min };
        for (key, value) in backend.rows(Bucket::Lease)? {
            let stored = row::decode(&key, &value)
                .map_err(|malformed| backend.last_committed().corrupted(malformed))?;
            let terms = Terms { ttl: stored.ttl.max(ttl_min), remaining_ttl: stored.remaining_ttl };
            leases.view.leases.insert(LeaseId(stored.id), terms);
        }
        Ok(leases)
    }

    /// The present state, for readers; a clone of it stays as it is.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Makes a lease; a time to live below the minimum becomes the minimum.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the id 0, [`Error::TtlTooLarge`], [`Error::Exists`].
    pub fn grant(&mut self, backend: &mut Backend, id: LeaseId, ttl: i64) -> Result<Lease, Error> {
        if !id.is_some() {
            return Err(Error::NotFound);
        }
        if ttl > TTL_MAX {
            return Err(Error::TtlTooLarge);
        }
        if self.view.lookup(id).is_some() {
            return Err(Error::Exists);
        }
        let lease = Lease { id, ttl: ttl.max(self.ttl_min), remaining_ttl: 0 };
        self.set(lease);
        persist(backend, lease);
        Ok(lease)
    }

    /// Ends a lease and detaches its keys, which are given back sorted: the order in which every
    /// member has to delete them, in the transaction that also deletes the lease's row.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn revoke(&mut self, backend: &mut Backend, id: LeaseId) -> Result<Vec<Key>, Error> {
        if self.view.lookup(id).is_none() {
            return Err(Error::NotFound);
        }
        let keys: Vec<Key> = self.view.keys(id).cloned().collect();
        for key in &keys {
            self.detach(key);
        }
        self.view.leases.remove(&id);
        backend.delete(Bucket::Lease, row::key(id).to_vec());
        Ok(keys)
    }

    /// Notes how many seconds a lease has left; 0 takes an earlier note back. Gives the lease as it
    /// is then; a lease that is not there is passed over.
    pub fn checkpoint(
        &mut self,
        backend: &mut Backend,
        id: LeaseId,
        remaining_ttl: i64,
        checkpoints: Checkpoints,
    ) -> Option<Lease> {
        let lease = Lease { remaining_ttl, ..self.view.lookup(id)? };
        self.set(lease);
        if checkpoints == Checkpoints::Persisted && !env::planted!("checkpoint-not-stored") {
            persist(backend, lease);
        }
        Some(lease)
    }

    /// Attaches a key to a lease, taking it from the lease that it had.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the key then has the lease that it had.
    pub fn attach(&mut self, id: LeaseId, key: &[u8]) -> Result<(), Error> {
        if self.view.leases.get(&id).is_none() {
            return Err(Error::NotFound);
        }
        match self.owners.get_key_value(key) {
            Some((_, owner)) if *owner == id => return Ok(()),
            Some((shared, owner)) => {
                let (shared, owner) = (Key::clone(shared), *owner);
                self.view.keys.remove(&(owner, Key::clone(&shared)));
                self.view.keys.insert((id, Key::clone(&shared)), ());
                self.owners.insert(shared, id);
            }
            None => {
                let key = Key::from(key);
                self.view.keys.insert((id, Key::clone(&key)), ());
                self.owners.insert(key, id);
            }
        }
        Ok(())
    }

    /// Takes a key from the lease that it has, if it has one.
    pub fn detach(&mut self, key: &[u8]) {
        if let Some((key, owner)) = self.owners.remove_entry(key) {
            self.view.keys.remove(&(owner, key));
        }
    }

    /// The lease of a key; [`LeaseId::NONE`] when it has none.
    #[must_use]
    pub fn lease_of(&self, key: &[u8]) -> LeaseId {
        self.owners.get(key).copied().unwrap_or(LeaseId::NONE)
    }

    /// Checks the relations named at the top of this module.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check_invariants(&self) {
        let mut attached = 0;
        for lease in self.view.iter() {
            assert!(lease.ttl >= self.ttl_min, "{lease:?} is below {}", self.ttl_min);
            for key in self.view.keys(lease.id) {
                assert!(self.lease_of(key) == lease.id, "{key:?} is not of {lease:?}");
                attached += 1;
            }
        }
        assert!(attached == self.owners.len() && attached == self.view.keys.len());
    }

    fn set(&mut self, lease: Lease) {
        let terms = Terms { ttl: lease.ttl, remaining_ttl: lease.remaining_ttl };
        self.view.leases.insert(lease.id, terms);
    }
}

fn persist(backend: &mut Backend, lease: Lease) {
    let stored = proto::leasepb::Lease {
        id: lease.id.0,
        ttl: lease.ttl,
        remaining_ttl: lease.remaining_ttl,
    };
    backend.put(Bucket::Lease, row::key(lease.id).to_vec(), row::encode(&stored));
}

#[cfg(test)]
#[path = "leases_test.rs"]
mod tests;
