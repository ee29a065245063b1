//! What a seed stands for: how many members, with which flags, which clients, and what goes wrong.

use std::path::PathBuf;
use std::time::Duration;

use env::{Rng as _, SeededRng};
use node::compactor::Retention;
use node::data_dir::Paths;
use node::log::Keep;
use node::{Checks, ClusterState, MaxClusterVersion, Options, Settings};

use crate::clients::Crowd;
use crate::faults::{Faults, Strike};
use crate::network::url;

/// `--heartbeat-interval`, and how many of it are an election timeout.
pub const TICK: Duration = Duration::from_millis(100);
const ELECTION_TICKS: u32 = 10;
/// An election timeout.
pub const ELECTION: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What everything follows from.
    pub seed: u64,
    /// How many members there are.
    pub members: usize,
    /// How many machines there are for members to come.
    pub spares: usize,
    /// How long things go wrong.
    pub time: Duration,
    /// The clients.
    pub crowd: Crowd,
    /// What goes wrong.
    pub faults: Faults,
    /// The members' flags.
    pub flags: Flags,
}

/// The flags that all members of a cluster have.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "named as the flags")]
pub struct Flags {
    pub snapshot_count: u64,
    pub catchup_entries: u64,
    pub segment_bytes: u64,
    pub batch_interval: Duration,
    pub batch_limit: usize,
    pub compaction_batch: usize,
    pub compaction_sleep: Duration,
    pub pre_vote: bool,
    pub lease_checkpoints: bool,
    pub checks: Checks,
    pub retention: Retention,
    pub progress_interval: Duration,
}

impl Plan {
    /// What a seed stands for.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        // The first numbers of neighbouring seeds are to have nothing to do with each other.
        let rng = &mut SeededRng::new(rng.next_u64());
        let members = [1, 3, 3, 3, 3, 5, 5, 2, 4, 7][rng.below(10) as usize];
        let crowd = Crowd {
            writers: 1 + rng.below(4) as u32,
            lenders: rng.below(4) as u32,
            kubernetes: rng.below(3) as u32,
            watchers: rng.below(5) as u32,
            administrator: rng.below(3) == 0,
            pause: Duration::from_millis(20 + rng.below(400)),
            compaction: Duration::from_millis(500 + rng.below(10_000)),
        };
        let flags = Flags::of(rng);
        let mut faults = Faults::of(rng);
        // A leader whose clock goes faster ends leases sooner than their time by another clock.
        faults.drift &= crowd.lenders == 0;
        let spares = if faults.members > 0 { rng.below(4) as usize } else { 0 };
        Self { seed, members, spares, time: Duration::from_secs(120), crowd, faults, flags }
    }

    /// When what goes wrong.
    #[must_use]
    pub fn strikes(&self) -> Vec<Strike> {
        let mut rng = SeededRng::new(!self.seed);
        self.faults.strikes(self.members + self.spares, self.time, &mut rng)
    }

    /// The options of all members, and of those to come.
    #[must_use]
    pub fn options(&self) -> Vec<Options> {
        let urls = (0..self.members).map(|number| format!("m{}={}", number + 1, url(number)));
        let initial = urls.collect::<Vec<_>>().join(",");
        let all = 0..self.members + self.spares;
        all.map(|number| options(number, &initial, &self.flags)).collect()
    }
}

impl Flags {
    fn of(rng: &mut SeededRng) -> Self {
        let mut one_of = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
        Self {
            snapshot_count: one_of(&[1, 10, 50, 200, 1000, 10_000]),
            catchup_entries: one_of(&[1, 5, 50, 5000]),
            segment_bytes: one_of(&[32 << 10, 128 << 10, 1 << 20, 64 << 20]),
            batch_interval: Duration::from_millis(one_of(&[10, 100, 100, 1000])),
            batch_limit: one_of(&[1, 10, 10_000, 10_000]) as usize,
            compaction_batch: one_of(&[1, 10, 1000]) as usize,
            compaction_sleep: Duration::from_millis(one_of(&[0, 10])),
            pre_vote: one_of(&[0, 1, 1]) == 1,
            lease_checkpoints: one_of(&[0, 1]) == 1,
            checks: Checks {
                initial: one_of(&[0, 1]) == 1,
                period: (one_of(&[0, 1]) == 1).then_some(Duration::from_secs(10)),
                compaction: (one_of(&[0, 1]) == 1).then_some(Duration::from_secs(5)),
            },
            retention: match one_of(&[0, 0, 1]) {
                0 => Retention::Off,
                _ => Retention::Revisions(200),
            },
            progress_interval: Duration::from_secs(one_of(&[1, 10, 600])),
        }
    }
}

fn options(number: usize, initial: &str, flags: &Flags) -> Options {
    let data = PathBuf::from(format!("/m{}/data", number + 1));
    Options {
        name: format!("m{}", number + 1),
        paths: Paths::new(&data, None),
        initial_cluster: initial.to_owned(),
        peer_urls: url(number).parse().into_iter().collect(),
        initial_cluster_token: "etcd-cluster".to_owned(),
        cluster_state: ClusterState::New,
        client_urls: vec![format!("http://10.0.0.{}:2379", number + 1)],
        tick: TICK,
        election_ticks: ELECTION_TICKS,
        pre_vote: flags.pre_vote,
        snapshot_count: flags.snapshot_count,
        catchup_entries: flags.catchup_entries,
        keep: Keep { wals: Some(5), snapshots: Some(5) },
        batch_interval: flags.batch_interval,
        batch_limit: flags.batch_limit,
        segment_bytes: flags.segment_bytes,
        unsafe_no_fsync: false,
        retention: flags.retention,
        compaction_batch: flags.compaction_batch,
        compaction_sleep: flags.compaction_sleep,
        watch_progress_interval: flags.progress_interval,
        auth_token: "simple".to_owned(),
        auth_token_ttl: Duration::from_secs(300),
        lease_checkpoints: flags.lease_checkpoints,
        persist_checkpoints: flags.lease_checkpoints,
        checks: flags.checks,
        downgrade_check: Some(Duration::from_secs(5)),
        force_new_cluster: false,
        skip_first_ticks: true,
        settings: Settings {
            request_timeout: Duration::from_secs(5) + 2 * ELECTION,
            tick: TICK,
            election: ELECTION,
            request_bytes_max: 1_572_864,
            quota: apply::Quota::Bytes(2 << 30),
            strict_reconfig_check: true,
            learners_max: 1,
            max_cluster_version: MaxClusterVersion::Auto,
            warning_apply: TICK,
        },
    }
}
