//! A set of voters that decides by majority.

use std::collections::BTreeSet;
use std::fmt;

use types::{Index, MemberId};

use super::{EVERYTHING, VoteResult};

/// As many voters as are sorted without an allocation.
const VOTERS_INLINE: usize = 7;

/// Voters that decide by majority. An empty set agrees to everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MajorityConfig(pub BTreeSet<MemberId>);

impl MajorityConfig {
    /// The highest index that a majority has acknowledged, given what each has; `None` and 0 count
    /// alike. [`EVERYTHING`] if there are no voters.
    #[must_use]
    pub fn committed_index(&self, acked: impl Fn(MemberId) -> Option<Index>) -> Index {
        let voters = self.0.len();
        if voters == 0 {
            return EVERYTHING;
        }
        let mut inline = [Index(0); VOTERS_INLINE];
        let mut allocated;
        let indexes = if let Some(inline) = inline.get_mut(..voters) {
            inline
        } else {
            allocated = vec![Index(0); voters];
            &mut allocated[..]
        };
        for (slot, id) in indexes.iter_mut().zip(&self.0) {
            *slot = acked(*id).unwrap_or_default();
        }
        indexes.sort_unstable();
        indexes[voters - (voters / 2 + 1)]
    }

    /// How a vote stands, given each voter's vote so far. Nobody's vote is needed without voters.
    #[must_use]
    pub fn vote_result(&self, vote: impl Fn(MemberId) -> Option<bool>) -> VoteResult {
        if self.0.is_empty() {
            return VoteResult::Won;
        }
        let (mut granted, mut missing) = (0, 0);
        for id in &self.0 {
            match vote(*id) {
                Some(true) => granted += 1,
                Some(false) => {}
                None => missing += 1,
            }
        }
        let quorum = self.0.len() / 2 + 1;
        if granted >= quorum {
            VoteResult::Won
        } else if granted + missing >= quorum {
            VoteResult::Pending
        } else {
            VoteResult::Lost
        }
    }

    /// A drawing of who has acknowledged how much, a line per voter, as etcd-raft's scripts have it.
    #[must_use]
    pub fn describe(&self, acked: impl Fn(MemberId) -> Option<Index>) -> String {
        use std::fmt::Write;

        let voters = self.0.len();
        if voters == 0 {
            return "<empty majority quorum>".to_owned();
        }
        let mut out = format!("{}    idx\n", " ".repeat(voters));
        for id in &self.0 {
            let index = acked(*id).unwrap_or_default();
            let bar =
                self.0.iter().filter(|other| acked(**other).unwrap_or_default() < index).count();
            let drawing = match acked(*id) {
                Some(_) => format!("{}>{}", "x".repeat(bar), " ".repeat(voters - bar)),
                None => format!("?{}", " ".repeat(voters)),
            };
            let _ = writeln!(out, "{drawing} {:>5}    (id={id})", index.0);
        }
        out
    }
}

impl fmt::Display for MajorityConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ids(&self.0, f)
    }
}

/// Prints a set as `(1 2 3)`.
pub(crate) fn write_ids(ids: &BTreeSet<MemberId>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("(")?;
    for (position, id) in ids.iter().enumerate() {
        let space = if position == 0 { "" } else { " " };
        write!(f, "{space}{id}")?;
    }
    f.write_str(")")
}

impl FromIterator<MemberId> for MajorityConfig {
    fn from_iter<I: IntoIterator<Item = MemberId>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(voters: u64) -> MajorityConfig {
        (1..=voters).map(MemberId).collect()
    }

    #[test]
    fn more_voters_than_fit_inline_are_counted_the_same_way() {
        for voters in 1..=12 {
            let committed = config(voters).committed_index(|id| Some(Index(id.0 * 10)));
            // Of 1..=n, exactly the highest n/2+1 are at or above this one.
            assert_eq!(committed, Index((voters - (voters / 2 + 1) + 1) * 10), "{voters} voters");
        }
    }

    #[test]
    fn a_silent_majority_commits_nothing() {
        assert_eq!(config(3).committed_index(|id| (id.0 == 1).then_some(Index(5))), Index(0));
    }
}
