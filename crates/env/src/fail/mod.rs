//! Fail points: named places where a test can stop, slow or break the program.
//!
//! The names are etcd's (`server` of 3.7), and so is what can be told to them ([`terms`]), so that
//! etcd's own robustness harness can drive this program. Without the cargo feature `failpoints`
//! [`fail_point!`](crate::fail_point) expands to nothing; a name that is not in [`POINTS`] does not
//! compile either way.

#[cfg(feature = "failpoints")]
mod active;
#[cfg(feature = "failpoints")]
mod duration;
#[cfg(feature = "failpoints")]
mod terms;

#[cfg(feature = "failpoints")]
pub use active::{
    Failure, PanicAction, disable, enable, evaluate, list, on_panic, parse_list, status,
    without_panics,
};

/// What a fail point makes of `return`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// Nothing, or with `return()` it takes another way.
    Nothing,
    /// `return("text")` is its error.
    Text,
}

/// All fail points.
pub const POINTS: [(&str, Takes); 45] = [
    ("afterCommit", Takes::Nothing),
    ("afterIsMemberExist", Takes::Nothing),
    ("afterStartDBTxn", Takes::Nothing),
    ("afterWritebackBuf", Takes::Nothing),
    ("applyAfterOpenSnapshot", Takes::Nothing),
    ("applyBeforeOpenSnapshot", Takes::Nothing),
    ("beforeApplyOneConfChange", Takes::Nothing),
    ("beforeApplyOneEntryNormal", Takes::Nothing),
    ("beforeCheckpointInLeaseRenew", Takes::Nothing),
    ("beforeCommit", Takes::Nothing),
    ("beforeLookupWhenForwardLeaseTimeToLive", Takes::Nothing),
    ("beforeLookupWhenLeaseTimeToLive", Takes::Nothing),
    ("beforePublishing", Takes::Nothing),
    ("beforeRangeStreamChunk", Takes::Nothing),
    ("beforeSendWatchResponse", Takes::Nothing),
    ("beforeServeHTTPLeaseRenew", Takes::Nothing),
    ("beforeStartDBTxn", Takes::Nothing),
    ("beforeWritebackBuf", Takes::Nothing),
    ("commitAfterPreCommitHook", Takes::Nothing),
    ("commitBeforePreCommitHook", Takes::Nothing),
    ("compactAfterAcquiredBatchTxLock", Takes::Nothing),
    ("compactAfterCommitBatch", Takes::Nothing),
    ("compactAfterCommitScheduledCompact", Takes::Nothing),
    ("compactAfterSetFinishedCompact", Takes::Nothing),
    ("compactBeforeCommitBatch", Takes::Nothing),
    ("compactBeforeCommitScheduledCompact", Takes::Nothing),
    ("compactBeforeSetFinishedCompact", Takes::Nothing),
    ("defragBeforeCopy", Takes::Nothing),
    ("defragBeforeRename", Takes::Nothing),
    ("defragOpenFileError", Takes::Text),
    ("defragdbFail", Takes::Text),
    ("raftAfterApplySnap", Takes::Nothing),
    ("raftAfterSave", Takes::Nothing),
    ("raftAfterSaveSnap", Takes::Nothing),
    ("raftAfterWALRelease", Takes::Nothing),
    ("raftBeforeAdvance", Takes::Nothing),
    ("raftBeforeApplySnap", Takes::Nothing),
    ("raftBeforeFollowerSend", Takes::Nothing),
    ("raftBeforeLeaderSend", Takes::Nothing),
    ("raftBeforeSave", Takes::Nothing),
    ("raftBeforeSaveSnap", Takes::Nothing),
    ("raftBeforeWALSaveSnaphot", Takes::Nothing),
    ("raftDropHeartbeat", Takes::Nothing),
    ("walAfterSync", Takes::Nothing),
    ("walBeforeSync", Takes::Nothing),
];

/// The place of a name in [`POINTS`].
///
/// # Panics
/// When there is no such name: while the program is compiled, as the macro uses it.
#[must_use]
pub const fn point(name: &str) -> usize {
    let mut at = 0;
    while at < POINTS.len() {
        if is_same(POINTS[at].0.as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("there is no fail point of this name");
}

pub(crate) const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Marks a fail point. With a closure behind the name, a `return` that fits the point makes the
/// enclosing function return what the closure makes of its text.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {{
        const POINT: usize = $crate::fail::point($name);
        let _ = $crate::fail::evaluate(POINT);
    }};
    ($name:literal, $then:expr) => {{
        const POINT: usize = $crate::fail::point($name);
        if let Some(text) = $crate::fail::evaluate(POINT) {
            return $then(text);
        }
    }};
}

/// Marks a fail point; this build has none.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {{
        const _: usize = $crate::fail::point($name);
    }};
    ($name:literal, $then:expr) => {{
        const _: usize = $crate::fail::point($name);
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_each_is_found() {
        assert!(POINTS.is_sorted_by(|one, next| one.0 < next.0));
        for (at, (name, _)) in POINTS.iter().enumerate() {
            assert_eq!(point(name), at);
        }
    }
}
