//! What a user may read and write: the permissions of all roles, merged.
//!
//! Knows neither users nor roles by name.
//!
//! Invariants: the intervals of a [`Ranges`] ascend, are not empty, and neither overlap nor touch;
//! so whatever is covered at all is covered by a single one.

use bytes::Bytes;
use proto::authpb::Permission;
use proto::authpb::permission::Type;
use types::KeyRange;

/// The smallest key. Ranges over all keys begin here.
const FIRST: &[u8] = b"\0";

/// What a user may do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Permissions {
    /// What may be read.
    pub read: Ranges,
    /// What may be written.
    pub write: Ranges,
}

impl Permissions {
    /// Merges permissions, in whatever order.
    #[must_use]
    pub fn merge<'a>(permissions: impl IntoIterator<Item = &'a Permission>) -> Self {
        let (mut read, mut write) = (Vec::new(), Vec::new());
        for permission in permissions {
            let Some(interval) = Interval::of(permission) else { continue };
            match Type::try_from(permission.perm_type) {
                Ok(Type::Read) => read.push(interval),
                Ok(Type::Write) => write.push(interval),
                Ok(Type::Readwrite) => {
                    read.push(interval.clone());
                    write.push(interval);
                }
                Err(_) => {}
            }
        }
        Self { read: Ranges::merge(read), write: Ranges::merge(write) }
    }
}

/// A set of keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ranges {
    intervals: Vec<Interval>,
}

/// Keys from `start` on, below `end` if there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Interval {
    start: Bytes,
    end: Option<Bytes>,
}

impl Interval {
    /// The keys of a permission; none for one without a key or with its end at or below its start,
    /// as only a version without a check for that could have stored.
    fn of(permission: &Permission) -> Option<Self> {
        if permission.key.is_empty() {
            return None;
        }
        let range = KeyRange::parse(permission.key.clone(), permission.range_end.clone());
        let interval = match range {
            KeyRange::Key(key) => {
                let after = [&key[..], FIRST].concat();
                Self { start: key, end: Some(after.into()) }
            }
            KeyRange::Range(start, end) => Self { start, end: Some(end) },
            KeyRange::From(start) => Self { start, end: None },
            KeyRange::All => Self { start: Bytes::from_static(FIRST), end: None },
        };
        interval.end.as_ref().is_none_or(|end| interval.start < *end).then_some(interval)
    }

    fn reaches(&self, key: &[u8]) -> bool {
        self.end.as_ref().is_none_or(|end| end >= key)
    }
}

impl Ranges {
    fn merge(mut intervals: Vec<Interval>) -> Self {
        intervals.sort_by(|one, other| one.start.cmp(&other.start));
        let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
        for next in intervals {
            match merged.last_mut() {
                Some(last) if last.reaches(&next.start) => {
                    let further = match (&last.end, &next.end) {
                        (Some(end), Some(other)) => end < other,
                        (end, _) => end.is_some(),
                    };
                    if further {
                        last.end = next.end;
                    }
                }
                _ => merged.push(next),
            }
        }
        Self { intervals: merged }
    }

    /// Whether every key that the range names is in the set. A range whose end is not above its
    /// start names none; as in Go its start has to be in the set.
    #[must_use]
    pub fn cover(&self, range: &KeyRange) -> bool {
        match range {
            KeyRange::Key(key) => self.contain(key),
            KeyRange::Range(start, end) if end <= start => self.contain(start),
            KeyRange::Range(start, end) => {
                self.before(start).is_some_and(|interval| interval.reaches(end))
            }
            KeyRange::From(start) => self.is_open_from(start),
            KeyRange::All => self.is_open_from(FIRST),
        }
    }

    /// Whether a key is in the set.
    #[must_use]
    pub fn contain(&self, key: &[u8]) -> bool {
        let below = |interval: &Interval| interval.end.as_ref().is_none_or(|end| key < &end[..]);
        self.before(key).is_some_and(below)
    }

    fn is_open_from(&self, start: &[u8]) -> bool {
        self.before(start).is_some_and(|interval| interval.end.is_none())
    }

    /// The last interval that begins at or before the key.
    fn before(&self, key: &[u8]) -> Option<&Interval> {
        let count = self.intervals.partition_point(|interval| &interval.start[..] <= key);
        self.intervals[..count].last()
    }
}

#[cfg(test)]
#[path = "permissions_test.rs"]
mod tests;
