//! `--force-new-cluster`: a member that has lost the others for good goes on alone.
//!
//! What was not known to be committed is given up. The others leave by entries of the log, which
//! every part of the state then follows as it follows any change of members.

use membership::{Change, Member};
use proto::raftpb::{ConfState, Entry};
use raft::confchange::ConfChangeEntry;
use types::{Index, MemberId, Term};

/// The changes that leave this member alone and with a vote, as entries behind `last`. It comes
/// before the others go: nobody may ever be without a voter.
pub(crate) fn entries(
    me: MemberId,
    peer_urls: &[String],
    conf_state: &ConfState,
    last: Index,
    term: Term,
) -> Vec<Entry> {
    let is_in = |ids: &[u64]| ids.contains(&me.get());
    let mut changes = Vec::new();
    if is_in(&conf_state.learners) {
        changes.push(Change::Promote(me));
    } else if !is_in(&conf_state.voters) {
        let member = Member { id: me, peer_urls: peer_urls.to_vec(), ..Member::default() };
        changes.push(Change::Add(member));
    }
    let others = conf_state.voters.iter().chain(&conf_state.learners).copied().map(MemberId);
    changes.extend(others.filter(|id| *id != me).map(Change::Remove));
    let entry = |(index, change): (u64, &Change)| {
        let (entry_type, data) = ConfChangeEntry::V1(change.to_conf_change(0)).encode();
        Entry { entry_type, term: term.get(), index, data }
    };
    (last.get() + 1..).zip(&changes).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: MemberId = MemberId(2);

    fn changes(voters: &[u64], learners: &[u64]) -> Vec<Change> {
        let conf_state = ConfState {
            voters: voters.to_vec(),
            learners: learners.to_vec(),
            ..ConfState::default()
        };
        let urls = ["http://a:1".to_owned()];
        let entries = entries(ME, &urls, &conf_state, Index(7), Term(3));
        let indexes: Vec<u64> = entries.iter().map(|entry| entry.index).collect();
        assert_eq!(indexes, (8..8 + entries.len() as u64).collect::<Vec<_>>());
        let change = |entry: &Entry| match ConfChangeEntry::decode(entry) {
            Ok(Some(ConfChangeEntry::V1(change))) => Change::parse(&change).unwrap(),
            other => panic!("{other:?}"),
        };
        entries.iter().map(change).collect()
    }

    #[test]
    fn the_others_go_and_this_one_has_a_vote() {
        let remove = |id| Change::Remove(MemberId(id));
        assert_eq!(changes(&[1, 2, 3], &[4]), [remove(1), remove(3), remove(4)]);
        assert_eq!(changes(&[2], &[]), []);
        assert_eq!(changes(&[1], &[2]), [Change::Promote(ME), remove(1)]);
        let added = &changes(&[1], &[])[0];
        assert!(matches!(added, Change::Add(member) if member.peer_urls == ["http://a:1"]));
    }
}
