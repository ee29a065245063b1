//! Requests about users, roles and authentication. Who may make them was checked before.

use proto::error::Error;
use proto::etcdserverpb::InternalRaftRequest;
use types::Index;

use crate::applied::{Effect, Response};
use crate::applier::Applier;

type Outcome = Result<Response, Error>;

impl Applier {
    /// Carries out a request of this kind; `None` if it is of another.
    pub(crate) fn auth(
        &mut self,
        request: &InternalRaftRequest,
        index: Index,
        effects: &mut Vec<Effect>,
    ) -> Option<Outcome> {
        if let Some(answer) = self.auth_question(request) {
            return Some(answer);
        }
        if let Some(login) = &request.authenticate {
            // The index of the entry before becomes part of the token, the same on all members.
            let before = Index(index.0.saturating_sub(1));
            let login = self.auth.authenticate(login, before).map_err(Error::from);
            return Some(login.map(|login| {
                effects.push(Effect::LoggedIn(login.clone()));
                Response::Login(login)
            }));
        }
        let changed = self.auth_change(request, index)?;
        Some(changed.map_err(Error::from).map(|effect| {
            effects.push(Effect::Auth(effect));
            Response::Empty
        }))
    }

    fn auth_question(&self, request: &InternalRaftRequest) -> Option<Outcome> {
        let view = self.auth.view();
        let answer = if request.auth_status.is_some() {
            Ok(Response::AuthStatus(view.status()))
        } else if let Some(get) = &request.auth_user_get {
            view.user_get(&get.name).map(Response::Names)
        } else if let Some(get) = &request.auth_role_get {
            view.role_get(&get.role).map(Response::Permissions)
        } else if request.auth_user_list.is_some() {
            Ok(Response::Names(view.user_list()))
        } else if request.auth_role_list.is_some() {
            Ok(Response::Names(view.role_list()))
        } else {
            return None;
        };
        Some(answer.map_err(Error::from))
    }

    fn auth_change(
        &mut self,
        request: &InternalRaftRequest,
        index: Index,
    ) -> Option<Result<auth::Effect, auth::Error>> {
        let (auth, backend) = (&mut self.auth, &mut self.backend);
        let changed = if request.auth_enable.is_some() {
            auth.enable(backend)
        } else if request.auth_disable.is_some() {
            Ok(auth.disable(backend))
        } else if let Some(add) = &request.auth_user_add {
            auth.user_add(backend, add, index)
        } else if let Some(delete) = &request.auth_user_delete {
            auth.user_delete(backend, delete)
        } else if let Some(change) = &request.auth_user_change_password {
            auth.user_change_password(backend, change, index)
        } else if let Some(grant) = &request.auth_user_grant_role {
            auth.user_grant_role(backend, grant)
        } else if let Some(revoke) = &request.auth_user_revoke_role {
            auth.user_revoke_role(backend, revoke)
        } else if let Some(add) = &request.auth_role_add {
            auth.role_add(backend, add)
        } else if let Some(delete) = &request.auth_role_delete {
            auth.role_delete(backend, delete)
        } else if let Some(grant) = &request.auth_role_grant_permission {
            auth.role_grant_permission(backend, grant)
        } else if let Some(revoke) = &request.auth_role_revoke_permission {
            auth.role_revoke_permission(backend, revoke)
        } else {
            return None;
        };
        Some(changed)
    }
}
