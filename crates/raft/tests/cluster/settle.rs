//! When faults end, the cluster goes on: somebody leads, everybody catches up, proposals commit.

use std::collections::BTreeSet;

use bytes::Bytes;
use raft::Role;
use raft::quorum::VoteResult;
use types::MemberId;

use super::Cluster;

/// Ticks of each member until the cluster has to be well again. Elections can fail several times.
const ROUNDS_MAX: u64 = 600;

/// Steps of work between two ticks.
const WORK_MAX: u64 = 20_000;

impl Cluster {
    pub fn settle(&mut self) {
        self.network.heal();
        let ids: Vec<_> = self.members.keys().copied().collect();
        for id in &ids {
            self.start(*id);
            self.on(*id, |member, _| member.raw().storage().busy.set(false));
        }
        let mut goal = None;
        for _ in 0..ROUNDS_MAX {
            self.tick_members();
            self.work(&ids);
            match goal {
                None => goal = self.propose_to_settled_leader(),
                Some(goal) if self.everybody_applied(goal) => return,
                Some(_) => {}
            }
        }
        if self.has_unheard_term() {
            self.judge.counts.one("term not heard");
            return;
        }
        assert!(!self.can_elect(), "the cluster did not recover: {}", self.describe());
        self.judge.counts.one("nobody electable");
    }

    /// Whether a learner is ahead of its leader's term and cannot tell: it never campaigns, and
    /// only with one of these settings does a member answer a leader of an old term.
    fn has_unheard_term(&self) -> bool {
        let term = |id: &u64| self.members[id].raw.as_ref().map_or(0, |raw| raw.term().0);
        let leads = |id: &&u64| {
            let raw = self.members[id].raw.as_ref();
            raw.is_some_and(|raw| raw.soft_state().role == Role::Leader)
        };
        let members = self.members_now();
        let leader = members.iter().filter(leads).map(term).max();
        let highest = members.iter().map(term).max();
        !self.options.check_quorum && !self.options.pre_vote && leader < highest
    }

    /// Whether anybody can be elected at all. Where nobody can, a member that left holds entries
    /// that the others lack, while those do not know yet that it left and need its vote: a leader
    /// that removes itself should wait until others know.
    fn can_elect(&self) -> bool {
        let log = |id: &u64| {
            let raw = self.members[id].raw.as_ref()?;
            let last = raw.last_index();
            Some((raw.log_term(last).ok()?, last))
        };
        self.members_now().iter().any(|candidate| {
            let Some(raw) = self.members[candidate].raw.as_ref() else {
                return false;
            };
            let config = raw.status().config;
            let own = MemberId(*candidate);
            let votes = |id: MemberId| Some(log(&id.0) <= log(candidate));
            config.voters.contains(own) && config.voters.vote_result(votes) == VoteResult::Won
        })
    }

    /// The configuration of whoever has applied most.
    fn members_now(&self) -> BTreeSet<u64> {
        let newest = self.members.values().max_by_key(|member| member.app.index);
        let state = newest.map(|member| member.app.conf_state.clone()).unwrap_or_default();
        let lists = [state.voters, state.voters_outgoing, state.learners];
        lists.into_iter().flatten().collect()
    }

    /// Members that were removed are switched off, as their servers would be.
    fn tick_members(&mut self) {
        for id in self.members_now() {
            self.on(id, |member, _| member.raw().tick());
        }
    }

    fn work(&mut self, ids: &[u64]) {
        for _ in 0..WORK_MAX {
            let mut idle = self.network.is_empty();
            for _ in 0..self.network.len() {
                if let Some(message) = self.network.take(0, &mut self.rng) {
                    self.deliver(message);
                }
            }
            for id in ids {
                if self.members[id].raw.as_ref().is_some_and(|raw| raw.has_ready()) {
                    self.ready_without_crash(*id);
                    idle = false;
                }
                while self.do_job(*id) {
                    idle = false;
                }
            }
            if idle {
                return;
            }
        }
        panic!("the cluster never comes to rest: {}", self.describe());
    }

    fn ready_without_crash(&mut self, id: u64) {
        let messages = self.on(id, |member, judge| member.ready(judge, false));
        self.network.send(messages.flatten().unwrap_or_default());
    }

    /// Proposes once there is a leader that is a member; returns the index that all must apply.
    fn propose_to_settled_leader(&mut self) -> Option<u64> {
        let members = self.members_now();
        let leads = |id: &&u64| {
            let raw = self.members[id].raw.as_ref();
            raw.is_some_and(|raw| raw.soft_state().role == Role::Leader)
        };
        let leader = *members
            .iter()
            .filter(leads)
            .max_by_key(|id| self.members[id].raw.as_ref().map_or(0, |raw| raw.term().0))?;
        let data = Bytes::from_static(b"is anybody there");
        let taken = self.on(leader, |member, _| {
            let term = member.raw().term();
            member.raw().propose_if_leader(term, data).is_ok()
        });
        (taken == Some(true)).then(|| self.judge.committed_last() + 1)
    }

    fn everybody_applied(&self, goal: u64) -> bool {
        let members = self.members_now();
        let applied: Vec<_> = members.iter().map(|id| self.members[id].app.index).collect();
        let last = applied.iter().max().copied().unwrap_or_default();
        last >= goal && applied.iter().all(|index| *index == last)
    }

    fn describe(&self) -> String {
        let describe = |member: &super::member::Member| match &member.raw {
            None => format!("{} stopped", member.id),
            Some(raw) => format!("{} last {} app {:?}", raw.status(), raw.last_index(), member.app),
        };
        let members: Vec<_> = self.members.values().map(describe).collect();
        format!("{}\nmembers: {:?}", members.join("\n"), self.members_now())
    }
}
