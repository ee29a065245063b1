//! Changes of members: which machine is a member, which is a spare one, and which was removed.
//!
//! Invariant: a machine whose member was removed never runs again, unless it never ran.

use std::time::Duration;

use env::{Rng as _, SeededRng, WallTime};
use membership::{Change, Cluster, Member, Url};
use node::ClusterState;
use types::MemberId;

use crate::network::url;
use crate::servers::Served;
use crate::sim::{End, Sim};

/// How long a member that was removed runs on.
const REMOVAL_DELAY: Duration = Duration::from_secs(2);
/// How soon after it is added a learner is asked to be promoted, in haste.
const HASTE: Duration = Duration::from_millis(200);

/// What a machine is to the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It has not been a member yet.
    Spare,
    /// It is a member.
    Member,
    /// It was one.
    Removed,
}

impl Sim {
    /// The newest view of the cluster that anybody has.
    fn newest_cluster(&self) -> Option<Cluster> {
        let running = self.machines.iter().filter_map(|machine| machine.running());
        let views = running.map(|running| running.node().view());
        Some(views.max_by_key(|view| view.index)?.cluster.clone())
    }

    /// Learns who is a member.
    pub(crate) fn follow_members(&mut self) {
        let Some(cluster) = self.newest_cluster() else { return };
        let initial: Vec<String> = cluster
            .members()
            .flat_map(|member| &member.peer_urls)
            .filter_map(|at| Some(format!("m{}={at}", crate::network::number_of(at)? + 1)))
            .collect();
        for number in 0..self.machines.len() {
            let machine = &mut self.machines[number];
            let own = url(number);
            let is_member = cluster.members().any(|member| member.peer_urls.contains(&own));
            let joins = machine.options.cluster_state == ClusterState::Existing;
            match machine.standing {
                Standing::Spare if is_member => {
                    machine.standing = Standing::Member;
                    machine.options.cluster_state = ClusterState::Existing;
                    machine.options.initial_cluster = initial.join(",");
                }
                // It was removed, or nobody is left who knows that it was added, before it ever ran.
                Standing::Member if !machine.has_run && joins && !is_member => {
                    machine.standing = Standing::Spare;
                    self.empty(number);
                }
                // Until it has a log of its own it has to be told who the others are now.
                Standing::Member if !machine.has_run => {
                    let told = &mut machine.options.initial_cluster;
                    *told = if joins { initial.join(",") } else { std::mem::take(told) };
                }
                Standing::Member if machine.id.is_some_and(|id| cluster.is_removed(id)) => {
                    machine.standing = Standing::Removed;
                    let name = machine.name();
                    self.kernel.note(&name, format_args!("is a member no more"));
                    self.kernel.after(REMOVAL_DELAY, move |sim| sim.end(number, End::Killed));
                }
                _ => {}
            }
        }
    }
}

/// Asks for a change of members: one more, one less, or a vote for a learner.
pub(crate) fn change(sim: &mut Sim, rng: &mut SeededRng) {
    let all = sim.servers.all();
    let Some(asked) = all.get(rng.below(all.len().max(1) as u64) as usize).cloned() else { return };
    let Some(cluster) = sim.newest_cluster() else { return };
    let members: Vec<Member> = cluster.members().cloned().collect();
    let spare = sim.machines.iter().position(|machine| machine.standing == Standing::Spare);
    let learner = members.iter().find(|member| member.is_learner);
    match (rng.below(8), spare, learner) {
        (0, _, Some(learner)) => promote(sim, asked, learner.id),
        (1..4, Some(spare), _) => add(sim, asked, spare, rng.below(4) > 0, rng.below(3) == 0),
        // Its URLs stay what they are: that is a change, too.
        (4..7, ..) if !members.is_empty() => {
            let any = &members[rng.below(members.len() as u64) as usize];
            let Member { id, peer_urls, .. } = learner.filter(|_| rng.below(2) == 0).unwrap_or(any);
            ask(sim, asked, Change::Update { id: *id, peer_urls: peer_urls.clone() });
        }
        // A cluster of two or less would soon be none.
        (7, ..) if members.len() > 3 => {
            let chosen = members[rng.below(members.len() as u64) as usize].id;
            ask(sim, asked, Change::Remove(chosen));
        }
        _ => {}
    }
}

/// Adds a member; a learner may be asked to be promoted at once, when it has nothing yet.
fn add(sim: &mut Sim, asked: Served, spare: usize, is_learner: bool, is_hasty: bool) {
    let at = url(spare);
    let urls: Vec<Url> = at.parse().into_iter().collect();
    let id = membership::ids::added_member_id(&urls, WallTime(sim.kernel.now().0));
    let member = Member { id, peer_urls: vec![at], is_learner, ..Member::default() };
    if is_learner && is_hasty {
        let asked = asked.clone();
        sim.kernel.after(HASTE, move |sim| promote(sim, asked, id));
    }
    ask(sim, asked, Change::Add(member));
}

fn ask(sim: &mut Sim, asked: Served, change: Change) {
    sim.struck.changes += 1;
    let kernel = sim.kernel.clone();
    let cluster = sim.newest_cluster();
    let updated = if let Change::Update { id, .. } = &change { Some(*id) } else { None };
    let is_learner = |id: &MemberId| {
        cluster.iter().flat_map(Cluster::members).any(|one| one.id == *id && one.is_learner)
    };
    let learner = updated.filter(is_learner);
    sim.spawn(Box::pin(async move {
        let (who, what) = (format!("m{}", asked.number + 1), format!("{change:?}"));
        kernel.note(&who, format_args!("is asked for {what}"));
        match asked.node.change_members(change).await {
            Ok(members) => {
                kernel.note(&who, format_args!("has {} members", members.len()));
                let is_voter =
                    |id| members.iter().any(|member| member.id == id && !member.is_learner);
                if let Some(id) = learner.filter(|id| is_voter(*id)) {
                    kernel.after(Duration::ZERO, move |sim| became_voter(sim, id));
                }
            }
            Err(error) => kernel.note(&who, format_args!("does not: {error}")),
        }
    }));
}

/// A learner of which something else was changed is a voter now.
fn became_voter(sim: &mut Sim, id: MemberId) {
    if !sim.promoting.contains(&id) {
        sim.oracles.speak(format!("{id} is a voter, and nobody asked for it"));
    }
}

/// A learner was promoted, which it may be only if it has what the leader has.
fn promoted(sim: &mut Sim, id: MemberId) {
    let at = sim.newest_cluster().and_then(|cluster| {
        let member = cluster.members().find(|member| member.id == id)?;
        crate::network::number_of(member.peer_urls.first()?)
    });
    if let Some(number) = at.filter(|number| !sim.machines[*number].has_run) {
        sim.oracles.speak(format!("m{} has a vote, and never ran", number + 1));
    }
}

fn promote(sim: &mut Sim, asked: Served, id: MemberId) {
    sim.struck.changes += 1;
    sim.promoting.insert(id);
    let kernel = sim.kernel.clone();
    sim.spawn(Box::pin(async move {
        let who = format!("m{}", asked.number + 1);
        match asked.node.promote_member(id, None).await {
            Ok(_) => {
                kernel.note(&who, format_args!("has promoted {id}"));
                kernel.after(Duration::ZERO, move |sim| promoted(sim, id));
            }
            Err(error) => kernel.note(&who, format_args!("does not promote {id}: {error}")),
        }
    }));
}
