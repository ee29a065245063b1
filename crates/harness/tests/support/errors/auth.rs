//! Errors about users and roles.

use proto::authpb::{Permission, UserAddOptions, permission::Type};
use proto::error::Error as Known;
use proto::etcdserverpb::{
    AuthDisableRequest, AuthEnableRequest, AuthRoleAddRequest, AuthRoleDeleteRequest,
    AuthRoleGetRequest, AuthRoleGrantPermissionRequest, AuthRoleRevokePermissionRequest,
    AuthUserAddRequest, AuthUserDeleteRequest, AuthUserGetRequest, AuthUserGrantRoleRequest,
    AuthUserListRequest, AuthUserRevokeRoleRequest, AuthenticateRequest,
};

use super::Provoking;
use crate::support::Api;

const PASSWORD: &str = "secret";

fn user(name: &str) -> AuthUserAddRequest {
    AuthUserAddRequest {
        name: name.to_owned(),
        password: PASSWORD.to_owned(),
        ..AuthUserAddRequest::default()
    }
}

fn role(name: &str) -> AuthRoleAddRequest {
    AuthRoleAddRequest { name: name.to_owned() }
}

fn granted(user: &str, role: &str) -> AuthUserGrantRoleRequest {
    AuthUserGrantRoleRequest { user: user.to_owned(), role: role.to_owned() }
}

fn login(name: &str, password: &str) -> AuthenticateRequest {
    AuthenticateRequest { name: name.to_owned(), password: password.to_owned() }
}

pub async fn while_off(to: &mut Provoking) {
    let mut auth = to.api.auth.clone();
    let off = auth.authenticate(login("root", PASSWORD)).await;
    to.fails("a login while there is none", Known::AuthNotEnabled, off);
    let rootless = auth.auth_enable(AuthEnableRequest {}).await;
    to.fails("authentication without root", Known::RootUserNotExist, rootless);
    auth.user_add(user("root")).await.unwrap();
    let rootless = auth.auth_enable(AuthEnableRequest {}).await;
    to.fails("authentication without root's role", Known::RootRoleNotExist, rootless);

    to.fails("a user again", Known::UserAlreadyExist, auth.user_add(user("root")).await);
    to.fails("a user without a name", Known::UserEmpty, auth.user_add(user("")).await);
    let get = auth.user_get(AuthUserGetRequest { name: "nobody".to_owned() }).await;
    to.fails("nobody shown", Known::UserNotFound, get);
    let delete = auth.user_delete(AuthUserDeleteRequest { name: "nobody".to_owned() }).await;
    to.fails("nobody deleted", Known::UserNotFound, delete);
    auth.role_add(role("role")).await.unwrap();
    to.fails("a role again", Known::RoleAlreadyExist, auth.role_add(role("role")).await);
    to.fails("a role without a name", Known::RoleEmpty, auth.role_add(role("")).await);
    let get = auth.role_get(AuthRoleGetRequest { role: "none".to_owned() }).await;
    to.fails("no role shown", Known::RoleNotFound, get);
    let delete = auth.role_delete(AuthRoleDeleteRequest { role: "none".to_owned() }).await;
    to.fails("no role deleted", Known::RoleNotFound, delete);
    let grant = auth.user_grant_role(granted("root", "none")).await;
    to.fails("no role granted", Known::RoleNotFound, grant);
    let revoke = AuthUserRevokeRoleRequest { name: "root".to_owned(), role: "role".to_owned() };
    to.fails("a role taken back", Known::RoleNotGranted, auth.user_revoke_role(revoke).await);
    let nothing = AuthRoleGrantPermissionRequest { name: "role".to_owned(), perm: None };
    let nothing = auth.role_grant_permission(nothing).await;
    to.fails("no permission granted", Known::PermissionNotGiven, nothing);
    let revoke = AuthRoleRevokePermissionRequest {
        role: "role".to_owned(),
        key: "k".into(),
        range_end: "".into(),
    };
    let revoke = auth.role_revoke_permission(revoke).await;
    to.fails("a permission taken back", Known::PermissionNotGranted, revoke);
}

pub async fn while_on(to: &mut Provoking, endpoint: &str) {
    let mut auth = to.api.auth.clone();
    auth.role_add(role("root")).await.unwrap();
    auth.user_grant_role(granted("root", "root")).await.unwrap();
    auth.user_add(user("reader")).await.unwrap();
    let reads = Permission { perm_type: Type::Read.into(), key: "k".into(), range_end: "".into() };
    let reads = AuthRoleGrantPermissionRequest { name: "role".to_owned(), perm: Some(reads) };
    auth.role_grant_permission(reads).await.unwrap();
    auth.user_grant_role(granted("reader", "role")).await.unwrap();
    let options = Some(UserAddOptions { no_password: true });
    let keyless = AuthUserAddRequest { name: "keyless".to_owned(), options, ..Default::default() };
    auth.user_add(keyless).await.unwrap();
    auth.auth_enable(AuthEnableRequest {}).await.unwrap();

    let wrong = auth.authenticate(login("root", "wrong")).await;
    to.fails("a wrong password", Known::AuthFailed, wrong);
    let wrong = auth.authenticate(login("nobody", PASSWORD)).await;
    to.fails("a login of nobody", Known::AuthFailed, wrong);
    let keyless = auth.authenticate(login("keyless", PASSWORD)).await;
    to.fails("a password of none", Known::NoPasswordUser, keyless);
    let nobody = auth.user_list(AuthUserListRequest {}).await;
    to.fails("a list without a login", Known::UserEmpty, nobody);

    let forged = Api::connect(endpoint, Some("forged.1".to_owned())).await;
    let list = forged.auth.clone().user_list(AuthUserListRequest {}).await;
    to.fails("a forged token", Known::InvalidAuthToken, list);
    let reader = with_login(&auth, endpoint, "reader").await;
    let put = reader.put(b"k", b"v").await.map(tonic::Response::new);
    to.fails("a reader who writes", Known::PermissionDenied, put);
    let list = reader.auth.clone().user_list(AuthUserListRequest {}).await;
    to.fails("a reader who looks at users", Known::PermissionDenied, list);

    let root = with_login(&auth, endpoint, "root").await;
    let mut auth = root.auth.clone();
    let delete = auth.user_delete(AuthUserDeleteRequest { name: "root".to_owned() }).await;
    to.fails("root deleted", Known::InvalidAuthMgmt, delete);
    let revoke = AuthUserRevokeRoleRequest { name: "root".to_owned(), role: "root".to_owned() };
    let revoke = auth.user_revoke_role(revoke).await;
    to.fails("root's role taken back", Known::InvalidAuthMgmt, revoke);
    auth.auth_disable(AuthDisableRequest {}).await.unwrap();
}

async fn with_login(
    auth: &client::grpc::etcdserverpb::auth_client::AuthClient<client::Channel>,
    endpoint: &str,
    name: &str,
) -> Api {
    let answer = auth.clone().authenticate(login(name, PASSWORD)).await.unwrap();
    Api::connect(endpoint, Some(answer.into_inner().token)).await
}
