//! The first start of a member: founding a cluster with others, or joining one (spec/peer.md 5.9).
//!
//! A member that lost its data would make the cluster forget what it had promised. So it asks the
//! others whether they have seen it before. A founder takes no part until so many have answered,
//! twice, that they and it are a quorum: before that it could not be of use anyway. One that joins
//! and that anybody in reach has seen is refused at once. The rest is [`crate::probation`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use membership::{InitialCluster, InitialError, Member, Resolve, Url, assign_ids};
use proto::version::{self, Version};
use raft::Peer;
use types::{ClusterId, MemberId};

use crate::ask;
use crate::network::Network;
use crate::resolving;
use crate::start::Error;
use crate::world::World;

/// How long a founder waits at its start for the others to answer (etcd's bootstrap timeout).
const FOUNDERS_TIMEOUT: Duration = Duration::from_secs(1);
/// Within this time whoever answers at all has replayed the first entries of its log.
pub(crate) const SETTLED: Duration = Duration::from_secs(1);
/// How long a member that joins waits for each URL.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What the first start of a member was told.
pub(crate) struct Flags<'a> {
    pub(crate) name: &'a str,
    pub(crate) initial: &'a InitialCluster,
    pub(crate) advertised: &'a [Url],
    pub(crate) token: &'a str,
    pub(crate) learners_max: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) max: crate::MaxClusterVersion,
}

/// A member that was never started.
pub(crate) struct Beginning {
    pub(crate) cluster_id: ClusterId,
    pub(crate) member_id: MemberId,
    /// Whom the log begins with; nobody when a cluster is joined.
    pub(crate) founders: Vec<Peer>,
    /// Who is asked whether they have seen this member before.
    pub(crate) witnesses: Witnesses,
    /// The others of a cluster that is joined.
    pub(crate) remotes: Vec<Member>,
    /// The version of a cluster that is joined.
    pub(crate) joined: Option<Version>,
}

/// The voters who know whether a member was started before.
///
/// What one of them says may be early: etcd answers while it still replays its log, and until then
/// has not seen what it saw before it was restarted. So an answer counts only if it lists this member
/// and either all of them or somebody who has told its client URLs, and only when the next one,
/// [`SETTLED`] later, says the same.
#[derive(Clone, Debug)]
pub(crate) struct Witnesses {
    me: MemberId,
    others: Vec<Member>,
    /// Whose last answer was that they have not seen this member.
    unseen: BTreeSet<MemberId>,
    /// The members that each of them named last.
    named: BTreeMap<MemberId, BTreeSet<MemberId>>,
    /// Fewer members count as well, where they are the same twice: some may have been removed.
    takes_fewer: bool,
}

/// What the witnesses say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Enough of them have not seen it, and it stays so: they and it are a quorum.
    New,
    /// So it is with all voters that all of them know.
    NewToAll,
    /// One of them has.
    Known,
    /// Too few have answered.
    Open,
}

impl Witnesses {
    /// The witnesses for one of these members.
    pub(crate) fn new(me: MemberId, members: &[Member]) -> Self {
        let (unseen, named) = (BTreeSet::new(), BTreeMap::new());
        Self { me, others: others(me, members), unseen, named, takes_fewer: false }
    }

    /// The same for a cluster that may have let members go since.
    pub(crate) fn later(self) -> Self {
        Self { takes_fewer: true, ..self }
    }

    /// Asks all of them at once. To be called again after [`SETTLED`] until it is settled. Those
    /// whom the answers name are asked the next time.
    pub(crate) async fn ask(&mut self, network: &dyn Network) -> Verdict {
        let mut asked: Vec<_> =
            self.others.iter().map(|other| Box::pin(self.ask_one(network, other))).collect();
        let (mut unseen, mut lists, mut named) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        while !asked.is_empty() {
            let (answer, position) = first_of(&mut asked).await;
            drop(asked.swap_remove(position));
            let Some((other, members)) = answer else { continue };
            match self.seen(other, &members) {
                Some(true) => return Verdict::Known,
                Some(false) => {
                    unseen.insert(other);
                    lists.push(others(self.me, &members));
                }
                None => {}
            }
            named.insert(other, ids(&members));
        }
        drop(asked);
        let settled: BTreeSet<_> = unseen.intersection(&self.unseen).copied().collect();
        (self.unseen, self.named) = (unseen, named);
        if !lists.is_empty() {
            let all = lists.iter().flatten().map(|member| (member.id, member.clone()));
            self.others = all.collect::<BTreeMap<_, _>>().into_values().collect();
        }
        let count = self.others.iter().filter(|other| settled.contains(&other.id)).count();
        if count == 0 {
            // With nobody to ask, nobody has said anything.
            Verdict::Open
        } else if common(&lists).all(|other| settled.contains(&other)) {
            Verdict::NewToAll
        } else if count >= self.others.len().div_ceil(2) {
            Verdict::New
        } else {
            Verdict::Open
        }
    }

    /// The members as one of them sees them; `None` if it does not answer.
    async fn ask_one(
        &self,
        network: &dyn Network,
        other: &Member,
    ) -> Option<(MemberId, Vec<Member>)> {
        for url in &other.peer_urls {
            if let Ok((_, members)) = ask::members(network, url, FOUNDERS_TIMEOUT).await {
                return Some((other.id, members));
            }
        }
        None
    }

    /// Whether one of them has seen this member started; `None` if it does not know yet.
    fn seen(&self, by: MemberId, members: &[Member]) -> Option<bool> {
        let mine = members.iter().find(|member| member.id == self.me)?;
        let is_listed = |other: &Member| members.iter().any(|member| member.id == other.id);
        let is_whole = self.others.iter().all(is_listed) || members.iter().any(has_started);
        let is_same = || self.takes_fewer && self.named.get(&by) == Some(&ids(members));
        (has_started(mine) || is_whole || is_same()).then(|| has_started(mine))
    }
}

fn ids(members: &[Member]) -> BTreeSet<MemberId> {
    members.iter().map(|member| member.id).collect()
}

/// Who is in all lists: whoever is not in one of them was removed, or is new itself.
fn common(lists: &[Vec<Member>]) -> impl Iterator<Item = MemberId> {
    let first = lists.first().into_iter().flatten().map(|member| member.id);
    first.filter(|id| lists.iter().all(|list| list.iter().any(|member| member.id == *id)))
}

/// The voters besides one.
fn others<'a>(me: MemberId, members: impl IntoIterator<Item = &'a Member>) -> Vec<Member> {
    let is_other = |member: &&Member| member.id != me && !member.is_learner;
    members.into_iter().filter(is_other).cloned().collect()
}

/// Whether a member has told its client URLs, as it does once it has a leader.
fn has_started(member: &Member) -> bool {
    !member.attributes.client_urls.is_empty()
}

/// Waits for the first of several futures; also says which.
async fn first_of<F: Future + Unpin>(futures: &mut [F]) -> (F::Output, usize) {
    std::future::poll_fn(|context| {
        for (position, future) in futures.iter_mut().enumerate() {
            if let std::task::Poll::Ready(output) = std::pin::Pin::new(future).poll(context) {
                return std::task::Poll::Ready((output, position));
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Founds a cluster.
pub(crate) async fn found(world: &World, flags: &Flags<'_>) -> Result<Beginning, Error> {
    let network = &*world.network;
    let verify =
        |resolve: Resolve<'_>| flags.initial.verify_founding(flags.name, flags.advertised, resolve);
    resolving::with_names(world, verify).await?;
    let members = flags.initial.members(flags.token)?;
    let me = local(&members, flags.name)?;
    let mut witnesses = Witnesses::new(me, &members);
    if witnesses.ask(network).await == Verdict::Known {
        return Err(Error::AlreadyBootstrapped { member: me });
    }
    Ok(Beginning {
        cluster_id: membership::ids::cluster_id(&members),
        member_id: me,
        founders: members.iter().map(founder).collect(),
        witnesses,
        remotes: Vec::new(),
        joined: None,
    })
}

fn founder(member: &Member) -> Peer {
    Peer { id: member.id, context: member.to_json().into() }
}

fn local(members: &[Member], name: &str) -> Result<MemberId, Error> {
    let me = members.iter().find(|member| member.attributes.name == name);
    Ok(me.map(|me| me.id).ok_or_else(|| InitialError::NotNamed(name.to_owned()))?)
}

/// Joins a cluster. All of it are asked whether this member was started before: one alone may have
/// been away then.
pub(crate) async fn join(world: &World, flags: &Flags<'_>) -> Result<Beginning, Error> {
    let network = &*world.network;
    flags.initial.verify_join(flags.name)?;
    let (cluster_id, member_id, existing) = unstarted(world, flags).await?;
    let mut witnesses = Witnesses::new(member_id, &existing);
    if witnesses.ask(network).await == Verdict::Known {
        return Err(Error::LostData { member: member_id });
    }
    let learners = existing.iter().filter(|member| member.is_learner).count();
    let remotes: Vec<Member> =
        existing.into_iter().filter(|member| member.id != member_id).collect();
    let joined = version_of(network, &remotes, flags).await?;
    if learners > flags.learners_max {
        return Err(Error::TooManyLearners);
    }
    Ok(Beginning {
        cluster_id,
        member_id,
        founders: Vec::new(),
        witnesses,
        remotes,
        joined: Some(joined),
    })
}

/// The cluster, this member of it, which was never started, and all members.
async fn unstarted(
    world: &World,
    flags: &Flags<'_>,
) -> Result<(ClusterId, MemberId, Vec<Member>), Error> {
    let named = flags.initial.members(flags.token)?;
    let (cluster_id, existing) = existing(&*world.network, &named, flags.name).await?;
    let assign = |resolve: Resolve<'_>| assign_ids(named.clone(), &existing, resolve);
    let assigned = resolving::with_names(world, assign).await;
    let named = assigned
        .map_err(|reason| Error::OtherCluster { existing: shown(cluster_id, &existing), reason })?;
    let member_id = local(&named, flags.name)?;
    if existing.iter().any(|member| member.id == member_id && member.is_started()) {
        return Err(Error::LostData { member: member_id });
    }
    Ok((cluster_id, member_id, existing))
}

/// A cluster as Go prints it.
fn shown(cluster: ClusterId, members: &[Member]) -> String {
    let shown = |member: &Member| {
        format!(
            "&{{ID:{} RaftAttributes:{{PeerURLs:[{}] IsLearner:{}}} \
             Attributes:{{Name:{} ClientURLs:[{}]}}}}",
            member.id,
            member.peer_urls.join(" "),
            member.is_learner,
            member.attributes.name,
            member.attributes.client_urls.join(" ")
        )
    };
    let members: Vec<String> = members.iter().map(shown).collect();
    format!("{{ClusterID:{cluster} Members:[{}] RemovedMemberIDs:[]}}", members.join(" "))
}

/// The members as the first who answers sees them.
async fn existing(
    network: &dyn Network,
    named: &[Member],
    name: &str,
) -> Result<(ClusterId, Vec<Member>), Error> {
    let others = named.iter().filter(|member| member.attributes.name != name);
    let mut urls: Vec<&String> = others.flat_map(|member| &member.peer_urls).collect();
    urls.sort();
    for url in urls {
        match ask::members(network, url, JOIN_TIMEOUT).await {
            Ok((_, members)) if members.is_empty() => {
                return Err(Error::Join(
                    "failed to get raft cluster member(s) from the given URLs".to_owned(),
                ));
            }
            Ok(found) => return Ok(found),
            Err(error) => {
                tracing::warn!(address = %format!("{url}{}", ask::MEMBERS), %error,
                    "failed to get cluster response");
            }
        }
    }
    Err(Error::Join("could not retrieve cluster information from the given URLs".to_owned()))
}

/// The version of the cluster that is joined: at least one member has to tell it, and all that do
/// have to tell one that this member can work at.
async fn version_of(
    network: &dyn Network,
    others: &[Member],
    flags: &Flags<'_>,
) -> Result<Version, Error> {
    let mut found = Vec::new();
    for member in others {
        match versions_of(network, member, flags.request_timeout).await {
            Some(versions) => match versions.cluster.parse::<Version>() {
                Ok(cluster) => found.push((member.id, cluster)),
                Err(_) => tracing::warn!("remote-member-id" = %member.id,
                    "remote-member-cluster-version" = %versions.cluster,
                    "failed to parse cluster version of remote member"),
            },
            None => tracing::warn!("remote-member-id" = %member.id, "failed to get version"),
        }
    }
    let joined = found.iter().map(|(_, cluster)| *cluster).max();
    let joined = joined.ok_or(Error::Incompatible)?;
    let level = flags.max.level(Some(joined));
    let (low, high) = match downgrade_enabled(network, others, flags.request_timeout).await {
        false => (version::MIN_CLUSTER, level),
        true => {
            let above = Version::new(level.major, level.minor + 1, 0);
            (above, above)
        }
    };
    for (id, cluster) in found {
        if cluster < low || cluster > high {
            tracing::warn!("remote-member-id" = %id, "remote-member-cluster-version" = %cluster,
                "minimum-cluster-version-supported" = %low,
                "maximum-cluster-version-supported" = %high,
                "cluster version of remote member is not compatible");
            return Err(Error::Incompatible);
        }
    }
    Ok(joined)
}

/// The versions that a member tells, by the first of its URLs that answers.
pub(crate) async fn versions_of(
    network: &dyn Network,
    member: &Member,
    timeout: Duration,
) -> Option<ask::Versions> {
    for url in &member.peer_urls {
        match ask::versions(network, url, timeout).await {
            Ok(versions) => return Some(versions),
            Err(error) => {
                tracing::warn!(address = %format!("{url}{}", ask::VERSION),
                    "remote-member-id" = %member.id, %error, "failed to reach the peer URL");
            }
        }
    }
    None
}

/// Whether the first member that answers says that a downgrade is going on; its answer is
/// linearizable.
async fn downgrade_enabled(network: &dyn Network, others: &[Member], timeout: Duration) -> bool {
    for url in others.iter().flat_map(|member| &member.peer_urls) {
        match ask::downgrade_enabled(network, url, timeout).await {
            Ok(enabled) => return enabled,
            Err(error) => tracing::warn!(address = %url, %error,
                "failed to get downgrade enabled status"),
        }
    }
    false
}

#[cfg(test)]
#[path = "founding_test.rs"]
mod tests;
