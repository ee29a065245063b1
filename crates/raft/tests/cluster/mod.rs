//! A cluster on one thread: members, their disks, the network between them, and a judge.
//!
//! Everything is decided by one seed. Time is a member's own ticks; jobs and messages are done when
//! chance picks them.

mod actions;
mod app;
mod disk;
mod judge;
mod member;
mod network;
mod options;
mod settle;

use std::collections::BTreeMap;
use std::fmt;

use env::{Rng, SeededRng};

use judge::Judge;
use member::Member;
use network::Network;
use options::Options;

/// Everything that a run consists of.
pub struct Cluster {
    rng: SeededRng,
    options: Options,
    members: BTreeMap<u64, Member>,
    network: Network,
    judge: Judge,
    proposed: u64,
    reads: u64,
}

/// What happened, to know that the runs are worth something.
#[derive(Clone, Default)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub fn one(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub fn get(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// Whether everything that the runs are about happened.
    pub fn covers_everything(&self) -> bool {
        [
            "steps",
            "elections",
            "committed",
            "restarts",
            "torn writes",
            "partitions",
            "lost",
            "duplicated",
            "joint",
            "learners",
            "conf changes",
            "transfers",
            "compactions",
            "snapshots installed",
            "reads answered",
            "log reads",
            "term changed with appends under way",
            "stalled",
        ]
        .iter()
        .all(|what| self.0.contains_key(what))
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|(what, n)| format!("{what} {n}")).collect();
        f.write_str(&counts.join(", "))
    }
}

/// Runs one seed to its end; panics when a promise is broken.
pub fn run_seed(seed: u64) -> Counts {
    let mut rng = SeededRng::new(seed ^ 0x5eed_0000);
    let options = Options::random(&mut rng, seed);
    let mut cluster = Cluster::new(rng, options);
    for _ in 0..cluster.options.steps {
        cluster.step();
    }
    cluster.settle();
    cluster.judge.counts
}

impl Cluster {
    fn new(mut rng: SeededRng, options: Options) -> Self {
        let voters: Vec<u64> = (1..=options.voters).collect();
        let start = app::App::start(&voters);
        let ids = 1..=options::MEMBERS_MAX;
        let members = ids.map(|id| {
            let first = voters.contains(&id).then(|| start.clone());
            (id, Member::new(id, first, &options, SeededRng::new(rng.next_u64())))
        });
        let members = members.collect();
        let judge = Judge::new(&start);
        Self { rng, options, members, network: Network::default(), judge, proposed: 0, reads: 0 }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.rng.below(100) < percent
    }

    /// Lets a member do something, and judges what became of it.
    fn on<T>(&mut self, id: u64, action: impl FnOnce(&mut Member, &mut Judge) -> T) -> Option<T> {
        let member = self.members.get_mut(&id)?;
        member.raw.as_ref()?;
        let result = action(member, &mut self.judge);
        self.judge.observe(member);
        Some(result)
    }
}
