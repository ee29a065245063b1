//! The rules for changes, one by one and in random histories.

use env::{Rng, SeededRng};

use super::*;

fn url(number: u64) -> String {
    format!("http://10.0.0.{number}:2380")
}

fn voter(id: u64) -> Member {
    Member { id: MemberId(id), peer_urls: vec![url(id)], ..Member::default() }
}

fn learner(id: u64) -> Member {
    Member { is_learner: true, ..voter(id) }
}

/// Voters 1 and 2, learner 3; 9 was removed.
fn cluster() -> Cluster {
    let members = [voter(1), voter(2), learner(3)];
    let contents = Contents {
        members: members.into_iter().map(|member| (member.id, member)).collect(),
        removed: [MemberId(9)].into(),
        ..Contents::default()
    };
    contents.into()
}

fn update(id: u64, urls: &[u64]) -> Change {
    Change::Update { id: MemberId(id), peer_urls: urls.iter().copied().map(url).collect() }
}

#[test]
fn what_fits() {
    let cluster = cluster();
    let check = |change| cluster.validate(&change, 2);
    assert_eq!(check(Change::Add(voter(4))), Ok(()));
    assert_eq!(check(Change::Add(learner(4))), Ok(()));
    assert_eq!(cluster.validate(&Change::Add(learner(4)), 1), Err(Error::TooManyLearners));
    assert_eq!(cluster.validate(&Change::Add(voter(4)), 1), Ok(()));
    assert_eq!(check(Change::Add(voter(1))), Err(Error::IdExists));
    assert_eq!(check(Change::Add(voter(9))), Err(Error::IdRemoved));
    let same_url = Member { peer_urls: vec![url(8), url(3)], ..voter(4) };
    assert_eq!(check(Change::Add(same_url)), Err(Error::PeerUrlExists));
    assert_eq!(check(Change::Promote(MemberId(3))), Ok(()));
    assert_eq!(check(Change::Promote(MemberId(1))), Err(Error::NotLearner));
    assert_eq!(check(Change::Promote(MemberId(4))), Err(Error::IdNotFound));
    assert_eq!(check(Change::Promote(MemberId(9))), Err(Error::IdRemoved));
    assert_eq!(check(Change::Remove(MemberId(1))), Ok(()));
    assert_eq!(check(Change::Remove(MemberId(4))), Err(Error::IdNotFound));
    assert_eq!(check(Change::Remove(MemberId(9))), Err(Error::IdRemoved));
    assert_eq!(check(update(1, &[1, 8])), Ok(()), "its own URL again");
    assert_eq!(check(update(1, &[2])), Err(Error::PeerUrlExists));
    assert_eq!(check(update(4, &[8])), Err(Error::IdNotFound));
    assert_eq!(check(update(9, &[8])), Err(Error::IdRemoved));
}

#[test]
fn texts_and_codes() {
    use proto::error::Error as Wire;
    for (error, text, wire) in [
        (Error::IdRemoved, "membership: ID removed", Wire::MemberNotFound),
        (Error::IdExists, "membership: ID exists", Wire::MemberExist),
        (Error::IdNotFound, "membership: ID not found", Wire::MemberNotFound),
        (Error::PeerUrlExists, "membership: peerURL exists", Wire::PeerUrlExist),
        (
            Error::NotLearner,
            "membership: can only promote a learner member",
            Wire::MemberNotLearner,
        ),
        (
            Error::TooManyLearners,
            "membership: too many learner members in cluster",
            Wire::TooManyLearners,
        ),
    ] {
        assert_eq!((error.to_string().as_str(), error.wire()), (text, wire));
    }
}

#[test]
fn an_update_replaces_peer_urls_and_nothing_else() {
    let mut cluster = cluster();
    let attributes =
        Attributes { name: "m3".to_owned(), client_urls: vec!["http://c:1".to_owned()] };
    assert!(cluster.set_attributes(MemberId(3), attributes.clone()));
    cluster.apply(&update(3, &[7, 8]));
    let member = cluster.member(MemberId(3)).unwrap();
    assert!(member.is_learner);
    assert_eq!(member.attributes, attributes);
    assert_eq!(member.peer_urls, [url(7), url(8)]);
    cluster.apply(&Change::Promote(MemberId(3)));
    assert!(!cluster.member(MemberId(3)).unwrap().is_learner);
    assert_eq!(cluster.voters().count(), 3);
}

#[test]
fn attributes_of_members_only() {
    let mut cluster = cluster();
    let before = cluster.clone();
    let attributes = Attributes { name: "x".to_owned(), client_urls: Vec::new() };
    assert!(!cluster.set_attributes(MemberId(9), attributes.clone()));
    assert!(!cluster.set_attributes(MemberId(4), attributes.clone()));
    assert_eq!(cluster, before);
    assert!(cluster.is_member(MemberId(3)) && !cluster.is_member(MemberId(9)));
    assert!(cluster.set_attributes(MemberId(1), attributes.clone()));
    assert_eq!(cluster.member_by_name("x").map(|member| member.id), Some(MemberId(1)));
    assert!(cluster.set_attributes(MemberId(2), attributes));
    assert_eq!(cluster.member_by_name("x"), None, "two of a name are none");
    assert_eq!(before.member_by_name("x"), None, "a copy does not change");
}

#[test]
fn urls_are_listed_sorted() {
    let mut cluster = cluster();
    cluster.apply(&update(1, &[5, 4]));
    assert_eq!(cluster.peer_urls(), [url(2), url(3), url(4), url(5)]);
    assert!(cluster.client_urls().is_empty());
}

#[test]
fn downgrades_read_back_as_go_writes_them() {
    let on = Downgrade { target: "3.5.0".to_owned(), is_enabled: true };
    assert_eq!(on.to_json(), r#"{"target-version":"3.5.0","enabled":true}"#);
    assert_eq!(on.target_version(), Some(Version::new(3, 5, 0)));
    assert_eq!(Downgrade::from_json(on.to_json().as_bytes()), Ok(on));
    let off = Downgrade::default();
    assert_eq!(off.to_json(), r#"{"target-version":"","enabled":false}"#);
    assert_eq!(Downgrade::from_json(off.to_json().as_bytes()), Ok(off));
    assert!(Downgrade::from_json(br#"{"target-version":"x","enabled":true}"#).is_err());
    let past = Downgrade::from_json(br#"{"target-version":"3.5.0","enabled":false}"#).unwrap();
    assert_eq!(past.target_version(), None);
}

#[test]
fn random_changes_that_fit_keep_the_cluster_sound() {
    for seed in 0..200 {
        let mut rng = SeededRng::new(seed);
        let mut cluster = Cluster::default();
        let mut removed = 0;
        for _ in 0..100 {
            let id = 1 + rng.below(12);
            let change = match rng.below(6) {
                0 | 1 => Change::Add(voter(id)),
                2 => Change::Add(learner(id)),
                3 => Change::Promote(MemberId(id)),
                4 => Change::Remove(MemberId(id)),
                _ => update(id, &[1 + rng.below(12)]),
            };
            // What is in the log is what counts.
            let change = Change::parse(&change.to_conf_change(1)).unwrap();
            if cluster.validate(&change, 1).is_ok() {
                cluster.apply(&change);
                removed += usize::from(matches!(change, Change::Remove(_)));
            }
            cluster.check_invariants();
            assert_eq!(cluster.contents().removed.len(), removed, "seed {seed}");
            let mut urls = cluster.peer_urls();
            let count = urls.len();
            urls.dedup();
            assert_eq!(urls.len(), count, "seed {seed}: two members have one URL");
            let learners = cluster.members().filter(|member| member.is_learner).count();
            assert!(learners <= 1, "seed {seed}");
        }
    }
}
