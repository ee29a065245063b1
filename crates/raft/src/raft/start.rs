//! A member at its start, from what is stored.

use proto::raftpb::HardState;
use types::{Index, Term};

use super::{Raft, Role, Settings, stall};
use crate::NONE;
use crate::confchange::{self, Changed};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::log::RaftLog;
use crate::log_read::LogReads;
use crate::logger::{Log, info};
use crate::read_only::ReadOnly;
use crate::storage::Storage;
use crate::tracker::{InflightLimits, Tracker};

impl Settings {
    fn of(config: &Config) -> Self {
        Self {
            election_tick: config.election_tick,
            heartbeat_tick: config.heartbeat_tick,
            storage_writes: config.storage_writes,
            size_per_message_max: config.size_per_message_max,
            uncommitted_size_max: config.uncommitted_size_max,
            unstable_size_max: config.unstable_size_max,
            check_quorum: config.check_quorum,
            pre_vote: config.pre_vote,
            read_only: config.read_only,
            disable_proposal_forwarding: config.disable_proposal_forwarding,
            disable_conf_change_validation: config.disable_conf_change_validation,
            step_down_on_removal: config.step_down_on_removal,
            step_down_on_stalled_append: config.step_down_on_stalled_append,
        }
    }
}

impl<S: Storage> Raft<S> {
    pub(crate) fn new(mut config: Config, storage: S) -> Result<Self> {
        config.complete()?;
        let (hard_state, conf_state) = storage.initial_state();
        let initial = confchange::restore(&conf_state)?;
        let logger = Log(config.logger.clone());
        let limits = InflightLimits {
            messages: config.inflight_messages_max,
            bytes: config.inflight_bytes_max,
        };
        let mut raft = Self {
            id: config.id,
            term: Term(0),
            vote: NONE,
            role: Role::Follower,
            lead: NONE,
            log: RaftLog::new(storage, config.committed_size_max, logger.clone()),
            tracker: Tracker::new(limits),
            read_states: Vec::new(),
            messages: Vec::new(),
            messages_after_append: Vec::new(),
            lead_transferee: NONE,
            pending_conf_index: Index(0),
            uncommitted_size: 0,
            read_only: ReadOnly::default(),
            pending_reads: Vec::new(),
            election_elapsed: 0,
            heartbeat_elapsed: 0,
            randomized_election_timeout: 0,
            log_reads: LogReads::default(),
            stall: stall::AppendWatch::default(),
            settings: Settings::of(&config),
            rng: config.rng,
            logger,
        };
        raft.switch_to_config(Changed { config: initial, replaced: Default::default() });
        if !hard_state.is_empty() {
            raft.load_state(hard_state)?;
        }
        raft.load_applied(config.applied)?;
        raft.become_follower(raft.term, NONE);
        raft.log_start();
        Ok(raft)
    }

    fn load_state(&mut self, state: HardState) -> Result<()> {
        let (low, last) = (self.log.committed, self.log.last_index());
        let commit = Index(state.commit);
        if commit < low || commit > last {
            return Err(Error::CommitOutOfRange { id: self.id, commit, low, last });
        }
        self.log.committed = commit;
        self.term = Term(state.term);
        self.vote = types::MemberId(state.vote);
        Ok(())
    }

    fn load_applied(&mut self, applied: Index) -> Result<()> {
        let (low, committed) = (self.log.applying.applied(), self.log.committed);
        if applied == Index(0) {
            return Ok(());
        }
        if applied < low || applied > committed {
            return Err(Error::AppliedOutOfRange { applied, low, committed });
        }
        self.log.applied_to(applied, 0);
        Ok(())
    }

    fn log_start(&self) {
        let ids = self.tracker.config().voters.ids();
        let peers: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let last = self.log.last_id();
        info!(
            self.logger,
            "newRaft {} [peers: [{}], term: {}, commit: {}, applied: {}, lastindex: {}, lastterm: {}]",
            self.id,
            peers.join(","),
            self.term,
            self.log.committed,
            self.log.applying.applied(),
            last.index,
            last.term
        );
    }
}
