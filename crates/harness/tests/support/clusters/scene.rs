//! A cluster under load, with all that a test does to it written down: when members were down, when
//! leadership moved.

use super::leader::wait_for_leader;
use super::membership::Membership;
use super::outages::{Outages, kinds};
use checker::{Member, Report};
use harness::{Cluster, ClusterOptions, LogLine};
use load::{Failure, Load, Plan};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a member may take from its start until it serves.
const START_MAX: Duration = Duration::from_secs(60);

/// How a member is ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Terminate,
    Kill,
}

/// See the module. Members are named by their position in the cluster.
pub struct Scene {
    pub cluster: Cluster,
    pub load: Load,
    pub outages: Outages,
    /// The number of each member in the record.
    numbers: Vec<Member>,
    /// The longest time from a member's end until it served again.
    pub slowest: Duration,
    /// Members whose announcements of progress don't count: an etcd before 3.5.8 may announce what
    /// it has not sent yet.
    pub hasty: Vec<Member>,
}

/// What a scene showed.
pub struct Shown {
    pub cluster: Cluster,
    pub report: Report,
    pub failures: Vec<Failure>,
    pub unexcused: Vec<Failure>,
    /// Leases that were to be kept alive and ended.
    pub kept_lost: u64,
    /// Compactions after which all members gave their hash.
    pub compared: u64,
    /// Elections that the test did not cause: on a busy machine, or by a fault of the cluster.
    pub other_elections: usize,
    pub slowest: Duration,
}

impl Scene {
    /// Starts a cluster and a load on it.
    pub fn start(options: &ClusterOptions, plan: impl FnOnce(Vec<String>) -> Plan) -> Self {
        Self::start_with(options, plan, |_| {})
    }

    /// Starts a cluster whose members are changed before, and a load on it.
    pub fn start_with(
        options: &ClusterOptions,
        plan: impl FnOnce(Vec<String>) -> Plan,
        change: impl Fn(&mut harness::Member),
    ) -> Self {
        let mut cluster = Cluster::new(options).unwrap();
        (0..cluster.members().len()).for_each(|position| change(cluster.member(position)));
        cluster.start().unwrap();
        let load = Load::start(plan(cluster.endpoints()));
        let numbers = (0..cluster.members().len()).map(|number| Member(number as u32)).collect();
        let (outages, slowest, hasty) = (Outages::default(), Duration::ZERO, Vec::new());
        Self { cluster, load, outages, numbers, slowest, hasty }
    }

    /// The number of a member in the record.
    pub fn number(&self, position: usize) -> Member {
        self.numbers[position]
    }

    /// Who leads.
    pub async fn leader(&self) -> usize {
        wait_for_leader(&self.cluster).await
    }

    /// Membership through one of the members.
    pub fn membership(&self, through: usize) -> Membership {
        Membership::through(&self.cluster.members()[through].endpoint())
    }

    /// Ends a member.
    pub async fn stop(&mut self, position: usize, end: End) -> Stopped {
        let was_leader = self.leader().await == position;
        if was_leader {
            self.outages.election(self.load.now());
        }
        Stopped { was_leader, ..self.stop_whatever_leads(position, end) }
    }

    /// Ends a member, without asking who leads.
    pub fn stop_whatever_leads(&mut self, position: usize, end: End) -> Stopped {
        let (from, since) = (self.load.now(), Instant::now());
        let member = self.cluster.member(position);
        match end {
            End::Terminate => drop(member.terminate().unwrap()),
            End::Kill => member.kill().unwrap(),
        }
        self.load.restarted(self.numbers[position]);
        // Its clients meet nobody until it is back.
        self.outages.down(self.numbers[position], from, checker::Time::NEVER);
        Stopped { position, from, since, was_leader: false }
    }

    /// Starts it again and waits until it serves.
    pub async fn start_again(&mut self, stopped: &Stopped) {
        self.load.restarted(self.numbers[stopped.position]);
        let member = self.cluster.member(stopped.position);
        member.spawn().unwrap();
        tokio::task::block_in_place(|| member.wait_ready_within(START_MAX)).unwrap();
        self.slowest = self.slowest.max(stopped.since.elapsed());
        self.outages.up(self.numbers[stopped.position], stopped.from, self.load.now());
        // Clients come back to it before something else happens.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    /// Starts several members that were ended, the last first, and waits until all serve. No member
    /// served meanwhile.
    pub async fn start_all(&mut self, stopped: &[Stopped]) {
        for one in stopped.iter().rev() {
            self.load.restarted(self.numbers[one.position]);
            self.cluster.member(one.position).spawn().unwrap();
        }
        for one in stopped {
            let member = self.cluster.member(one.position);
            tokio::task::block_in_place(|| member.wait_ready_within(START_MAX)).unwrap();
        }
        for one in stopped {
            self.outages.up(self.numbers[one.position], one.from, self.load.now());
            self.outages.election(one.from);
        }
        self.outages.election(self.load.now());
    }

    /// Ends a member and starts it with a program; whether it led.
    pub async fn restart(&mut self, position: usize, end: End, program: Option<&PathBuf>) -> bool {
        let stopped = self.stop(position, end).await;
        if let Some(program) = program {
            self.cluster.member(position).options.program.clone_from(program);
        }
        self.start_again(&stopped).await;
        stopped.was_leader
    }

    /// Makes a member lead.
    pub async fn move_leader(&mut self, to: usize) {
        let start = Instant::now();
        loop {
            let leader = self.leader().await;
            if leader == to {
                return;
            }
            self.outages.election(self.load.now());
            let target = self.membership(to).id().await;
            // Refused while the other one is behind.
            let _ = self.membership(leader).move_leader(target).await;
            assert!(start.elapsed() < START_MAX, "{to} does not become leader");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Adds a learner, by a call to one member, and starts it; its position.
    pub async fn add_learner(&mut self, program: PathBuf, through: usize) -> usize {
        let position = self.cluster.add(program).unwrap();
        let url = self.cluster.members()[position].peer_url();
        self.membership(through).add_learner(&url).await;
        self.cluster.member(position).spawn().unwrap();
        // It has no number before it serves clients: a learner answers only some calls.
        self.numbers.push(Member(u32::MAX));
        position
    }

    /// Promotes a learner, by a call to one member, as soon as it is ready.
    pub async fn promote(&mut self, position: usize, through: usize) {
        let id = self.membership(position).id().await;
        self.membership(through).promote(id).await;
        let member = self.cluster.member(position);
        tokio::task::block_in_place(|| member.wait_ready_within(START_MAX)).unwrap();
        let endpoint = member.endpoint();
        self.numbers[position] = self.load.add_member(endpoint);
    }

    /// Removes a member, by a call to another one, and waits for its end; gives what it logged.
    pub async fn remove(&mut self, position: usize, through: usize) -> Vec<LogLine> {
        if self.leader().await == position {
            self.outages.election(self.load.now());
        }
        let id = self.membership(position).id().await;
        let number = self.numbers.remove(position);
        self.load.remove_member(number);
        self.outages.down(number, self.load.now(), checker::Time::NEVER);
        self.membership(through).remove(id).await;
        let member = self.cluster.member(position);
        tokio::task::block_in_place(|| member.wait_end(START_MAX)).unwrap();
        let logged = member.log();
        self.cluster.remove(position).unwrap();
        logged
    }

    /// Waits until so many revisions more were made.
    pub async fn wait_for_revisions(&self, count: i64) {
        let (until, start) = (self.load.revision() + count, Instant::now());
        while self.load.revision() < until {
            assert!(start.elapsed() < Duration::from_secs(120), "nothing is written");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the load and checks what it saw.
    pub async fn finish(self) -> Shown {
        let Self { cluster, load, mut outages, slowest, hasty, .. } = self;
        let mut recording = load.finish().await.unwrap();
        for watch in &mut recording.history.watches {
            if hasty.contains(&watch.member) {
                watch.responses.retain(|response| !response.is_progress());
            }
        }
        outages.learn(&recording.history);
        let report = checker::check(&recording.history);
        if !report.is_clean() {
            // It stays beside the members' logs and data when the test fails.
            let folder = cluster.folder().to_owned();
            std::fs::write(folder.join("history"), format!("{:#?}", recording.history)).unwrap();
            println!("the history and the members' logs are in {}", folder.display());
        }
        Shown {
            cluster,
            report,
            unexcused: outages.unexcused(&recording.failures),
            failures: recording.failures,
            kept_lost: recording.kept_lost,
            compared: recording.compared,
            other_elections: outages.other_elections,
            slowest,
        }
    }
}

/// A member that was ended.
pub struct Stopped {
    position: usize,
    from: checker::Time,
    since: Instant,
    pub was_leader: bool,
}

impl Shown {
    pub fn print(&self, what: &str) {
        println!(
            "{what}: {} compactions with equal hashes; kept leases that ended: {}; the slowest \
             restart took {:.1?}; elections without a cause: {}; errors: {:?}, of them not excused: {:?}; {}",
            self.compared,
            self.kept_lost,
            self.slowest,
            self.other_elections,
            kinds(&self.failures),
            kinds(&self.unexcused),
            self.report
        );
    }
}
