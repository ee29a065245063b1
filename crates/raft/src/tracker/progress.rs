//! How far one follower is, as its leader sees it.

use std::fmt;

use types::Index;

use super::{InflightLimits, Inflights};

/// How a leader treats a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum ProgressState {
    /// Where the follower's log ends is not known: one append at a time looks for it.
    #[default]
    Probe,
    /// The follower keeps up: appends are sent ahead of their acknowledgements.
    Replicate,
    /// The follower needs entries that are compacted away: a snapshot is on its way.
    Snapshot,
}

impl fmt::Display for ProgressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probe => "StateProbe",
            Self::Replicate => "StateReplicate",
            Self::Snapshot => "StateSnapshot",
        })
    }
}

/// How far one follower is.
///
/// Invariants: `matched < next`; in `Snapshot`, `next == pending_snapshot + 1`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Up to here the follower's stored log is the leader's.
    pub matched: Index,
    /// The next entry to send; those between are on their way.
    pub next: Index,
    /// How the follower is treated.
    pub state: ProgressState,
    /// The snapshot that is on its way; 0 for none.
    pub pending_snapshot: Index,
    /// Something was heard from it since the last look at the quorum.
    pub recent_active: bool,
    /// No append is sent until the follower gives a sign of life: it is probed, or its window is
    /// full.
    pub flow_paused: bool,
    /// Unacknowledged appends.
    pub inflights: Inflights,
    /// It does not vote.
    pub is_learner: bool,
    /// The highest commit index on its way; falls when appends seem to be lost.
    sent_commit: Index,
}

impl Progress {
    /// A follower of which nothing is known. It counts as active, so that a new member's first
    /// silence does not cost the leader its quorum.
    #[must_use]
    pub fn new(next: Index, limits: InflightLimits) -> Self {
        Self {
            matched: Index(0),
            next: next.max(Index(1)),
            state: ProgressState::Probe,
            pending_snapshot: Index(0),
            recent_active: true,
            flow_paused: false,
            inflights: Inflights::new(limits),
            is_learner: false,
            sent_commit: Index(0),
        }
    }

    fn reset(&mut self, state: ProgressState) {
        self.flow_paused = false;
        self.pending_snapshot = Index(0);
        self.state = state;
        self.inflights.reset();
    }

    /// Looks for the end of the follower's log, behind what it has or behind the snapshot that it
    /// got.
    pub(crate) fn become_probe(&mut self) {
        let sent = self.pending_snapshot;
        let had_snapshot = self.state == ProgressState::Snapshot;
        self.reset(ProgressState::Probe);
        self.next = self.matched.next();
        if had_snapshot {
            self.next = self.next.max(sent.next());
        }
        self.limit_sent_commit();
    }

    /// Sends ahead from what the follower has.
    pub(crate) fn become_replicate(&mut self) {
        self.reset(ProgressState::Replicate);
        self.next = self.matched.next();
    }

    /// Waits for the snapshot of this index.
    pub(crate) fn become_snapshot(&mut self, snapshot: Index) {
        self.reset(ProgressState::Snapshot);
        self.pending_snapshot = snapshot;
        self.next = snapshot.next();
        self.sent_commit = snapshot;
    }

    /// Notes that an append with this many entries was sent.
    pub(crate) fn sent_entries(&mut self, entries: usize, bytes: u64) {
        match self.state {
            ProgressState::Replicate => {
                if entries > 0 {
                    self.next = Index(self.next.0 + entries as u64);
                    self.inflights.add(Index(self.next.0 - 1), bytes);
                }
                // What fills the window, or is sent although it is full, is a probe.
                self.flow_paused = self.inflights.is_full();
            }
            ProgressState::Probe => self.flow_paused |= entries > 0,
            ProgressState::Snapshot => panic!("an append was sent to a follower without a log"),
        }
    }

    /// Whether telling this commit index can let the follower commit more: it has not been told of
    /// anything that reaches the end of what was sent.
    pub(crate) fn can_bump_commit(&self, commit: Index) -> bool {
        commit > self.sent_commit && self.sent_commit.next() < self.next
    }

    pub(crate) fn sent_commit(&mut self, commit: Index) {
        self.sent_commit = commit;
    }

    /// Takes an acknowledgement; false if it says nothing new.
    pub(crate) fn maybe_update(&mut self, acknowledged: Index) -> bool {
        if acknowledged <= self.matched {
            return false;
        }
        self.matched = acknowledged;
        self.next = self.next.max(acknowledged.next());
        self.flow_paused = false;
        true
    }

    /// Takes the refusal of an append behind `rejected`, with the follower's guess where the logs
    /// may agree; false if it is an old one.
    pub(crate) fn maybe_decrease(&mut self, rejected: Index, hint: Index) -> bool {
        if self.state == ProgressState::Replicate {
            if rejected <= self.matched {
                return false;
            }
            self.next = self.matched.next();
        } else {
            // Who is probed gets one append at a time, so a refusal of another one is old.
            if self.next.0 - 1 != rejected.0 {
                return false;
            }
            let guess = rejected.min(Index(hint.0.saturating_add(1)));
            self.next = guess.max(self.matched.next());
            self.flow_paused = false;
        }
        self.limit_sent_commit();
        true
    }

    /// Entries behind `next` seem not to have arrived, nor did the commit indexes with them.
    fn limit_sent_commit(&mut self) {
        self.sent_commit = self.sent_commit.min(Index(self.next.0 - 1));
    }

    /// Whether nothing is sent to it for now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.state == ProgressState::Snapshot || self.flow_paused
    }
}

/// As etcd-raft prints it: `StateReplicate match=11 next=12 learner inflight=1`.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} match={} next={}", self.state, self.matched, self.next)?;
        if self.is_learner {
            f.write_str(" learner")?;
        }
        if self.is_paused() {
            f.write_str(" paused")?;
        }
        if self.pending_snapshot.0 > 0 {
            write!(f, " pendingSnap={}", self.pending_snapshot)?;
        }
        if !self.recent_active {
            f.write_str(" inactive")?;
        }
        if self.inflights.count() > 0 {
            let full = if self.inflights.is_full() { "[full]" } else { "" };
            write!(f, " inflight={}{full}", self.inflights.count())?;
        }
        Ok(())
    }
}
