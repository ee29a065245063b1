//! A stable picture of all leases, for readers.
//!
//! Knows no deadlines and no clock.
//!
//! Invariants: a view, once taken, never changes; every attached key belongs to a lease that is
//! there.

use std::sync::Arc;

use types::LeaseId;

use crate::map::{Iter, Map};

/// A key, shared by all places that hold it.
pub type Key = Arc<[u8]>;

/// A lease as it is replicated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Its identity.
    pub id: LeaseId,
    /// Seconds at the grant and after each renewal.
    pub ttl: i64,
    /// Seconds that a new leader begins with, from the last checkpoint; 0 means `ttl`.
    pub remaining_ttl: i64,
}

impl Lease {
    /// Seconds that a new leader begins with.
    #[must_use]
    pub const fn seconds_at_promotion(&self) -> i64 {
        if self.remaining_ttl > 0 { self.remaining_ttl } else { self.ttl }
    }
}

/// What is stored of a lease beside its id.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) ttl: i64,
    pub(crate) remaining_ttl: i64,
}

/// All leases and their keys at one moment. Cloning is O(1).
#[derive(Clone, Default)]
pub struct View {
    pub(crate) leases: Map<LeaseId, Terms>,
    /// Ordered by lease, then by key, so that one lease's keys are a range.
    pub(crate) keys: Map<(LeaseId, Key), ()>,
}

impl View {
    /// How many leases there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leases.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A lease by its id.
    #[must_use]
    pub fn lookup(&self, id: LeaseId) -> Option<Lease> {
        self.leases.get(&id).map(|terms| lease(id, *terms))
    }

    /// All leases in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = Lease> {
        self.leases.iter().map(|(id, terms)| lease(*id, *terms))
    }

    /// The keys attached to a lease, sorted. None for a lease that is not there.
    #[must_use]
    pub fn keys(&self, id: LeaseId) -> Keys<'_> {
        Keys { id, entries: self.keys.iter_from(|(lease, _)| *lease >= id) }
    }
}

const fn lease(id: LeaseId, terms: Terms) -> Lease {
    Lease { id, ttl: terms.ttl, remaining_ttl: terms.remaining_ttl }
}

/// The keys attached to a lease, sorted.
pub struct Keys<'a> {
    id: LeaseId,
    entries: Iter<'a, (LeaseId, Key), ()>,
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a Key;

    fn next(&mut self) -> Option<&'a Key> {
        let ((lease, key), ()) = self.entries.next()?;
        (*lease == self.id).then_some(key)
    }
}
