//! Errors about members and versions.

use proto::error::Error as Known;
use proto::etcdserverpb::downgrade_request::DowngradeAction;
use proto::etcdserverpb::{
    DowngradeRequest, MemberAddRequest, MemberListRequest, MemberPromoteRequest,
    MemberRemoveRequest, MemberUpdateRequest, MoveLeaderRequest,
};

use super::Provoking;

pub async fn members(to: &mut Provoking) {
    let mut cluster = to.api.cluster.clone();
    let list = cluster.member_list(MemberListRequest { linearizable: true }).await.unwrap();
    let me = list.into_inner().members.remove(0);
    let add =
        |urls: &[String], is_learner| MemberAddRequest { peer_urls: urls.to_vec(), is_learner };
    let urls = |text: &str| vec![text.to_owned()];

    let bad = cluster.member_add(add(&urls("nowhere"), false)).await;
    to.fails("a member without a place", Known::MemberBadUrls, bad);
    let taken = cluster.member_add(add(&me.peer_urls, false)).await;
    to.fails("a member at a taken place", Known::PeerUrlExist, taken);
    let nobody = cluster.member_remove(MemberRemoveRequest { id: 1 }).await;
    to.fails("nobody removed", Known::MemberNotFound, nobody);
    let nobody = MemberUpdateRequest { id: 1, peer_urls: urls("http://127.0.0.1:1") };
    to.fails("nobody moved", Known::MemberNotFound, cluster.member_update(nobody).await);
    let last = cluster.member_remove(MemberRemoveRequest { id: me.id }).await;
    to.fails("the last member removed", Known::MemberNotEnoughStarted, last);
    let voter = cluster.member_promote(MemberPromoteRequest { id: me.id }).await;
    to.fails("a voter promoted", Known::MemberNotLearner, voter);
    let nobody = to.api.maintenance.clone().move_leader(MoveLeaderRequest { target_id: 1 }).await;
    to.fails("leadership for nobody", Known::BadLeaderTransferee, nobody);

    let learner = cluster.member_add(add(&urls("http://127.0.0.1:2"), true)).await.unwrap();
    let learner = learner.into_inner().member.unwrap();
    let second = cluster.member_add(add(&urls("http://127.0.0.1:3"), true)).await;
    to.fails("a second learner", Known::TooManyLearners, second);
    let lagging = cluster.member_promote(MemberPromoteRequest { id: learner.id }).await;
    to.fails("a learner that lags", Known::LearnerNotReady, lagging);
}

pub async fn downgrades(to: &mut Provoking) {
    let mut maintenance = to.api.maintenance.clone();
    let minor = to.minor;
    let request = |action: DowngradeAction, version: &str| DowngradeRequest {
        action: action.into(),
        version: version.to_owned(),
    };
    let unread = maintenance.downgrade(request(DowngradeAction::Validate, "three")).await;
    to.fails("no version", Known::WrongDowngradeVersionFormat, unread);
    let far = maintenance.downgrade(request(DowngradeAction::Validate, "3.1.0")).await;
    to.fails("a far version", Known::InvalidDowngradeTargetVersion, far);
    // 3.5 has the call, but times out with it.
    if minor > 5 {
        let below = format!("3.{}.0", minor - 1);
        maintenance.downgrade(request(DowngradeAction::Enable, &below)).await.unwrap();
        let again = maintenance.downgrade(request(DowngradeAction::Enable, &below)).await;
        to.fails_later("a downgrade again", Known::DowngradeInProcess, again);
        maintenance.downgrade(request(DowngradeAction::Cancel, "")).await.unwrap();
    }
}
