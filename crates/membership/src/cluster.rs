//! The cluster at one moment, and the rules for changing it (spec/peer.md 5.12).
//!
//! Does not know the log: who calls applies each entry once, in its order. Does not know rows, which
//! are `store`'s.
//!
//! Invariants: no identity is a member's and removed; a member's entry is under its own identity.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::version::Version;
use types::MemberId;

use crate::json::{Fields, Object};
use crate::{Attributes, Change, Error, Malformed, Member};

/// How many learners there may be, unless set otherwise (`--max-learners`).
pub const LEARNERS_MAX: usize = 1;

/// The members of a cluster, and what they agreed on about themselves. Cloning is O(1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cluster {
    contents: Arc<Contents>,
}

/// All that there is to a cluster, to be made from or turned into other forms: the membership in the
/// data of a raft snapshot has the same parts, with the members in the order of their identities.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// The members by identity.
    pub members: BTreeMap<MemberId, Member>,
    /// Identities that do not come back.
    pub removed: BTreeSet<MemberId>,
    /// The version whose features all members have. `None` before it is decided.
    pub version: Option<Version>,
    /// The downgrade that is going on, if one ever was asked for.
    pub downgrade: Option<Downgrade>,
}

/// Whether the cluster is on its way to a lower version.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Downgrade {
    /// Where to, such as `3.5.0`; empty when it is not.
    pub target: String,
    /// Whether it is.
    pub is_enabled: bool,
}

impl Downgrade {
    /// The stored JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let object = Object::new().string("target-version", &self.target);
        object.boolean("enabled", self.is_enabled).end()
    }

    /// Reads the stored JSON.
    ///
    /// # Errors
    /// [`Malformed`], also when it goes on and the target is no version.
    pub fn from_json(text: &[u8]) -> Result<Self, Malformed> {
        let fields = Fields::parse("downgrade", text)?;
        let (target, is_enabled) = (fields.string("target-version")?, fields.boolean("enabled")?);
        let downgrade = Self { target, is_enabled };
        if downgrade.is_enabled && downgrade.target_version().is_none() {
            return Err(Malformed::new("downgrade", "the target is no version"));
        }
        Ok(downgrade)
    }

    /// The version that the cluster is on its way to; `None` when it is not on its way.
    #[must_use]
    pub fn target_version(&self) -> Option<Version> {
        self.target.parse().ok().filter(|_| self.is_enabled)
    }
}

impl From<Contents> for Cluster {
    fn from(contents: Contents) -> Self {
        Self { contents: Arc::new(contents) }
    }
}

impl Cluster {
    /// All that there is to it.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The members in the order of their identities.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.contents.members.values()
    }

    /// The members that have a vote.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members().filter(|member| !member.is_learner)
    }

    /// A member.
    #[must_use]
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.contents.members.get(&id)
    }

    /// Whether there is such a member; asked for each request that a learner may have to refuse.
    #[must_use]
    pub fn is_member(&self, id: MemberId) -> bool {
        let is_member = self.contents.members.contains_key(&id);
        env::fail_point!("afterIsMemberExist");
        is_member
    }

    /// The member of a name, if exactly one has it.
    #[must_use]
    pub fn member_by_name(&self, name: &str) -> Option<&Member> {
        let mut named = self.members().filter(|member| member.attributes.name == name);
        named.next().filter(|_| named.next().is_none())
    }

    /// Whether an identity was removed and does not come back.
    #[must_use]
    pub fn is_removed(&self, id: MemberId) -> bool {
        self.contents.removed.contains(&id)
    }

    /// All peer URLs, sorted.
    #[must_use]
    pub fn peer_urls(&self) -> Vec<&str> {
        sorted(self.members().flat_map(|member| &member.peer_urls))
    }

    /// All client URLs, sorted.
    #[must_use]
    pub fn client_urls(&self) -> Vec<&str> {
        sorted(self.members().flat_map(|member| &member.attributes.client_urls))
    }

    /// The version whose features all members have; `None` before it is decided.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.contents.version
    }

    /// The downgrade that is going on, or one that is not.
    #[must_use]
    pub fn downgrade(&self) -> Downgrade {
        self.contents.downgrade.clone().unwrap_or_default()
    }

    /// Whether a change fits the cluster as it is when the change is applied. One that does not is
    /// committed all the same, and changes nothing.
    ///
    /// # Errors
    /// All but [`Error::Malformed`].
    pub fn validate(&self, change: &Change, learners_max: usize) -> Result<(), Error> {
        if self.is_removed(change.id()) {
            return Err(Error::IdRemoved);
        }
        let member = self.member(change.id());
        match change {
            Change::Add(added) => {
                if member.is_some() {
                    return Err(Error::IdExists);
                }
                self.check_urls(added.id, &added.peer_urls)?;
                let learners = self.members().filter(|member| member.is_learner).count();
                if added.is_learner && learners >= learners_max {
                    return Err(Error::TooManyLearners);
                }
                Ok(())
            }
            Change::Promote(_) => match member {
                None => Err(Error::IdNotFound),
                Some(member) if !member.is_learner => Err(Error::NotLearner),
                Some(_) => Ok(()),
            },
            Change::Remove(_) => member.map(|_| ()).ok_or(Error::IdNotFound),
            Change::Update { id, peer_urls } => {
                member.ok_or(Error::IdNotFound)?;
                self.check_urls(*id, peer_urls)
            }
        }
    }

    /// Whether the URLs are nobody else's.
    fn check_urls(&self, id: MemberId, peer_urls: &[String]) -> Result<(), Error> {
        let mut others = self.members().filter(|member| member.id != id);
        let taken = others.any(|member| member.peer_urls.iter().any(|url| peer_urls.contains(url)));
        if taken { Err(Error::PeerUrlExists) } else { Ok(()) }
    }

    /// Carries out a change that was validated.
    ///
    /// # Panics
    /// When the change does not fit.
    pub fn apply(&mut self, change: &Change) {
        let contents = Arc::make_mut(&mut self.contents);
        match change {
            Change::Add(member) => {
                let before = contents.members.insert(member.id, member.clone());
                assert!(before.is_none(), "member {} is there already", member.id);
            }
            Change::Promote(id) => contents.existing(*id).is_learner = false,
            Change::Remove(id) => {
                contents.existing(*id);
                contents.members.remove(id);
                contents.removed.insert(*id);
            }
            // Go once replaced the whole member here, and the learner had a vote (#21694).
            Change::Update { id, peer_urls } => {
                let member = contents.existing(*id);
                member.peer_urls.clone_from(peer_urls);
                member.is_learner &= !env::planted!("update-makes-voter");
            }
        }
    }

    /// Notes what a member says about itself. `false` when there is no such member, and nothing is
    /// noted: it was removed meanwhile, or (which stops Go) never was one.
    pub fn set_attributes(&mut self, id: MemberId, attributes: Attributes) -> bool {
        if self.member(id).is_none() {
            return false;
        }
        Arc::make_mut(&mut self.contents).existing(id).attributes = attributes;
        true
    }

    /// Sets the version whose features all members have.
    pub fn set_version(&mut self, version: Version) {
        Arc::make_mut(&mut self.contents).version = Some(version);
    }

    /// Begins or ends a downgrade.
    pub fn set_downgrade(&mut self, downgrade: Downgrade) {
        Arc::make_mut(&mut self.contents).downgrade = Some(downgrade);
    }

    /// Checks the relations named at the top of this module.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check_invariants(&self) {
        let contents = &self.contents;
        assert!(contents.members.keys().all(|id| !contents.removed.contains(id)));
        assert!(contents.members.iter().all(|(id, member)| member.id == *id));
    }
}

impl Contents {
    fn existing(&mut self, id: MemberId) -> &mut Member {
        let member = self.members.get_mut(&id);
        member.unwrap_or_else(|| panic!("the change of {id} was validated, but it is no member"))
    }
}

fn sorted<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut texts: Vec<&str> = texts.map(String::as_str).collect();
    texts.sort_unstable();
    texts
}

#[cfg(test)]
#[path = "cluster_test.rs"]
mod tests;
