//! `etcdserverpb.Auth`: proposals, but for the state of authentication, which is answered from
//! here, so that nobody without a login can make the log grow.

use ::auth::password;
use apply::Response;
use env::RealRng;
use proto::error::Error as Known;
use proto::etcdserverpb::{self as pb, InternalRaftRequest};

use crate::Error;
use crate::server::Server;
use crate::server::admit::Admitted;
use crate::server::read::blocking;
use node::Answer;

/// How many passwords are compared at the same time; each takes a core.
pub(crate) const LOGINS_AT_ONCE: usize = 2;
/// How many passwords wait to be compared, or are; of more nobody can be told in time.
pub(crate) const LOGINS_MAX: usize = 1024;
/// How often a login is begun again because users changed meanwhile.
const LOGIN_ATTEMPTS: usize = 10;

/// Proposals that are answered with a header alone.
macro_rules! changes {
    ($( $name:ident($request:ty) -> $reply:ident: $field:ident; )*) => {
        $(
            pub(crate) async fn $name(
                server: &Server,
                who: &Admitted,
                request: $request,
            ) -> Result<pb::$reply, Error> {
                let request =
                    InternalRaftRequest { $field: Some(request), ..InternalRaftRequest::default() };
                let answer = server.propose(who, request).await?;
                Ok(pb::$reply { header: server.header(answer.revision) })
            }
        )*
    };
}

changes! {
    enable(pb::AuthEnableRequest) -> AuthEnableResponse: auth_enable;
    disable(pb::AuthDisableRequest) -> AuthDisableResponse: auth_disable;
    user_delete(pb::AuthUserDeleteRequest) -> AuthUserDeleteResponse: auth_user_delete;
    user_grant_role(pb::AuthUserGrantRoleRequest) -> AuthUserGrantRoleResponse:
        auth_user_grant_role;
    user_revoke_role(pb::AuthUserRevokeRoleRequest) -> AuthUserRevokeRoleResponse:
        auth_user_revoke_role;
    role_add(pb::AuthRoleAddRequest) -> AuthRoleAddResponse: auth_role_add;
    role_delete(pb::AuthRoleDeleteRequest) -> AuthRoleDeleteResponse: auth_role_delete;
    role_grant_permission(pb::AuthRoleGrantPermissionRequest) -> AuthRoleGrantPermissionResponse:
        auth_role_grant_permission;
    role_revoke_permission(pb::AuthRoleRevokePermissionRequest)
        -> AuthRoleRevokePermissionResponse: auth_role_revoke_permission;
}

/// Questions whose answer is a list of names.
macro_rules! names {
    ($( $name:ident($request:ty) -> $reply:ident.$list:ident: $field:ident; )*) => {
        $(
            pub(crate) async fn $name(
                server: &Server,
                who: &Admitted,
                request: $request,
            ) -> Result<pb::$reply, Error> {
                let request =
                    InternalRaftRequest { $field: Some(request), ..InternalRaftRequest::default() };
                let Answer { revision, response, .. } = server.propose(who, request).await?;
                let Response::Names($list) = response else { unreachable!("{response:?}") };
                Ok(pb::$reply { header: server.header(revision), $list })
            }
        )*
    };
}

names! {
    user_get(pb::AuthUserGetRequest) -> AuthUserGetResponse.roles: auth_user_get;
    user_list(pb::AuthUserListRequest) -> AuthUserListResponse.users: auth_user_list;
    role_list(pb::AuthRoleListRequest) -> AuthRoleListResponse.roles: auth_role_list;
}

pub(crate) async fn role_get(
    server: &Server,
    who: &Admitted,
    request: pb::AuthRoleGetRequest,
) -> Result<pb::AuthRoleGetResponse, Error> {
    let request =
        InternalRaftRequest { auth_role_get: Some(request), ..InternalRaftRequest::default() };
    let Answer { revision, response, .. } = server.propose(who, request).await?;
    let Response::Permissions(perm) = response else { unreachable!("{response:?}") };
    Ok(pb::AuthRoleGetResponse { header: server.header(revision), perm })
}

pub(crate) async fn status(
    server: &Server,
    _: &Admitted,
    _: pb::AuthStatusRequest,
) -> Result<pb::AuthStatusResponse, Error> {
    server.node.linearize().await?;
    let status = server.node.view().auth.status();
    Ok(pb::AuthStatusResponse { header: server.header_now(), ..status })
}

pub(crate) async fn user_add(
    server: &Server,
    who: &Admitted,
    mut request: pb::AuthUserAddRequest,
) -> Result<pb::AuthUserAddResponse, Error> {
    let without = request.options.as_ref().is_some_and(|options| options.no_password);
    if !without {
        request.hashed_password = hashed(server, std::mem::take(&mut request.password)).await?;
    }
    request.password = String::new();
    let request =
        InternalRaftRequest { auth_user_add: Some(request), ..InternalRaftRequest::default() };
    let answer = server.propose(who, request).await?;
    Ok(pb::AuthUserAddResponse { header: server.header(answer.revision) })
}

pub(crate) async fn user_change_password(
    server: &Server,
    who: &Admitted,
    mut request: pb::AuthUserChangePasswordRequest,
) -> Result<pb::AuthUserChangePasswordResponse, Error> {
    // An empty password makes a user without one, as in Go.
    if !request.password.is_empty() {
        request.hashed_password = hashed(server, std::mem::take(&mut request.password)).await?;
    }
    let request = InternalRaftRequest {
        auth_user_change_password: Some(request),
        ..InternalRaftRequest::default()
    };
    let answer = server.propose(who, request).await?;
    Ok(pb::AuthUserChangePasswordResponse { header: server.header(answer.revision) })
}

/// What is proposed in place of a password: it never enters the log.
async fn hashed(server: &Server, password: String) -> Result<String, Error> {
    let cost = server.settings.bcrypt_cost;
    let hashing = move || password::for_request(&password, cost, &mut RealRng);
    server
        .with_a_core(hashing)
        .await?
        .map_err(|error| Error::new(proto::error::Code::Unknown, error.to_string()))
}

pub(crate) async fn authenticate(
    server: &Server,
    who: &Admitted,
    request: pb::AuthenticateRequest,
) -> Result<pb::AuthenticateResponse, Error> {
    server.node.linearize().await?;
    for _ in 0..LOGIN_ATTEMPTS {
        let auth = server.node.view().auth.clone();
        let check =
            auth.password_check(&request.name, server.settings.bcrypt_cost).map_err(Known::from)?;
        let password = request.password.clone();
        let checked = server.with_a_core(move || check.run(&password)).await?;
        let revision = checked.map_err(|error| {
            tracing::warn!(user = %request.name, %error, "invalid authentication was requested");
            Known::from(error)
        })?;
        let login = pb::InternalAuthenticateRequest {
            name: request.name.clone(),
            password: String::new(),
            simple_token: server.node.token_prefix(),
        };
        let login =
            InternalRaftRequest { authenticate: Some(login), ..InternalRaftRequest::default() };
        let Answer { revision: at, response, .. } = server.propose(who, login).await?;
        let Response::Login(login) = response else { unreachable!("{response:?}") };
        if login.revision == revision {
            let token = login.simple_token;
            return Ok(pb::AuthenticateResponse { header: server.header(at), token });
        }
        tracing::info!("revision when password checked became stale; retrying");
    }
    Err(Known::AuthOldRevision.into())
}

impl Server {
    /// Runs what keeps a core busy off the network threads, so many at a time, while so many wait.
    async fn with_a_core<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let Ok(_place) = self.login_places.try_acquire() else {
            return Err(Known::TooManyRequests.into());
        };
        blocking(&self.node, &self.logins, work).await
    }

    /// Proposes a request in the caller's name and waits for what comes of it.
    pub(crate) fn propose(
        &self,
        who: &Admitted,
        request: InternalRaftRequest,
    ) -> impl Future<Output = Result<Answer, Error>> + Send + '_ {
        self.node.propose(who.identity.clone(), request)
    }
}
