//! The consensus of one member, message by message as etcd's raft library has it.
//!
//! Takes messages and ticks, changes its state, and leaves messages behind. Knows no clock, file,
//! thread or socket, and not who drives it: `raw_node` does that.
//!
//! Invariants: terms, commit and applied indexes never fall; only a voter campaigns; what a member
//! says about its vote or its log waits in `messages_after_append` until that is stored.

mod append;
mod campaign;
mod commit;
mod conf_change;
mod progress_messages;
mod propose;
mod read_index;
mod replicate;
mod role;
mod send;
mod snapshot;
mod stall;
mod start;
mod step;
mod step_candidate;
mod step_follower;
mod step_leader;
mod storage_responses;
mod tick;
mod transfer;
mod validate;
mod vote;

use env::Rng;
use proto::raftpb::{HardState, Message};
use types::{Index, MemberId, Term};

use crate::config::{ReadOnlyOption, StorageWrites};
use crate::log::RaftLog;
use crate::log_read::LogReads;
use crate::logger::Log;
use crate::read_only::{ReadOnly, ReadState};
use crate::tracker::Tracker;

pub use role::{Role, SoftState};

/// The settings that hold for a member's life.
pub(crate) struct Settings {
    pub(crate) election_tick: u32,
    pub(crate) heartbeat_tick: u32,
    pub(crate) storage_writes: StorageWrites,
    pub(crate) size_per_message_max: u64,
    pub(crate) uncommitted_size_max: u64,
    pub(crate) unstable_size_max: u64,
    pub(crate) check_quorum: bool,
    pub(crate) pre_vote: bool,
    pub(crate) read_only: ReadOnlyOption,
    pub(crate) disable_proposal_forwarding: bool,
    pub(crate) disable_conf_change_validation: bool,
    pub(crate) step_down_on_removal: bool,
    pub(crate) step_down_on_stalled_append: bool,
}

/// One member.
pub(crate) struct Raft<S> {
    pub(crate) id: MemberId,
    pub(crate) term: Term,
    /// Who got this member's vote in `term`.
    pub(crate) vote: MemberId,
    pub(crate) role: Role,
    pub(crate) lead: MemberId,
    pub(crate) log: RaftLog<S>,
    pub(crate) tracker: Tracker,
    pub(crate) read_states: Vec<ReadState>,
    /// To be sent at once; all to others.
    pub(crate) messages: Vec<Message>,
    /// To be sent when everything unstable at the time is stored; also to this member.
    pub(crate) messages_after_append: Vec<Message>,
    /// Who is to lead next.
    pub(crate) lead_transferee: MemberId,
    /// At or after the last configuration change in the log that may not be applied yet; another
    /// one is proposed only when everything up to here is applied.
    pending_conf_index: Index,
    /// A leader's proposals that are not applied, in bytes; may be too low, never too high.
    uncommitted_size: u64,
    read_only: ReadOnly,
    /// Reads that wait for the first commit of this leader's term.
    pending_reads: Vec<Message>,
    /// Ticks since the election timeout was last started: a follower heard from its leader, a
    /// leader looked at its quorum.
    election_elapsed: u32,
    heartbeat_elapsed: u32,
    /// Somewhere in `election_tick..2 * election_tick`.
    pub(crate) randomized_election_timeout: u32,
    pub(crate) log_reads: LogReads,
    pub(crate) stall: stall::AppendWatch,
    pub(crate) settings: Settings,
    rng: Box<dyn Rng>,
    logger: Log,
}

impl<S> Raft<S> {
    pub(crate) fn soft_state(&self) -> SoftState {
        SoftState { lead: self.lead, role: self.role }
    }

    pub(crate) fn hard_state(&self) -> HardState {
        HardState { term: self.term.0, vote: self.vote.0, commit: self.log.committed.0 }
    }
}

#[cfg(test)]
#[path = "raft_test.rs"]
mod tests;
