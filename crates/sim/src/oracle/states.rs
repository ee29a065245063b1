//! Members that have applied the same have the same state: at each index at which two of them let
//! readers see one, at each revision, and as a whole at rest.

use std::collections::BTreeMap;

use apply::View;
use mvcc::ReadView;
use proto::etcdserverpb::AlarmType;

use crate::kernel::Kernel;
use crate::oracle::Compared;
use crate::trace::{mix, mix_bytes};

/// What the first member to get somewhere had there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct First {
    member: usize,
    digest: u64,
}

#[derive(Default)]
pub(crate) struct States {
    by_index: BTreeMap<u64, First>,
    by_revision: BTreeMap<i64, First>,
    whole: BTreeMap<(i64, i64), First>,
    /// The index and revision up to which each running member was looked at.
    seen: BTreeMap<usize, (u64, i64)>,
}

impl States {
    /// What is known of the history, for another life.
    pub(crate) fn known(&self) -> Self {
        Self { by_revision: self.by_revision.clone(), ..Self::default() }
    }

    pub(crate) fn leave(&mut self, number: usize) {
        self.seen.remove(&number);
    }

    pub(crate) fn look(
        &mut self,
        kernel: &Kernel,
        number: usize,
        view: &View,
        compared: &mut Compared,
    ) -> Result<(), String> {
        let (index, revision) = self.seen.get(&number).copied().unwrap_or_default();
        let now = (view.index.get(), view.read.revision());
        if now.0 == index {
            return Ok(());
        }
        self.seen.insert(number, now);
        if now.0 < index || now.1 < revision {
            return Err(format!(
                "m{} goes back from index {index}, revision {revision} to {now:?}",
                number + 1
            ));
        }
        if view.alarms.is_active(AlarmType::Corrupt) {
            return Err(format!("m{} is under the alarm of having other data", number + 1));
        }
        let digest = digest(view);
        kernel.count([30 + number as u64, now.0, digest]);
        let first = meet(&mut self.by_index, now.0, number, digest, &mut compared.states);
        agree("index", now.0 as i64, first, number, digest)?;
        self.changes(number, &view.read, revision, compared)
    }

    /// The changes of each revision.
    fn changes(
        &mut self,
        number: usize,
        read: &ReadView,
        seen: i64,
        compared: &mut Compared,
    ) -> Result<(), String> {
        let from = (seen + 1).max(read.compact_revision() + 1);
        let mut current = (0, 0);
        for event in read.all_events(from, read.revision()) {
            let event = event.map_err(|error| format!("m{} cannot read: {error}", number + 1))?;
            if event.revision.main != current.0 {
                self.change(number, current, compared)?;
                current = (event.revision.main, 0);
            }
            let start = mix(current.1, event.created.into());
            current.1 = mix_bytes(start, &event.kv);
        }
        self.change(number, current, compared)
    }

    fn change(
        &mut self,
        number: usize,
        (revision, digest): (i64, u64),
        compared: &mut Compared,
    ) -> Result<(), String> {
        if revision == 0 {
            return Ok(());
        }
        let first = meet(&mut self.by_revision, revision, number, digest, &mut compared.revisions);
        agree("revision", revision, first, number, digest)
    }

    pub(crate) fn compare_whole(
        &mut self,
        number: usize,
        view: &View,
        compared: &mut Compared,
    ) -> Result<(), String> {
        let hash = view.read.hash(0);
        let hash = hash.map_err(|error| format!("m{} cannot read: {error}", number + 1))?;
        let at = (hash.revision, hash.compact_revision);
        let digest = u64::from(hash.hash);
        let first = meet(&mut self.whole, at, number, digest, &mut compared.hashes);
        agree("rest", hash.revision, first, number, digest)
    }
}

fn meet<K: Ord>(
    all: &mut BTreeMap<K, First>,
    at: K,
    member: usize,
    digest: u64,
    compared: &mut u64,
) -> First {
    let mine = First { member, digest };
    let first = *all.entry(at).or_insert(mine);
    *compared += u64::from(first.member != member);
    first
}

fn agree(what: &str, at: i64, first: First, number: usize, digest: u64) -> Result<(), String> {
    if first.digest == digest {
        return Ok(());
    }
    let (one, other) = (first.member + 1, number + 1);
    Err(format!("m{one} and m{other} differ at {what} {at}: {:x}, {digest:x}", first.digest))
}

/// A digest of what is replicated beside the keys' contents, which have their own.
fn digest(view: &View) -> u64 {
    let mut hash = mix(view.index.get(), view.term.get());
    hash = mix(hash, view.read.revision() as u64);
    hash = mix(hash, view.read.compact_revision() as u64);
    hash = mix(hash, view.read.live_keys() as u64);
    hash = mix(hash, view.auth.revision() << 1 | u64::from(view.auth.is_enabled()));
    for user in view.auth.user_list() {
        hash = mix_bytes(hash, user.as_bytes());
        let roles = view.auth.user_get(&user).unwrap_or_default();
        hash = roles.iter().fold(hash, |hash, role| mix_bytes(hash, role.as_bytes()));
    }
    for lease in view.leases.iter() {
        hash = mix(hash, lease.id.get() as u64);
        hash = mix(hash, (lease.ttl << 32 | lease.remaining_ttl) as u64);
    }
    for member in view.cluster.members() {
        hash = mix(hash, member.id.get() << 1 | u64::from(member.is_learner));
        // The name that a founder has before it says it itself is not stored everywhere: snapshots'
        // documents leave it out.
        let is_published = !member.attributes.client_urls.is_empty();
        hash = mix(hash, u64::from(is_published) * member.attributes.name.len() as u64);
    }
    let version = view.cluster.version().map(|version| version.to_string()).unwrap_or_default();
    mix_bytes(hash, version.as_bytes())
}
