//! The key space at every revision, built change by change.
//!
//! Invariants: `base <= last`; every revision in between is there; a change is never altered.

use bytes::Bytes;
use proto::mvccpb::KeyValue;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use types::{KeyRange, LeaseId};

/// One change of one key.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The key.
    pub key: Bytes,
    /// What it is now; `None` after a deletion.
    pub kv: Option<KeyValue>,
}

#[derive(Clone, Debug)]
struct Version {
    revision: i64,
    kv: Option<KeyValue>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Store {
    base: i64,
    keys: BTreeMap<Bytes, Vec<Version>>,
    /// The changes of each revision after the base.
    commits: Vec<Vec<Change>>,
    /// Every key that was ever attached to a lease.
    attached: BTreeMap<LeaseId, BTreeSet<Bytes>>,
}

impl Store {
    /// A store that begins with these keys at this revision.
    #[must_use]
    pub fn new(base: i64, kvs: &[KeyValue]) -> Self {
        let (keys, commits, attached) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let mut store = Self { base, keys, commits, attached };
        for kv in kvs {
            store.set(base, &Change { key: kv.key.clone(), kv: Some(kv.clone()) });
        }
        store
    }

    /// Adds the next revision.
    pub fn push(&mut self, changes: Vec<Change>) {
        let revision = self.last() + 1;
        for change in &changes {
            self.set(revision, change);
        }
        self.commits.push(changes);
    }

    fn set(&mut self, revision: i64, change: &Change) {
        if let Some(kv) = change.kv.as_ref().filter(|kv| kv.lease != 0) {
            self.attached.entry(LeaseId(kv.lease)).or_default().insert(change.key.clone());
        }
        let versions = self.keys.entry(change.key.clone()).or_default();
        versions.push(Version { revision, kv: change.kv.clone() });
    }

    /// The revision that it began with.
    #[must_use]
    pub const fn base(&self) -> i64 {
        self.base
    }

    /// The newest revision.
    #[must_use]
    pub const fn last(&self) -> i64 {
        self.base + self.commits.len() as i64
    }

    /// What changed at a revision; `None` where it is not known.
    #[must_use]
    pub fn changes(&self, revision: i64) -> Option<&[Change]> {
        let position = usize::try_from(revision.checked_sub(self.base)?.checked_sub(1)?).ok()?;
        self.commits.get(position).map(Vec::as_slice)
    }

    /// A key at a revision.
    #[must_use]
    pub fn get(&self, key: &[u8], at: i64) -> Option<&KeyValue> {
        newest(self.keys.get(key)?, at)
    }

    /// The keys of a range at a revision, in order.
    pub fn range(&self, range: &KeyRange, at: i64) -> impl Iterator<Item = &KeyValue> {
        let (start, end) = bounds(range);
        // `BTreeMap::range` panics where the end is before the start.
        let empty = matches!((&start, &end), (Bound::Included(a), Bound::Excluded(b)) if a >= b);
        let keys = (!empty).then(|| self.keys.range((start, end)));
        keys.into_iter().flatten().filter_map(move |(_, versions)| newest(versions, at))
    }

    /// The keys that are attached to a lease at a revision, in order.
    pub fn attached(&self, lease: LeaseId, at: i64) -> impl Iterator<Item = &KeyValue> {
        let keys = self.attached.get(&lease).into_iter().flatten();
        let found = keys.filter_map(move |key| self.get(key, at));
        found.filter(move |kv| kv.lease == lease.get())
    }

    /// Every lease that a key was ever attached to.
    pub fn leases(&self) -> impl Iterator<Item = LeaseId> {
        self.attached.keys().copied()
    }
}

fn bounds(range: &KeyRange) -> (Bound<Bytes>, Bound<Bytes>) {
    match range {
        KeyRange::Key(key) => (Bound::Included(key.clone()), Bound::Included(key.clone())),
        KeyRange::Range(start, end) => {
            (Bound::Included(start.clone()), Bound::Excluded(end.clone()))
        }
        KeyRange::From(start) => (Bound::Included(start.clone()), Bound::Unbounded),
        KeyRange::All => (Bound::Unbounded, Bound::Unbounded),
    }
}

fn newest(versions: &[Version], at: i64) -> Option<&KeyValue> {
    let after = versions.partition_point(|version| version.revision <= at);
    versions[..after].last()?.kv.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kv(key: &'static str, at: i64, lease: i64) -> KeyValue {
        let key = Bytes::from_static(key.as_bytes());
        KeyValue {
            key,
            mod_revision: at,
            create_revision: at,
            version: 1,
            lease,
            ..KeyValue::default()
        }
    }

    fn put(key: &'static str, at: i64, lease: i64) -> Change {
        let kv = kv(key, at, lease);
        Change { key: kv.key.clone(), kv: Some(kv) }
    }

    #[test]
    fn every_revision_is_there() {
        let mut store = Store::new(5, &[kv("a", 3, 0)]);
        store.push(vec![put("b", 6, 9), put("c", 6, 9)]);
        store.push(vec![Change { key: "a".into(), kv: None }]);
        store.push(vec![put("c", 8, 0)]);
        let keys = |range: KeyRange, at| -> Vec<&[u8]> {
            store.range(&range, at).map(|kv| &kv.key[..]).collect()
        };
        assert_eq!(keys(KeyRange::All, 5), [b"a"]);
        assert_eq!(keys(KeyRange::All, 6), [b"a", b"b", b"c"]);
        assert_eq!(keys(KeyRange::All, 7), [b"b", b"c"]);
        assert_eq!(keys(KeyRange::From("c".into()), 8), [b"c"]);
        assert_eq!(keys(KeyRange::Range("b".into(), "c".into()), 8), [b"b"]);
        assert_eq!(keys(KeyRange::Range("c".into(), "a".into()), 8), [b""; 0]);
        assert_eq!(store.attached(LeaseId(9), 7).count(), 2);
        assert_eq!(store.attached(LeaseId(9), 8).count(), 1);
        assert_eq!((store.base(), store.last()), (5, 8));
        assert_eq!(store.changes(5), None);
        assert_eq!(store.changes(7).map(<[Change]>::len), Some(1));
        assert_eq!(store.changes(9), None);
    }
}
