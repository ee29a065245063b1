//! What chance decides once per run.

use env::{Rng, SeededRng};
use raft::{Config, StorageWrites};
use types::MemberId;

/// Members that there can be.
pub const MEMBERS_MAX: u64 = 7;

#[derive(Clone)]
pub struct Options {
    /// Voters at the start; the other members can be added.
    pub voters: u64,
    pub steps: u64,
    pub asynchronous: bool,
    pub pre_vote: bool,
    pub check_quorum: bool,
    pub step_down_on_removal: bool,
    pub step_down_on_stalled_append: bool,
    pub size_per_message_max: u64,
    pub committed_size_max: u64,
    pub uncommitted_size_max: u64,
    pub unstable_size_max: u64,
    pub inflight_messages_max: usize,
    /// Bytes of the log that stay in memory.
    pub log_size_max: Option<u64>,
    /// How often, in percent, a message is lost, doubled, or taken out of turn.
    pub loss: u64,
    pub duplication: u64,
    pub reordering: u64,
    /// How eagerly, in percent, jobs are done: slow disks leave many under way.
    pub job_eagerness: u64,
    /// How often, in permille of the steps, a member stops without warning.
    pub crashes: u64,
    /// How often, in permille, a member campaigns out of turn, or is cut off alone.
    pub unrest: u64,
    /// How often, in permille, the configuration is to be changed.
    pub conf_changes: u64,
}

impl Options {
    pub fn random(rng: &mut SeededRng, seed: u64) -> Self {
        let mut pick = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
        let all = u64::MAX;
        Self {
            voters: pick(&[1, 2, 3, 3, 3, 4, 5, 5, 7]),
            steps: pick(&[1000, 2000, 4000]),
            asynchronous: seed % 2 == 1,
            pre_vote: pick(&[0, 1]) == 1,
            check_quorum: pick(&[0, 1]) == 1,
            step_down_on_removal: pick(&[0, 1]) == 1,
            step_down_on_stalled_append: pick(&[0, 1]) == 1,
            size_per_message_max: pick(&[0, 30, 100, all]),
            committed_size_max: pick(&[0, 1, 40]),
            uncommitted_size_max: pick(&[0, 0, 60, 200]),
            unstable_size_max: pick(&[0, 0, 40]),
            inflight_messages_max: pick(&[1, 2, 4, 256]) as usize,
            log_size_max: Some(pick(&[0, 60, 200, all, all])).filter(|size| *size != all),
            loss: pick(&[0, 2, 10, 30]),
            duplication: pick(&[0, 2, 10]),
            reordering: pick(&[0, 10, 50]),
            job_eagerness: pick(&[3, 10, 40, 90]),
            crashes: pick(&[0, 1, 4, 10]),
            unrest: pick(&[0, 5, 20, 60]),
            conf_changes: pick(&[0, 5, 20, 50]),
        }
    }

    pub fn config(&self, id: u64, rng: SeededRng) -> Config {
        let mut config = Config::new(MemberId(id), Box::new(rng));
        config.election_tick = 6;
        config.heartbeat_tick = 1;
        if self.asynchronous {
            config.storage_writes = StorageWrites::Asynchronous;
        }
        config.pre_vote = self.pre_vote;
        config.check_quorum = self.check_quorum;
        config.step_down_on_removal = self.step_down_on_removal;
        config.step_down_on_stalled_append = self.step_down_on_stalled_append;
        config.size_per_message_max = self.size_per_message_max;
        config.committed_size_max = self.committed_size_max;
        config.uncommitted_size_max = self.uncommitted_size_max;
        config.unstable_size_max = self.unstable_size_max;
        config.inflight_messages_max = self.inflight_messages_max;
        config
    }
}
