//! Which stored entries have to come into memory.

use std::collections::BTreeSet;
use std::ops::Range;

use types::{Index, MemberId};

/// A request to bring the contents of stored entries within reach of
/// [`Storage::entries`](crate::Storage::entries).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogRead {
    /// The first entry.
    pub low: Index,
    /// The entry after the last one that is of use.
    pub high: Index,
    /// No more than this many bytes are of use, or one entry.
    pub size_max: u64,
}

/// Who waits for contents.
#[derive(Debug, Default)]
pub(crate) struct LogReads {
    followers: BTreeSet<MemberId>,
    requests: Vec<LogRead>,
}

impl LogReads {
    /// A follower's next entries are out of memory. It asks once.
    pub(crate) fn want_for_follower(&mut self, id: MemberId, range: Range<Index>, size_max: u64) {
        if self.followers.insert(id) {
            self.want(range, size_max);
        }
    }

    pub(crate) fn want(&mut self, range: Range<Index>, size_max: u64) {
        let read = LogRead { low: range.start, high: range.end, size_max };
        if !self.requests.contains(&read) {
            self.requests.push(read);
        }
    }

    /// Followers that wait no more; requests under way are still answered.
    pub(crate) fn forget_followers(&mut self) {
        self.followers.clear();
    }

    pub(crate) fn take_followers(&mut self) -> BTreeSet<MemberId> {
        std::mem::take(&mut self.followers)
    }

    pub(crate) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    pub(crate) fn take_requests(&mut self) -> Vec<LogRead> {
        std::mem::take(&mut self.requests)
    }
}
