//! How a member behaves.

use std::sync::Arc;

use env::Rng;
use types::{Index, MemberId};

use crate::error::{Error, Result};
use crate::logger::{Logger, NoLogger};
use crate::{LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, NONE};

/// How a leader makes sure that a read is not stale.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReadOnlyOption {
    /// It asks a quorum whether it still leads.
    #[default]
    Safe,
    /// It trusts its clock: nobody else can have been elected since a quorum was last heard of.
    /// Needs `check_quorum`.
    LeaseBased,
}

/// Who writes the log and applies entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StorageWrites {
    /// The caller, between [`ready`](crate::RawNode::ready) and
    /// [`advance`](crate::RawNode::advance).
    #[default]
    Synchronous,
    /// Others, meanwhile: jobs in [`Ready`](crate::Ready) carry what to write or apply, and the
    /// messages to deliver afterwards.
    Asynchronous,
}

/// The settings of one member, as etcd-raft's `Config` has them.
pub struct Config {
    /// This member; neither 0 nor one of the two highest numbers.
    pub id: MemberId,
    /// Ticks without a leader until an election; the actual time is random, up to twice as long.
    pub election_tick: u32,
    /// Ticks between two heartbeats; less than `election_tick`.
    pub heartbeat_tick: u32,
    /// Everything up to here is applied already.
    pub applied: Index,
    /// Who writes.
    pub storage_writes: StorageWrites,
    /// The bytes of entries in one append message ([`entry_size`](crate::entry_size)); 0 for one
    /// entry, `u64::MAX` for no limit.
    pub size_per_message_max: u64,
    /// The bytes of entries handed out and not yet applied; 0 for `size_per_message_max`.
    pub committed_size_max: u64,
    /// The bytes of proposals that a leader holds which are not applied yet; more are dropped.
    /// 0 for no limit.
    pub uncommitted_size_max: u64,
    /// The bytes of entries' contents that a follower holds which are not stored yet; appends
    /// beyond are treated as lost. 0 for no limit. etcd-raft has no such setting.
    pub unstable_size_max: u64,
    /// Append messages on their way to one follower.
    pub inflight_messages_max: usize,
    /// The bytes in them; 0 for no limit, else at least `size_per_message_max`.
    pub inflight_bytes_max: u64,
    /// A leader that hears from no quorum for an election timeout steps down, and who hears from a
    /// leader ignores candidates.
    pub check_quorum: bool,
    /// A candidate first asks whether it could win, so that one without a chance disturbs nobody.
    pub pre_vote: bool,
    /// How reads are confirmed.
    pub read_only: ReadOnlyOption,
    /// Followers drop proposals rather than forward them.
    pub disable_proposal_forwarding: bool,
    /// Proposed configuration changes are not checked against the present configuration. One that
    /// turns out invalid then fails when it is applied.
    pub disable_conf_change_validation: bool,
    /// A leader that is removed or becomes a learner steps down.
    pub step_down_on_removal: bool,
    /// With asynchronous writes and another voter: a leader steps down when an append is not
    /// acknowledged for longer than an election timeout in its own ticks, and such a member does
    /// not campaign. Without it, a leader whose disk hangs would go on sending heartbeats.
    /// etcd-raft has no such setting.
    pub step_down_on_stalled_append: bool,
    /// For election timeouts.
    pub rng: Box<dyn Rng>,
    /// For log lines.
    pub logger: Arc<dyn Logger>,
}

impl Config {
    /// Settings without limits: elections after 10 ticks, heartbeats at every tick.
    #[must_use]
    pub fn new(id: MemberId, rng: Box<dyn Rng>) -> Self {
        Self {
            id,
            election_tick: 10,
            heartbeat_tick: 1,
            applied: Index(0),
            storage_writes: StorageWrites::default(),
            size_per_message_max: u64::MAX,
            committed_size_max: 0,
            uncommitted_size_max: 0,
            unstable_size_max: 0,
            inflight_messages_max: 256,
            inflight_bytes_max: 0,
            check_quorum: false,
            pre_vote: false,
            read_only: ReadOnlyOption::default(),
            disable_proposal_forwarding: false,
            disable_conf_change_validation: false,
            step_down_on_removal: false,
            step_down_on_stalled_append: false,
            rng,
            logger: Arc::new(NoLogger),
        }
    }

    /// Checks the settings and replaces zeros by what they stand for.
    pub(crate) fn complete(&mut self) -> Result<()> {
        let local = [LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD];
        let lease = self.read_only == ReadOnlyOption::LeaseBased;
        for (wrong, text) in [
            (self.id == NONE, "cannot use none as id"),
            (local.contains(&self.id), "cannot use local target as id"),
            (self.heartbeat_tick == 0, "heartbeat tick must be greater than 0"),
            (
                self.election_tick <= self.heartbeat_tick,
                "election tick must be greater than heartbeat tick",
            ),
            (self.inflight_messages_max == 0, "max inflight messages must be greater than 0"),
            (
                self.inflight_bytes_max != 0 && self.inflight_bytes_max < self.size_per_message_max,
                "max inflight bytes must be >= max message size",
            ),
            (
                lease && !self.check_quorum,
                "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased",
            ),
        ] {
            if wrong {
                return Err(Error::Config(text));
            }
        }
        let limits = [
            &mut self.uncommitted_size_max,
            &mut self.unstable_size_max,
            &mut self.inflight_bytes_max,
        ];
        for limit in limits.into_iter().filter(|limit| **limit == 0) {
            *limit = u64::MAX;
        }
        if self.committed_size_max == 0 {
            self.committed_size_max = self.size_per_message_max.max(1);
        }
        Ok(())
    }
}
