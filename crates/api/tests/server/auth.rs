//! Who may do what.

use api::{Caller, Service};
use proto::authpb::permission::Type;
use proto::authpb::{Permission, UserAddOptions};
use proto::error::{Code, Error as Known};
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{self as pb, WatchCreateRequest, WatchRequest};
use proto::v3electionpb::LeaderRequest;
use proto::v3lockpb::LockRequest;

use crate::running::{Running, chunks, nobody, range, refusal};

async fn add_user(member: &Running, name: &str, role: &str) {
    let add = pb::AuthUserAddRequest {
        name: name.to_owned(),
        password: format!("{name}'s"),
        options: Some(UserAddOptions { no_password: false }),
        ..Default::default()
    };
    member.user_add(&nobody(), add).await.unwrap();
    member.role_add(&nobody(), pb::AuthRoleAddRequest { name: role.to_owned() }).await.unwrap();
    let grant = pb::AuthUserGrantRoleRequest { user: name.to_owned(), role: role.to_owned() };
    member.user_grant_role(&nobody(), grant).await.unwrap();
}

async fn login(member: &Running, name: &str) -> Caller {
    let request = pb::AuthenticateRequest { name: name.to_owned(), password: format!("{name}'s") };
    let token = member.authenticate(&nobody(), request).await.unwrap().token;
    Caller { token: Some(token), ..Caller::default() }
}

/// With users `root` and `ann`, who may read and write what begins with `a`.
async fn with_users(name: &str) -> Running {
    let member = Running::start(name).await;
    add_user(&member, "root", "root").await;
    add_user(&member, "ann", "a").await;
    let perm =
        Permission { perm_type: Type::Readwrite.into(), key: "a".into(), range_end: "b".into() };
    let grant = pb::AuthRoleGrantPermissionRequest { name: "a".to_owned(), perm: Some(perm) };
    member.role_grant_permission(&nobody(), grant).await.unwrap();
    member.auth_enable(&nobody(), pb::AuthEnableRequest {}).await.unwrap();
    member
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_shown_and_changed_by_permission() {
    let member = with_users("permission").await;
    let (root, ann) = (login(&member, "root").await, login(&member, "ann").await);
    let denied = Some(Known::PermissionDenied);
    assert_eq!(refusal(member.put_as(&ann, "a1", "").await), None);
    assert_eq!(refusal(member.put_as(&ann, "b1", "").await), denied);
    assert_eq!(refusal(member.put_as(&root, "b1", "").await), None);
    assert_eq!(refusal(member.put_as(&nobody(), "a1", "").await), Some(Known::UserEmpty));
    let stranger = Caller { token: Some("stranger".to_owned()), ..Caller::default() };
    assert_eq!(refusal(member.put_as(&stranger, "a1", "").await), Some(Known::InvalidAuthToken));

    for (caller, end, expected) in [
        (&ann, "b", None),
        (&ann, "c", denied),
        (&root, "c", None),
        (&nobody(), "b", Some(Known::UserEmpty)),
        (&stranger, "b", Some(Known::InvalidAuthToken)),
    ] {
        assert_eq!(refusal(member.range(caller, range("a", end)).await), expected);
        let stream = member.range_stream(caller, range("a", end)).await;
        let streamed = match stream {
            Ok(stream) => refusal(chunks(stream).await),
            Err(refused) => refusal::<()>(Err(refused)),
        };
        assert_eq!(streamed, expected);
        let op = pb::request_op::Request::RequestRange(range("a", end));
        let success = vec![pb::RequestOp { request: Some(op) }];
        let txn = pb::TxnRequest { success, ..Default::default() };
        assert_eq!(refusal(member.txn(caller, txn).await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_are_refused_in_etcd_s_words() {
    let member = with_users("watch-permission").await;
    let ann = login(&member, "ann").await;
    let reason = async |caller: &Caller, key: &str| {
        let (requests, mut replies) = member.watch(caller).await.unwrap();
        let create = WatchCreateRequest { key: key.to_owned().into(), ..Default::default() };
        let union = RequestUnion::CreateRequest(create);
        requests.send(WatchRequest { request_union: Some(union) }).await;
        let response = replies.next().await.unwrap().unwrap();
        assert_eq!(response.canceled, response.watch_id == -1);
        response.cancel_reason
    };
    assert_eq!(reason(&ann, "a1").await, "");
    let denied = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
    assert_eq!(reason(&ann, "b").await, denied);
    let empty = "rpc error: code = InvalidArgument desc = etcdserver: user name is empty";
    assert_eq!(reason(&nobody(), "a").await, empty);
    let stranger = Caller { token: Some("stranger".to_owned()), ..Caller::default() };
    let invalid = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
    assert_eq!(reason(&stranger, "a").await, invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn administration_is_root_s_and_questions_are_everybody_s_who_logged_in() {
    let member = with_users("administration").await;
    let (root, ann) = (login(&member, "root").await, login(&member, "ann").await);
    let denied = Some(Known::PermissionDenied);
    let no_user = Some(Known::UserEmpty);

    for (caller, expected) in [(&root, None), (&ann, None), (&nobody(), no_user)] {
        assert_eq!(refusal(member.status(caller, pb::StatusRequest {}).await), expected);
        let alarms = pb::AlarmRequest::default();
        assert_eq!(refusal(member.alarm(caller, alarms).await), expected);
        let members = pb::MemberListRequest { linearizable: true };
        assert_eq!(refusal(member.member_list(caller, members).await), expected);
    }
    for (caller, expected) in [(&root, None), (&ann, denied), (&nobody(), no_user)] {
        let disarm =
            pb::AlarmRequest { action: AlarmAction::Deactivate.into(), ..Default::default() };
        assert_eq!(refusal(member.alarm(caller, disarm).await), expected);
        assert_eq!(refusal(member.hash(caller, pb::HashRequest {}).await), expected);
        let hash = pb::HashKvRequest { revision: 0 };
        assert_eq!(refusal(member.hash_kv(caller, hash).await), expected);
        assert_eq!(refusal(member.defragment(caller, pb::DefragmentRequest {}).await), expected);
        let snapshot = member.snapshot(caller, pb::SnapshotRequest {}).await.map(|_| ());
        assert_eq!(refusal(snapshot), expected);
        let list = pb::AuthUserListRequest {};
        assert_eq!(refusal(member.user_list(caller, list).await), expected);
    }
    // Whether authentication is on may be asked by anybody; a token is never left unread.
    let ask = pb::AuthStatusRequest {};
    let stranger = Caller { token: Some("stranger".to_owned()), ..Caller::default() };
    let refused = refusal(member.auth_status(&stranger, ask).await);
    assert_eq!(refused, Some(Known::InvalidAuthToken));
    for caller in [&nobody(), &ann] {
        let status = member.auth_status(caller, ask).await.unwrap();
        assert!(status.enabled && status.auth_revision > 1);
    }
    let wrong = pb::AuthenticateRequest { name: "ann".to_owned(), password: "x".to_owned() };
    assert_eq!(refusal(member.authenticate(&nobody(), wrong).await), Some(Known::AuthFailed));
    member.auth_disable(&root, pb::AuthDisableRequest {}).await.unwrap();
    assert_eq!(refusal(member.put_as(&nobody(), "b", "").await), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipe_refuses_a_token_without_a_code_of_its_own() {
    let member = with_users("recipe-token").await;
    let stranger = Caller { token: Some("stranger".to_owned()), ..Caller::default() };
    let lock = LockRequest { name: "l".into(), lease: 0 };
    let refused = member.lock(&stranger, lock).await.unwrap_err();
    let text = "etcdserver: invalid auth token";
    assert_eq!((refused.code, &*refused.message), (Code::Unknown, text));
    // An observer is told nothing, not even that.
    let observe = LeaderRequest { name: "e".into() };
    let mut replies = member.observe(&stranger, observe).await.unwrap();
    assert!(replies.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_s_keys_decide_who_may_have_it() {
    let member = with_users("lease-permission").await;
    let (root, ann) = (login(&member, "root").await, login(&member, "ann").await);
    let grant = pb::LeaseGrantRequest { ttl: 60, id: 5 };
    assert_eq!(refusal(member.lease_grant(&nobody(), grant).await), Some(Known::UserEmpty));
    member.lease_grant(&root, grant).await.unwrap();
    let keep = pb::LeaseKeepAliveRequest { id: 5 };
    let ask = pb::LeaseTimeToLiveRequest { id: 5, keys: true };
    assert_eq!(member.lease_keep_alive(&ann, keep).await.unwrap().ttl, 60);
    assert_eq!(member.lease_time_to_live(&ann, ask).await.unwrap().granted_ttl, 60);
    let put = pb::PutRequest { key: "b".into(), lease: 5, ..Default::default() };
    member.put(&root, put).await.unwrap();
    let denied = Some(Known::PermissionDenied);
    assert_eq!(refusal(member.lease_keep_alive(&ann, keep).await), denied);
    assert_eq!(refusal(member.lease_time_to_live(&ann, ask).await), denied);
    assert_eq!(refusal(member.lease_leases(&ann, pb::LeaseLeasesRequest {}).await), denied);
    let revoke = pb::LeaseRevokeRequest { id: 5 };
    assert_eq!(refusal(member.lease_revoke(&ann, revoke).await), denied);
    let answer = member.lease_time_to_live(&root, ask).await.unwrap();
    assert_eq!(answer.keys, ["b"]);
    member.lease_revoke(&root, revoke).await.unwrap();
}
