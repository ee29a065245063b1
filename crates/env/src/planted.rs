//! Planted bugs: mistakes that others made where this program has to take care, each of which can be
//! made here too, to see that the tests notice.
//!
//! A place that could go wrong asks [`planted!`](crate::planted) whether it is to. Without the cargo
//! feature `planted-bugs` the answer is the constant `false`, and nothing of it is compiled; a name
//! that is not in [`BUGS`] does not compile either way.
//!
//! Invariant: at most one bug is planted at a time.

#[cfg(feature = "planted-bugs")]
mod active;

#[cfg(feature = "planted-bugs")]
pub use active::{is_planted, plant};

/// A mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bug {
    /// Its name.
    pub name: &'static str,
    /// Where it was made: issues of etcd, if nothing else is said.
    pub origin: &'static str,
    /// What is wrong with it.
    pub mistake: &'static str,
}

const fn bug(name: &'static str, origin: &'static str, mistake: &'static str) -> Bug {
    Bug { name, origin, mistake }
}

/// All bugs, sorted by name.
pub const BUGS: [Bug; 26] = [
    bug("ack-before-sync", "#14370", "an append is acknowledged before the log is synced"),
    bug("auth-off-after-restore", "#14571", "with a snapshot or a restart authentication is off"),
    bug("checkpoint-not-stored", "#13508", "a lease's remaining time is lost with a restart"),
    bug("compaction-takes-tombstone", "#18089", "a deletion at the compact revision is removed"),
    bug("conf-state-without-learners", "#9116", "learners are not in the stored configuration"),
    bug("defrag-keeps-old-index", "#14685", "a defragmented file has the index of its beginning"),
    bug("index-ahead-of-entry", "#13766", "the stored index says more than what is applied"),
    bug(
        "learner-refuses-vote",
        "etcd-raft c30c2e3",
        "who does not know of its promotion stays mute",
    ),
    bug("lease-deadlines-kept", "#10693", "a leader goes on with the deadlines of its last time"),
    bug("lease-renewed-while-revoked", "#20615", "a lease is kept alive whose end is on its way"),
    bug("lease-revoke-forwarded", "#15247", "who leads no more ends leases by way of the leader"),
    bug("log-repair-missing", "#15069", "a torn end of the log is taken for damage"),
    bug("partial-txn-kept", "#18679", "a transaction that is refused leaves its first writes"),
    bug("progress-before-events", "#15220", "progress is told to watches that are behind"),
    bug("promotion-not-stored", "#19557", "a promoted learner is a learner again after a restart"),
    bug("range-decides-txn", "#18667", "a transaction is refused only where its answer is awaited"),
    bug("read-before-first-commit", "#7331", "a new leader does not know what is committed"),
    bug("read-index-of-old-round", "#20418", "a late answer is taken for that of the next attempt"),
    bug("restored-revision-too-low", "#17780", "revisions whose records are compacted come again"),
    bug(
        "snapshot-database-removed",
        "#18055",
        "a second snapshot removes the first one's database",
    ),
    bug("snapshot-record-first", "#11888", "the log names a snapshot that is not stored yet"),
    bug("update-makes-voter", "#21694", "a learner whose URL is updated becomes a voter"),
    bug("watch-goes-back", "#15271", "who falls behind is told from where it began"),
    bug("watch-hears-the-past", "#20221", "a watch from a later revision is told what is before"),
    bug("watch-id-zero-is-none", "#14563", "to end the watch 0 ends none"),
    bug("watch-skips-compacted", "#17529", "what was compacted before a watch got it is left out"),
];

/// The place of a name in [`BUGS`].
///
/// # Panics
/// When there is no such name: while the program is compiled, as the macro uses it.
#[must_use]
pub const fn number(name: &str) -> usize {
    let mut at = 0;
    while at < BUGS.len() {
        if crate::fail::is_same(BUGS[at].name.as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("there is no bug of this name");
}

/// Whether a bug is planted.
#[cfg(feature = "planted-bugs")]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {{
        const NUMBER: usize = $crate::planted::number($name);
        $crate::planted::is_planted(NUMBER)
    }};
}

/// Whether a bug is planted: this build has none.
#[cfg(not(feature = "planted-bugs"))]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {{
        const _: usize = $crate::planted::number($name);
        false
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_each_is_found() {
        assert!(BUGS.is_sorted_by(|one, next| one.name < next.name));
        for (at, bug) in BUGS.iter().enumerate() {
            assert_eq!(number(bug.name), at);
        }
    }

    #[cfg(not(feature = "planted-bugs"))]
    #[test]
    fn none_is_planted() {
        const { assert!(!crate::planted!("watch-goes-back")) };
    }
}
