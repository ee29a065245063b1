//! The cluster that apply owns, and its rows.
//!
//! Knows the rules from `cluster`; adds that each change is written where etcd 3.6 and 3.7 write it
//! (spec/schema.md 2.5).
//!
//! Invariant: rows and memory are equal after every call.

use backend::schema::{Malformed as Row, cluster as cluster_rows, member as rows};
use backend::{Backend, Bucket};
use proto::version::Version;
use types::MemberId;

use crate::{Attributes, Change, Cluster, Contents, Downgrade, Member};

/// The cluster and its rows.
pub struct Store {
    cluster: Cluster,
}

impl Store {
    /// Loads the cluster.
    ///
    /// In a directory of etcd 3.5 the rows are no authority: see [`reset`](Self::reset).
    ///
    /// # Errors
    /// When the file cannot be read or a row is not what it should be.
    pub fn open(backend: &Backend) -> backend::Result<Self> {
        Ok(Self { cluster: load(backend)?.into() })
    }

    /// The present state; a clone of it stays as it is.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Makes the cluster another one, and the rows with it: for a directory of 3.5, whose members
    /// are those of its raft snapshot and of the log behind that, and for recoveries that decide
    /// the members anew.
    pub fn reset(&mut self, backend: &mut Backend, cluster: Cluster) {
        let (old, new) = (self.cluster.contents(), cluster.contents());
        for id in old.members.keys().filter(|id| !new.members.contains_key(id)) {
            backend.delete(Bucket::Members, rows::key(*id));
        }
        for id in old.removed.difference(&new.removed) {
            backend.delete(Bucket::MembersRemoved, rows::key(*id));
        }
        for member in
            new.members.values().filter(|member| old.members.get(&member.id) != Some(member))
        {
            put_member(backend, member);
        }
        for id in new.removed.difference(&old.removed) {
            backend.put(Bucket::MembersRemoved, rows::key(*id), rows::REMOVED);
        }
        match new.version {
            version if version == old.version => {}
            Some(version) => put_version(backend, version),
            None => backend.delete(Bucket::Cluster, cluster_rows::VERSION),
        }
        match &new.downgrade {
            downgrade if *downgrade == old.downgrade => {}
            Some(downgrade) => put_downgrade(backend, downgrade),
            None => backend.delete(Bucket::Cluster, cluster_rows::DOWNGRADE),
        }
        self.cluster = cluster;
    }

    /// Carries out a change that was [validated](Cluster::validate).
    ///
    /// # Panics
    /// When the change does not fit.
    pub fn apply(&mut self, backend: &mut Backend, change: &Change) {
        self.cluster.apply(change);
        let id = change.id();
        let is_promotion = matches!(change, Change::Promote(_));
        match self.cluster.member(id) {
            Some(_) if is_promotion && env::planted!("promotion-not-stored") => {}
            Some(member) => put_member(backend, member),
            None => {
                backend.delete(Bucket::Members, rows::key(id));
                backend.put(Bucket::MembersRemoved, rows::key(id), rows::REMOVED);
            }
        }
    }

    /// Notes what a member says about itself; see [`Cluster::set_attributes`].
    pub fn set_attributes(
        &mut self,
        backend: &mut Backend,
        id: MemberId,
        attributes: Attributes,
    ) -> bool {
        let is_member = self.cluster.set_attributes(id, attributes);
        if let Some(member) = self.cluster.member(id) {
            put_member(backend, member);
        }
        is_member
    }

    /// Sets the version whose features all members have.
    pub fn set_version(&mut self, backend: &mut Backend, version: Version) {
        self.cluster.set_version(version);
        put_version(backend, version);
    }

    /// Begins or ends a downgrade.
    pub fn set_downgrade(&mut self, backend: &mut Backend, downgrade: Downgrade) {
        put_downgrade(backend, &downgrade);
        self.cluster.set_downgrade(downgrade);
    }

    /// Checks the relation named at the top of this module, and those of the cluster.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check_invariants(&self, backend: &Backend) {
        self.cluster.check_invariants();
        let stored = load(backend).expect("the rows can be read");
        assert!(
            stored == *self.cluster.contents(),
            "{stored:?} is stored, {:?} held",
            self.cluster
        );
    }
}

fn put_member(backend: &mut Backend, member: &Member) {
    backend.put(Bucket::Members, rows::key(member.id), member.to_json());
}

fn put_version(backend: &mut Backend, version: Version) {
    backend.put(Bucket::Cluster, cluster_rows::VERSION, version.to_string());
}

fn put_downgrade(backend: &mut Backend, downgrade: &Downgrade) {
    backend.put(Bucket::Cluster, cluster_rows::DOWNGRADE, downgrade.to_json());
}

fn load(backend: &Backend) -> backend::Result<Contents> {
    let corrupted = |row: Row| backend.last_committed().corrupted(row);
    let mut contents = Contents::default();
    for (key, value) in backend.rows(Bucket::Members)? {
        let id = rows::decode_key(Bucket::Members, &key).map_err(corrupted)?;
        let wrong = |expected| corrupted(Row::new(Bucket::Members, &key, expected, &value));
        let member = Member::from_json(&value).map_err(|_| wrong("a member's JSON"))?;
        if member.id != id {
            return Err(wrong("the member of the key's id"));
        }
        contents.members.insert(id, member);
    }
    for (key, _) in backend.rows(Bucket::MembersRemoved)? {
        let id = rows::decode_key(Bucket::MembersRemoved, &key).map_err(corrupted)?;
        if !env::planted!("removed-members-forgotten") {
            contents.removed.insert(id);
        }
    }
    if let Some(value) = backend.get(Bucket::Cluster, cluster_rows::VERSION)? {
        let version = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
        let row = Row::new(Bucket::Cluster, cluster_rows::VERSION, "a version", &value);
        contents.version = Some(version.ok_or_else(|| corrupted(row))?);
    }
    if let Some(value) = backend.get(Bucket::Cluster, cluster_rows::DOWNGRADE)? {
        let row = Row::new(Bucket::Cluster, cluster_rows::DOWNGRADE, "a downgrade's JSON", &value);
        contents.downgrade = Some(Downgrade::from_json(&value).map_err(|_| corrupted(row))?);
    }
    Ok(contents)
}

#[cfg(test)]
#[path = "store_test.rs"]
mod tests;
