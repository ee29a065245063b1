//! What is done to each mixed cluster.

use crate::clusters::{End, Scene, kinds};
use checker::{Call, Outcome, Reply};
use env::{Rng as _, SeededRng};
use harness::{ClusterOptions, LogLine, Network, http_get_at, older_reference, reference};
use load::{Plan, Where};
use proto::etcdserverpb::{LeaseGrantRequest, PutRequest, RangeRequest};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use types::LeaseId;

/// Followers that are behind by more than this get a snapshot.
const SNAPSHOT_ENTRIES: i64 = 150;

/// An etcd that can't be told otherwise keeps so many.
const OLDER_SNAPSHOT_ENTRIES: i64 = 5_200;

/// Tries for a lease that ends under the wanted leader.
const LEASES_MAX: usize = 4;

const CALL_MAX: Duration = Duration::from_secs(8);

/// Whose member it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Tested,
    Real,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Tested => Self::Real,
            Self::Real => Self::Tested,
        }
    }
}

/// A mixed cluster.
#[derive(Clone, Copy, Debug)]
pub struct Mixture {
    /// Members of the server under test.
    pub tested: usize,
    /// Members of the real etcd.
    pub real: usize,
    /// Who leads, as far as the script can say.
    pub leader: Side,
    /// With etcd 3.5.1 instead.
    pub older: bool,
    /// With fewer steps.
    pub short: bool,
    /// Whether what clients see counts, or only what is logged.
    pub judged: bool,
}

struct Play<'a> {
    scene: Scene,
    sides: Vec<Side>,
    mixture: &'a Mixture,
    tested: PathBuf,
    real: PathBuf,
    rng: SeededRng,
    /// What members of the real etcd that were removed have logged.
    logged: Vec<LogLine>,
    leases: i64,
}

/// Plays the script; gives what the real etcd warned of.
pub fn play(mixture: &Mixture, tested: &PathBuf) -> Vec<LogLine> {
    let real = if mixture.older { older_reference() } else { reference() };
    let real = real.unwrap().program("etcd");
    let sides: Vec<Side> =
        [vec![Side::Tested; mixture.tested], vec![Side::Real; mixture.real]].concat();
    let programs = sides.iter().map(|side| program(*side, tested, &real).clone()).collect();
    let mut arguments = vec!["--snapshot-count=100".to_owned()];
    if !mixture.older {
        arguments.push("--experimental-snapshot-catchup-entries=50".to_owned());
    }
    let options = ClusterOptions { programs, arguments, network: Network::Loopback };
    let seed = (mixture.tested * 100 + mixture.real * 10) as u64 + mixture.leader as u64;
    crate::support::runtime().block_on(async {
        let plan = |endpoints| Plan {
            compaction: Some(Duration::from_secs(1)),
            compacted: if mixture.older { Where::AtPuts } else { Where::Anywhere },
            ..Plan::new(seed, endpoints)
        };
        let scene = Scene::start(&options, plan);
        let (tested, rng) = (tested.clone(), SeededRng::new(seed));
        let mut play =
            Play { scene, sides, mixture, tested, real, rng, logged: Vec::new(), leases: 0 };
        (0..play.sides.len()).for_each(|position| play.note_if_hasty(position));
        play.acts().await;
        play.finish().await
    })
}

const fn program<'a>(side: Side, tested: &'a PathBuf, real: &'a PathBuf) -> &'a PathBuf {
    match side {
        Side::Tested => tested,
        Side::Real => real,
    }
}

impl Play<'_> {
    async fn acts(&mut self) {
        self.lead().await;
        for side in [Side::Tested, Side::Real] {
            self.lease_ended_by_the_leader(side).await;
        }
        // Before new members come, who get snapshots too: for half a minute after one, Go's leader
        // keeps its log, and followers need none.
        for side in [Side::Real, Side::Tested] {
            self.snapshot_to(side).await;
        }
        self.members_come_and_go(Side::Real).await;
        if !self.mixture.short {
            self.members_come_and_go(Side::Tested).await;
            self.restart_in_any_order().await;
            self.restart_all().await;
        }
        self.lease_ended_by_the_leader(Side::Tested).await;
        self.scene.wait_for_revisions(100).await;
    }

    fn note_if_hasty(&mut self, position: usize) {
        if self.mixture.older && self.sides[position] == Side::Real {
            self.scene.hasty.push(self.scene.number(position));
        }
    }

    /// A member of a side, other than one; any order.
    fn pick(&mut self, side: Side, not: Option<usize>) -> usize {
        let fits = |position: &usize| self.sides[*position] == side && Some(*position) != not;
        let fitting: Vec<usize> = (0..self.sides.len()).filter(fits).collect();
        fitting[self.rng.below(fitting.len() as u64) as usize]
    }

    /// Gives leadership to the side that is to lead.
    async fn lead(&mut self) {
        self.lead_by(self.mixture.leader).await;
    }

    async fn lead_by(&mut self, side: Side) {
        if self.sides[self.scene.leader().await] != side {
            let target = self.pick(side, None);
            self.scene.move_leader(target).await;
        }
    }

    /// A call that has to be answered, by a member of a side; tried until it is.
    async fn answered(&mut self, side: Side, call: Call) -> Reply {
        let start = Instant::now();
        loop {
            let member = self.pick(side, None);
            let number = self.scene.number(member);
            let outcome = self.scene.load.call(number, call.clone(), CALL_MAX).await;
            if let Some(Outcome::Done { reply, .. }) = outcome {
                return reply;
            }
            assert!(start.elapsed() < CALL_MAX * 4, "{call:?}: {outcome:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A lease across the sides, again where leadership moved by itself before it had ended.
    async fn lease_ended_by_the_leader(&mut self, side: Side) {
        for _ in 0..LEASES_MAX {
            self.lead().await;
            self.lease_across(side).await;
            if self.sides[self.scene.leader().await] == self.mixture.leader {
                return;
            }
        }
        panic!("{:?} does not stay the leader for one of {LEASES_MAX} leases", self.mixture.leader);
    }

    /// A lease that is granted on one side, kept alive through the other, and ended by whoever
    /// leads.
    async fn lease_across(&mut self, side: Side) {
        self.leases += 1;
        let (id, ttl) = (1_000 + self.leases, 3);
        let key = format!("across/{id}");
        self.answered(side, Call::Grant(LeaseGrantRequest { ttl, id })).await;
        let value = format!("across {id}").into();
        let put = PutRequest { key: key.clone().into(), value, lease: id, ..Default::default() };
        self.answered(side.other(), Call::Put(put)).await;
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let renewed = self.answered(side.other(), Call::KeepAlive(LeaseId(id))).await;
            assert_eq!(renewed, Reply::KeepAlive { ttl });
        }
        let get = Call::Range(RangeRequest { key: key.into(), ..RangeRequest::default() });
        let start = Instant::now();
        loop {
            let mut there = false;
            for side in [side, side.other()] {
                let reply = self.answered(side, get.clone()).await;
                there |= matches!(reply, Reply::Range(range) if range.count > 0);
            }
            if !there {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "lease {id} does not end");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A member of a side is added as a learner through the other, promoted, given another URL and
    /// back, and removed.
    async fn members_come_and_go(&mut self, side: Side) {
        let through = self.pick(side.other(), None);
        let program = program(side, &self.tested, &self.real).clone();
        let position = self.scene.add_learner(program, through).await;
        let learner = self.scene.membership(position).id().await;
        let listed = self.scene.membership(through).list().await;
        assert!(
            listed.iter().any(|member| member.id == learner && member.is_learner),
            "{listed:?}"
        );
        // The promotion is asked of the same side, which forwards it to the leader.
        let promoter = self.pick(side, None);
        self.scene.promote(position, promoter).await;
        self.sides.push(side);
        self.note_if_hasty(position);
        self.lead().await;
        let url = self.scene.cluster.members()[position].peer_url();
        let alias = url.replace("127.0.0.1", "localhost");
        let updater = self.pick(side.other(), None);
        for urls in [vec![alias], vec![url]] {
            self.scene.membership(updater).update(learner, &urls).await;
            self.wait_until_all_list(learner, &urls).await;
        }
        self.scene.wait_for_revisions(50).await;
        let remover = self.pick(side, Some(position));
        self.sides.remove(position);
        let logged = self.scene.remove(position, remover).await;
        if side == Side::Real {
            self.logged.extend(logged);
        }
        self.lead().await;
    }

    async fn wait_until_all_list(&self, id: u64, urls: &[String]) {
        let start = Instant::now();
        for position in 0..self.sides.len() {
            while !self
                .scene
                .membership(position)
                .list()
                .await
                .iter()
                .any(|member| member.id == id && !member.is_learner && member.peer_urls == urls)
            {
                assert!(start.elapsed() < Duration::from_secs(20), "{urls:?} is not listed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// A follower of a side is down until it can only be helped by a snapshot, which the other side
    /// sends.
    async fn snapshot_to(&mut self, side: Side) {
        self.lead_by(side.other()).await;
        let position = self.pick(side, None);
        let stopped = self.scene.stop(position, End::Kill).await;
        let older = self.mixture.older;
        let entries = if older { OLDER_SNAPSHOT_ENTRIES } else { SNAPSHOT_ENTRIES };
        self.scene.wait_for_revisions(entries).await;
        self.lead_by(side.other()).await;
        self.scene.start_again(&stopped).await;
        let address = self.scene.cluster.members()[position].address.client;
        let metrics = http_get_at(address, "/metrics").unwrap().body;
        let received = metrics.lines().any(|line| {
            line.starts_with("etcd_network_snapshot_receive_success") && !line.ends_with(" 0")
        });
        assert!(received, "{side:?} got no snapshot");
        self.lead().await;
    }

    async fn restart_in_any_order(&mut self) {
        let mut order: Vec<usize> = (0..self.sides.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, self.rng.below(last as u64 + 1) as usize);
        }
        for position in order {
            let end = if self.rng.below(2) == 0 { End::Terminate } else { End::Kill };
            self.scene.restart(position, end, None).await;
        }
    }

    /// All members end, and start in another order.
    async fn restart_all(&mut self) {
        let mut stopped = Vec::new();
        for position in 0..self.sides.len() {
            stopped.push(self.scene.stop_whatever_leads(position, End::Terminate));
        }
        self.scene.start_all(&stopped).await;
    }

    async fn finish(mut self) -> Vec<LogLine> {
        let shown = self.scene.finish().await;
        shown.print(&format!("{:?}", self.mixture));
        if self.mixture.judged {
            assert!(shown.report.is_clean(), "{:?}: {}", self.mixture, shown.report);
            let stray = kinds(&shown.unexcused);
            assert!(stray.is_empty(), "{:?}: {:#?}", self.mixture, shown.unexcused);
            assert_eq!(shown.kept_lost, 0, "a lease that was kept alive ended");
            assert!(shown.compared >= 3, "hashes were compared {} times", shown.compared);
        }
        for (member, side) in shown.cluster.members().iter().zip(&self.sides) {
            if *side == Side::Real {
                self.logged.extend(member.log());
            }
        }
        self.logged.retain(LogLine::is_fault);
        self.logged
    }
}
