//! Members.

use api::Service;
use proto::error::Error as Known;
use proto::etcdserverpb as pb;

use crate::running::{Running, nobody, refusal};

/// Raft hears that a change is applied a moment after the answer, and takes no other before. What
/// was put after the answer was applied behind that moment.
async fn settle(member: &Running) {
    member.set("settled", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_change_and_go() {
    let member = Running::start("members").await;
    let list = pb::MemberListRequest { linearizable: true };
    let listed = member.member_list(&nobody(), list).await.unwrap();
    let header = listed.header.unwrap();
    assert!(header.revision == 0 && header.raft_term > 0);
    let me = &listed.members[0];
    assert_eq!((me.name.as_str(), me.id), ("m1", header.member_id));
    assert_eq!(me.peer_urls, ["http://127.0.0.1:2380"]);
    assert_eq!(me.client_urls, ["http://127.0.0.1:2379"]);

    let add =
        |url: &str| pb::MemberAddRequest { peer_urls: vec![url.to_owned()], is_learner: true };
    for url in ["", "127.0.0.1:1", "http://a", "ftp://a:1"] {
        let added = member.member_add(&nobody(), add(url)).await;
        assert_eq!(refusal(added), Some(Known::MemberBadUrls), "{url}");
    }
    let taken = member.member_add(&nobody(), add("http://127.0.0.1:2380")).await;
    assert_eq!(refusal(taken), Some(Known::PeerUrlExist));
    settle(&member).await;
    let added = member.member_add(&nobody(), add("http://127.0.0.1:3")).await.unwrap();
    let learner = added.member.unwrap();
    assert!(learner.is_learner && added.members.contains(&learner) && added.members.len() == 2);
    settle(&member).await;
    let another = member.member_add(&nobody(), add("http://127.0.0.1:4")).await;
    assert_eq!(refusal(another), Some(Known::TooManyLearners));

    settle(&member).await;
    let promote = |id| pb::MemberPromoteRequest { id };
    let promoted = member.member_promote(&nobody(), promote(learner.id)).await;
    assert_eq!(refusal(promoted), Some(Known::LearnerNotReady));
    let promoted = member.member_promote(&nobody(), promote(me.id)).await;
    assert_eq!(refusal(promoted), Some(Known::MemberNotLearner));
    settle(&member).await;
    let promoted = member.member_promote(&nobody(), promote(7)).await;
    assert_eq!(refusal(promoted), Some(Known::MemberNotFound));

    let update = |id, url: &str| pb::MemberUpdateRequest { id, peer_urls: vec![url.to_owned()] };
    let updated = member.member_update(&nobody(), update(learner.id, "nonsense")).await;
    assert_eq!(refusal(updated), Some(Known::MemberBadUrls));
    // Without URLs, who is not there is missed first.
    let without = |id| pb::MemberUpdateRequest { id, peer_urls: Vec::new() };
    let updated = member.member_update(&nobody(), without(7)).await;
    assert_eq!(refusal(updated), Some(Known::MemberNotFound));
    let updated = member.member_update(&nobody(), without(learner.id)).await;
    assert_eq!(refusal(updated), Some(Known::MemberBadUrls));
    let updated = member.member_update(&nobody(), update(7, "http://127.0.0.1:5")).await;
    assert_eq!(refusal(updated), Some(Known::MemberNotFound));
    settle(&member).await;
    let updated = member.member_update(&nobody(), update(learner.id, "http://127.0.0.1:5")).await;
    let urls: Vec<_> = updated.unwrap().members.into_iter().flat_map(|m| m.peer_urls).collect();
    assert!(urls.contains(&"http://127.0.0.1:5".to_owned()), "{urls:?}");

    settle(&member).await;
    let remove = |id| pb::MemberRemoveRequest { id };
    let removed = member.member_remove(&nobody(), remove(learner.id)).await.unwrap();
    assert_eq!(removed.members.len(), 1);
    settle(&member).await;
    let removed = member.member_remove(&nobody(), remove(learner.id)).await;
    assert_eq!(refusal(removed), Some(Known::MemberNotFound));
    assert_eq!(member.get("settled", "").await.len(), 1);
    // Without a quorum that is what is missed first.
    let voter = pb::MemberAddRequest {
        peer_urls: vec!["http://127.0.0.1:6".to_owned()],
        ..pb::MemberAddRequest::default()
    };
    member.member_add(&nobody(), voter).await.unwrap();
    let removed = member.member_remove(&nobody(), remove(7)).await;
    assert_eq!(refusal(removed), Some(Known::MemberNotEnoughStarted));
}
