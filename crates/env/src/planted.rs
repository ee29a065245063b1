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
pub const BUGS: [Bug; 43] = [
    bug("ack-before-sync", "#14370", "an append is acknowledged before the log is synced"),
    bug("add-needs-all", "#21667", "no member is added while one of the others is down"),
    bug("auth-off-after-restore", "#14571", "with a snapshot or a restart authentication is off"),
    bug("campaign-with-unapplied-change", "etcd-raft 59c5110", "who votes is not known yet"),
    bug("checkpoint-not-stored", "#13508", "a lease's remaining time is lost with a restart"),
    bug("closed-stream-watches-on", "#18784", "the watches of a stream that is closed stay"),
    bug("compaction-takes-tombstone", "#18089", "a deletion at the compact revision is removed"),
    bug("conf-state-without-learners", "#9116", "learners are not in the stored configuration"),
    bug("database-made-in-place", "#16596", "a new file gets its name before it is synced"),
    bug("defrag-keeps-old-index", "#14685", "a defragmented file has the index of its beginning"),
    bug(
        "future-watch-ends-restore",
        "#9281",
        "a snapshot ends a member that has a watch beyond it",
    ),
    bug("heartbeat-beyond-log", "#21178", "a commit index beyond the log ends the member"),
    bug("idle-watch-not-told", "#17566", "no progress is told where nothing happens"),
    bug("index-ahead-of-entry", "#13766", "the stored index says more than what is applied"),
    bug("joint-half-not-restored", "#11003", "the old half of a joint configuration is lost"),
    bug("learner-promoted-unready", "#15096", "a learner that has nothing gets a vote"),
    bug(
        "learner-refuses-vote",
        "etcd-raft c30c2e3",
        "who does not know of its promotion stays mute",
    ),
    bug("lease-deadlines-kept", "#10693", "a leader goes on with the deadlines of its last time"),
    bug("lease-renewed-while-revoked", "#20615", "a lease is kept alive whose end is on its way"),
    bug("lease-revoke-forwarded", "#15247", "who leads no more ends leases by way of the leader"),
    bug("log-repair-missing", "#15069", "a torn end of the log is taken for damage"),
    bug("malformed-append-taken", "ADA-etcd-22-02", "entries with gaps are appended"),
    bug("negative-start-taken", "#19707", "a watch from a negative revision is told everything"),
    bug("pages-after-meta", "bbolt #701", "a database's new pages are not synced before its root"),
    bug("partial-txn-kept", "#18679", "a transaction that is refused leaves its first writes"),
    bug("progress-before-events", "#15220", "progress is told to watches that are behind"),
    bug("promotion-not-stored", "#19557", "a promoted learner is a learner again after a restart"),
    bug("promotion-unchecked", "#11640", "a promotion may cost the quorum"),
    bug("quota-ignores-nested", "#22139", "what nested transactions put costs nothing"),
    bug("range-decides-txn", "#18667", "a transaction is refused only where its answer is awaited"),
    bug("read-before-first-commit", "#7331", "a new leader does not know what is committed"),
    bug("read-index-of-old-round", "#20418", "a late answer is taken for that of the next attempt"),
    bug("removed-members-forgotten", "#13196", "with a restart nobody was ever removed"),
    bug("renewal-before-grant", "#13932", "a lease is looked for before its grant is applied"),
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
    bug("wiped-member-votes", "etcd 3.5.16", "who lost its data votes without what it promised"),
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
