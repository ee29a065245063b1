//! What a check found.

use std::collections::BTreeMap;
use std::fmt;

/// Violations of one kind that are described; the others are counted.
const DESCRIBED_MAX: usize = 5;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Kind {
    /// Two observers saw different changes at one revision.
    SplitRevision,
    /// Nothing that was seen says what happened at a revision that was.
    UnseenRevision,
    /// A change that nobody asked for.
    UnclaimedRevision,
    /// An acknowledged write is not at its revision.
    LostWrite,
    /// One write stands at two revisions.
    AppliedTwice,
    /// A write that was refused stands in the history.
    RefusedButApplied,
    /// An answer that is not what the state at its revision gives.
    WrongReply,
    /// An answer that can't come after one that was complete before: a stale read, or a write behind
    /// its acknowledgement.
    OutOfOrder,
    /// Something was seen before the write that made it was sent.
    FromTheFuture,
    /// A member's revision or term fell while it ran.
    WentBack,
    /// A refusal without a reason for it.
    WrongRefusal,
    /// A read of what had been compacted.
    ReadBehindCompaction,
    /// A member holds something else than the history at the end.
    FinalDiffers,
    /// Members give different hashes of the same thing.
    HashesDiffer,
    /// A watch left out an event.
    WatchGap,
    /// A watch sent an event twice.
    WatchDuplicate,
    /// A watch sent an older event after a newer one.
    WatchDisorder,
    /// A watch sent an event that never was.
    WatchPhantom,
    /// An event with a wrong key, value, version, revision or lease.
    WatchWrongEvent,
    /// An event with a wrong previous pair.
    WatchWrongPrevious,
    /// An event that was not asked for: outside of the range, filtered, or before the start.
    WatchUnasked,
    /// The events of one revision came in two responses.
    WatchSplit,
    /// Progress was announced ahead of events, or went back.
    WatchProgress,
    /// A watch was cancelled without a reason for it.
    WatchWrongCancel,
    /// A watch that was open at the end never sent an event.
    WatchBehind,
    /// A lease ended before its time.
    LeaseEndedEarly,
    /// Not all of a lease's keys went with it, or not in order.
    LeasePartial,
    /// A live lease was said not to be there.
    LeaseLost,
    /// A lease that had ended was renewed or used.
    LeaseDeadUsed,
    /// A lease's time was shorter than granted, or was shortened.
    LeaseTtl,
    /// A lease that nobody kept alive did not end.
    LeaseNeverEnded,
}

impl Kind {
    /// The guarantee that is broken.
    #[must_use]
    pub const fn guarantee(self) -> &'static str {
        match self {
            Self::LostWrite | Self::FinalDiffers => "G1",
            Self::OutOfOrder | Self::FromTheFuture | Self::RefusedButApplied => "G2",
            Self::AppliedTwice | Self::UnclaimedRevision | Self::WrongReply => "G3",
            Self::WrongRefusal | Self::ReadBehindCompaction => "G4",
            Self::SplitRevision | Self::UnseenRevision | Self::WentBack | Self::HashesDiffer => {
                "G5"
            }
            Self::WatchDisorder => "W1",
            Self::WatchDuplicate => "W2",
            Self::WatchGap | Self::WatchBehind => "W3",
            Self::WatchSplit => "W4",
            Self::WatchWrongCancel => "W5",
            Self::WatchProgress => "W6",
            Self::WatchPhantom
            | Self::WatchWrongEvent
            | Self::WatchWrongPrevious
            | Self::WatchUnasked => "W7",
            Self::LeaseEndedEarly | Self::LeasePartial | Self::LeaseNeverEnded => "L1",
            Self::LeaseTtl => "L2",
            Self::LeaseLost | Self::LeaseDeadUsed => "L3",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// What.
    pub kind: Kind,
    /// Where, and what it should have been.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {}", self.kind.guarantee(), self.kind, self.detail)
    }
}

/// How much was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Calls.
    pub operations: u64,
    /// Calls whose answer was compared with the state.
    pub answers: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Calls with an unknown outcome.
    pub unknown: u64,
    /// Of those, the ones that were found to have been carried out.
    pub unknown_applied: u64,
    /// Revisions of the history.
    pub revisions: u64,
    /// Revisions made by leases that ended by themselves.
    pub expiries: u64,
    /// Events of watches.
    pub events: u64,
    /// Announcements of progress.
    pub bookmarks: u64,
    /// Watches, those that go on with another one included.
    pub watches: u64,
    /// Renewals of leases.
    pub renewals: u64,
    /// Answers to `HashKV`.
    pub hashes: u64,
}

impl Counts {
    /// Calls whose outcome was known and checked.
    #[must_use]
    pub const fn checked(&self) -> u64 {
        self.operations - self.unknown
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.answers += other.answers;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.unknown_applied += other.unknown_applied;
        self.revisions += other.revisions;
        self.expiries += other.expiries;
        self.events += other.events;
        self.bookmarks += other.bookmarks;
        self.watches += other.watches;
        self.renewals += other.renewals;
        self.hashes += other.hashes;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations ({} answers compared, {} refused, {} unknown of which {} applied), {} \
             revisions ({} by leases that ended), {} watches with {} events and {} bookmarks, {} \
             renewals, {} hashes",
            self.operations,
            self.answers,
            self.refused,
            self.unknown,
            self.unknown_applied,
            self.revisions,
            self.expiries,
            self.watches,
            self.events,
            self.bookmarks,
            self.renewals,
            self.hashes
        )
    }
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How much was checked.
    pub counts: Counts,
    /// How often each kind was found.
    pub found: BTreeMap<Kind, u64>,
    /// The first of each kind.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn add(&mut self, kind: Kind, detail: impl FnOnce() -> String) {
        let count = self.found.entry(kind).or_default();
        *count += 1;
        if *count <= DESCRIBED_MAX as u64 {
            self.violations.push(Violation { kind, detail: detail() });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.counts)?;
        if self.is_clean() {
            return write!(f, "no violation");
        }
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        write!(f, "violations: {:?}", self.found)
    }
}
