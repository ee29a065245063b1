//! What can happen in a step.

use std::collections::BTreeSet;

use bytes::Bytes;
use env::Rng;
use proto::raftpb::{
    ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, Message,
    MessageType,
};
use raft::confchange::ConfChangeEntry;
use raft::{Role, SnapshotStatus};
use types::MemberId;

use super::Cluster;
use super::member::Member;
use super::options::MEMBERS_MAX;

impl Cluster {
    pub fn step(&mut self) {
        self.judge.counts.one("steps");
        self.rare_events();
        let id = self.any_member();
        match self.rng.below(100) {
            0..=5 => (1..=MEMBERS_MAX).for_each(|id| self.tick(id)),
            // Clocks are not alike.
            6..=14 => self.tick(id),
            15..=44 => (0..self.rng.below(12)).for_each(|_| self.deliver_one()),
            45..=79 => {
                let id = self.any_of(|member| member.raw.as_ref().is_some_and(|r| r.has_ready()));
                self.ready(id);
            }
            80..=94 => {
                let id = self.any_of(|member| member.has_jobs());
                self.jobs(id);
            }
            95..=97 => self.propose(id),
            _ => self.read(id),
        }
    }

    /// A member like this, or any if there is none.
    fn any_of(&mut self, is: impl Fn(&Member) -> bool) -> u64 {
        let found: Vec<_> = self.members.values().filter(|m| is(m)).map(|m| m.id).collect();
        match found.len() as u64 {
            0 => self.any_member(),
            count => found[self.rng.below(count) as usize],
        }
    }

    fn any_member(&mut self) -> u64 {
        1 + self.rng.below(MEMBERS_MAX)
    }

    fn permille(&mut self, often: u64) -> bool {
        self.rng.below(1000) < often
    }

    fn rare_events(&mut self) {
        let id = self.any_member();
        if self.permille(self.options.crashes) {
            self.crash(id);
        }
        if self.permille(40) {
            self.start(id);
        }
        if self.permille(self.options.unrest) {
            self.on(id, |member, _| member.raw().campaign());
        }
        if self.permille(self.options.unrest) {
            self.isolate();
        }
        if self.permille(self.options.conf_changes) {
            self.change_configuration(id);
        }
        match self.rng.below(1000) {
            0..=1 => self.partition(),
            5..=9 => self.network.heal(),
            15..=29 => self.compact(id),
            30..=31 => self.transfer(id),
            32 => self.forget_leader(id),
            41..=45 => self.toggle_snapshots(id),
            _ => {}
        }
    }

    fn tick(&mut self, id: u64) {
        let before = self.role(id);
        let stalled = self.members[&id].appends.len();
        self.on(id, |member, _| member.raw().tick());
        let stepped_down = before == Some(Role::Leader) && self.role(id) == Some(Role::Follower);
        if stepped_down && stalled > 0 && !self.options.check_quorum {
            self.judge.counts.one("stalled");
        }
    }

    fn role(&self, id: u64) -> Option<Role> {
        Some(self.members[&id].raw.as_ref()?.soft_state().role)
    }

    pub fn ready(&mut self, id: u64) {
        let crash = self.options.crashes > 0 && self.permille(self.options.crashes * 2);
        let messages = self.on(id, |member, judge| member.ready(judge, crash));
        self.network.send(messages.flatten().unwrap_or_default());
        if crash && self.members[&id].raw.is_none() {
            self.judge.counts.one("crashes at work");
        }
    }

    /// Does some jobs of a member, more or fewer as its disk is.
    fn jobs(&mut self, id: u64) {
        let eagerness = self.options.job_eagerness;
        while self.chance(eagerness) {
            if !self.do_job(id) {
                return;
            }
        }
    }

    /// Does one job, if there is one.
    pub fn do_job(&mut self, id: u64) -> bool {
        let member = &self.members[&id];
        let (append, apply) = (!member.appends.is_empty(), !member.applies.is_empty());
        let read = !member.log_reads.is_empty();
        let choices: Vec<_> = [append, apply, read].into_iter().enumerate().collect();
        let present: Vec<_> = choices.into_iter().filter(|(_, there)| *there).collect();
        if present.is_empty() {
            return false;
        }
        let (kind, _) = present[self.rng.below(present.len() as u64) as usize];
        let messages = self.on(id, |member, judge| match kind {
            0 => member.do_append(judge),
            1 => {
                member.do_apply(judge);
                Vec::new()
            }
            _ => {
                member.do_log_read(judge);
                Vec::new()
            }
        });
        self.network.send(messages.unwrap_or_default());
        true
    }

    fn deliver_one(&mut self) {
        let reordering = self.options.reordering;
        let Some(message) = self.network.take(reordering, &mut self.rng) else {
            return;
        };
        if self.network.is_cut(&message) || self.chance(self.options.loss) {
            self.lose(&message);
            return;
        }
        if self.chance(self.options.duplication) {
            self.judge.counts.one("duplicated");
            self.network.send(vec![message.clone()]);
        }
        self.deliver(message);
    }

    fn lose(&mut self, message: &Message) {
        self.judge.counts.one("lost");
        let to = MemberId(message.to);
        let snapshot = message.message_type == MessageType::Snap;
        let noticed = self.chance(50);
        self.on(message.from, |member, _| {
            if snapshot {
                member.raw().report_snapshot(to, SnapshotStatus::Failure);
            } else if noticed {
                member.raw().report_unreachable(to);
            }
        });
    }

    /// Delivers a message as bytes would.
    pub fn deliver(&mut self, message: Message) {
        let (from, to) = (message.from, MemberId(message.to));
        let snapshot = message.message_type == MessageType::Snap;
        let copy = Message::decode(message.encode_to_vec()).unwrap();
        assert_eq!(copy, message, "the codec changed a message");
        let arrived = self.on(to.0, |member, _| {
            use raft::Error::{Malformed, PeerNotFound, ProposalDropped};
            match member.raw().step(message) {
                Ok(()) | Err(PeerNotFound | ProposalDropped) => {}
                Err(Malformed(reason)) => panic!("a correct member sent {copy:?}: {reason}"),
                Err(error) => panic!("{copy:?}: {error}"),
            }
        });
        if snapshot {
            let status =
                if arrived.is_some() { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
            self.on(from, |member, _| member.raw().report_snapshot(to, status));
        }
    }

    fn propose(&mut self, id: u64) {
        self.proposed += 1;
        let mut data = self.proposed.to_le_bytes().to_vec();
        data.resize(8 + self.rng.below(20) as usize, 0);
        let batch = self.chance(20);
        self.on(id, |member, _| {
            let data = Bytes::from(data);
            let raw = member.raw();
            // Whether it is taken or not, it may be lost.
            let _ = if batch {
                raw.propose_batch(vec![data.clone(), Bytes::new(), data])
            } else {
                raw.propose(data)
            };
        });
    }

    /// Reads, or asks again for a read that has begun.
    fn read(&mut self, id: u64) {
        let again = self.reads > 0 && self.chance(30);
        if !again {
            self.reads += 1;
        }
        // Asking again elsewhere would be another read.
        let number = if again { self.rng.below(self.reads) + 1 } else { self.reads };
        let context = Bytes::from(format!("read {number}"));
        if self.members[&id].raw.is_some() {
            self.judge.read_begins(context.clone());
            self.on(id, |member, _| member.raw().read_index(context));
        }
    }

    fn change_configuration(&mut self, id: u64) {
        let change = self.random_change();
        self.on(id, |member, _| {
            let _ = member.raw().propose_conf_change(&change);
        });
    }

    fn random_change(&mut self) -> ConfChangeEntry {
        let (change_type, node_id) = self.random_step();
        if self.chance(30) {
            let context = Bytes::from_static(b"about a member");
            return ConfChange { id: self.proposed, change_type, node_id, context }.into();
        }
        if self.chance(25) {
            return ConfChangeV2::default().into();
        }
        let mut changes = vec![ConfChangeSingle { change_type, node_id }];
        while self.chance(50) {
            let (change_type, node_id) = self.random_step();
            changes.push(ConfChangeSingle { change_type, node_id });
        }
        let transition = match self.rng.below(4) {
            0 | 3 => ConfChangeTransition::JointExplicit,
            1 => ConfChangeTransition::JointImplicit,
            _ => ConfChangeTransition::Auto,
        };
        ConfChangeV2 { transition, changes, context: Bytes::new() }.into()
    }

    fn random_step(&mut self) -> (ConfChangeType, u64) {
        use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode, UpdateNode};
        let kinds = [AddNode, AddNode, AddNode, RemoveNode, RemoveNode, AddLearnerNode, UpdateNode];
        (kinds[self.rng.below(7) as usize], self.any_member())
    }

    fn crash(&mut self, id: u64) {
        let torn = self.on(id, |member, _| member.crash());
        if let Some(torn) = torn {
            self.judge.stopped(id);
            self.judge.counts.one(if torn { "torn writes" } else { "crashes" });
        }
        if self.chance(50) {
            for message in self.network.take_all_for(id) {
                self.lose(&message);
            }
        }
    }

    pub fn start(&mut self, id: u64) {
        if let Some(member) = self.members.get_mut(&id)
            && member.raw.is_none()
        {
            member.start();
            self.judge.counts.one("restarts");
            self.judge.observe(member);
        }
    }

    fn partition(&mut self) {
        let all: Vec<_> = self.members.keys().copied().collect();
        let side: BTreeSet<_> = all.iter().copied().filter(|_| self.rng.below(2) == 0).collect();
        let both = self.rng.below(3) > 0;
        self.network.partition(&side, &all, both);
        self.judge.counts.one("partitions");
    }

    /// Cuts one member off, more often than not one that leads, or lets it back in.
    fn isolate(&mut self) {
        self.network.heal();
        if self.chance(50) {
            let leads = |member: &Member| {
                let raw = member.raw.as_ref();
                raw.is_some_and(|raw| raw.soft_state().role == Role::Leader)
            };
            let alone = BTreeSet::from([self.any_of(leads)]);
            let all: Vec<_> = self.members.keys().copied().collect();
            let both = self.chance(50);
            self.network.partition(&alone, &all, both);
        }
    }

    fn compact(&mut self, id: u64) {
        let keep = self.rng.below(10);
        if self.on(id, |member, _| member.compact(keep)) == Some(true) {
            self.judge.counts.one("compactions");
        }
    }

    fn transfer(&mut self, id: u64) {
        let to = MemberId(self.any_member());
        self.judge.counts.one("transfers");
        self.on(id, |member, _| member.raw().transfer_leader(to));
    }

    fn forget_leader(&mut self, id: u64) {
        self.on(id, |member, _| member.raw().forget_leader());
    }

    fn toggle_snapshots(&mut self, id: u64) {
        self.on(id, |member, _| {
            let busy = &member.raw().storage().busy;
            busy.set(!busy.get());
        });
    }
}
