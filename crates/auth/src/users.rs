//! The requests that change users.
//!
//! Invariant: a user's roles are sorted and none stands there twice.

use backend::Backend;
use bytes::Bytes;
use proto::authpb::{User, UserAddOptions};
use proto::etcdserverpb::{
    AuthUserAddRequest, AuthUserChangePasswordRequest, AuthUserDeleteRequest,
    AuthUserGrantRoleRequest, AuthUserRevokeRoleRequest,
};
use types::Index;

use crate::view::is_without_password;
use crate::{Effect, Error, ROOT, Store, password};

impl Store {
    /// Creates a user. `index` is the entry's; it matters for entries from before 3.5 only, which
    /// carry the password itself.
    ///
    /// # Errors
    /// [`Error::UserEmpty`], [`Error::UserAlreadyExist`], and [`Error::NoPasswordUser`] when what
    /// should be the password's hash is no base64.
    pub fn user_add(
        &mut self,
        backend: &mut Backend,
        request: &AuthUserAddRequest,
        index: Index,
    ) -> Result<Effect, Error> {
        if request.name.is_empty() {
            return Err(Error::UserEmpty);
        }
        if self.state().user(&request.name).is_some() {
            return Err(Error::UserAlreadyExist);
        }
        let options = request.options.unwrap_or(UserAddOptions { no_password: false });
        let password = if options.no_password {
            Bytes::new()
        } else {
            password::stored(&request.password, &request.hashed_password, &request.name, index)?
        };
        let name = Bytes::copy_from_slice(request.name.as_bytes());
        let user = User { name, password, roles: Vec::new(), options: Some(options) };
        self.put_user(backend, user);
        self.raise_revision(backend);
        Ok(Effect::None)
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// [`Error::InvalidAuthMgmt`] for `root` while authentication is on, [`Error::UserNotFound`].
    pub fn user_delete(
        &mut self,
        backend: &mut Backend,
        request: &AuthUserDeleteRequest,
    ) -> Result<Effect, Error> {
        if self.view().is_enabled() && request.name == ROOT {
            return Err(Error::InvalidAuthMgmt);
        }
        self.user(&request.name)?;
        self.delete_user(backend, &request.name);
        self.raise_revision(backend);
        Ok(Effect::Invalidated { user: request.name.clone() })
    }

    /// Changes a user's password; one who may not have one is left without. `index` as in
    /// [`user_add`](Self::user_add).
    ///
    /// # Errors
    /// [`Error::UserNotFound`], and [`Error::NoPasswordUser`] when what should be the password's
    /// hash is no base64.
    pub fn user_change_password(
        &mut self,
        backend: &mut Backend,
        request: &AuthUserChangePasswordRequest,
        index: Index,
    ) -> Result<Effect, Error> {
        let user = self.user(&request.name)?;
        let password = if is_without_password(&user) {
            Bytes::new()
        } else {
            password::stored(&request.password, &request.hashed_password, &request.name, index)?
        };
        self.put_user(backend, User { password, ..user });
        self.raise_revision(backend);
        Ok(Effect::Invalidated { user: request.name.clone() })
    }

    /// Gives a user a role. One that the user has already is no change.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::RoleNotFound`], but `root` can be given without having
    /// been created.
    pub fn user_grant_role(
        &mut self,
        backend: &mut Backend,
        request: &AuthUserGrantRoleRequest,
    ) -> Result<Effect, Error> {
        let mut user = self.user(&request.user)?;
        if request.role != ROOT && self.state().role(&request.role).is_none() {
            return Err(Error::RoleNotFound);
        }
        if let Err(place) = user.roles.binary_search(&request.role) {
            user.roles.insert(place, request.role.clone());
            self.put_user(backend, user);
            self.raise_revision(backend);
        }
        Ok(Effect::None)
    }

    /// Takes a role from a user.
    ///
    /// # Errors
    /// [`Error::InvalidAuthMgmt`] for `root`'s role `root` while authentication is on,
    /// [`Error::UserNotFound`], [`Error::RoleNotGranted`].
    pub fn user_revoke_role(
        &mut self,
        backend: &mut Backend,
        request: &AuthUserRevokeRoleRequest,
    ) -> Result<Effect, Error> {
        if self.view().is_enabled() && request.name == ROOT && request.role == ROOT {
            return Err(Error::InvalidAuthMgmt);
        }
        let mut user = self.user(&request.name)?;
        let before = user.roles.len();
        user.roles.retain(|role| *role != request.role);
        if user.roles.len() == before {
            return Err(Error::RoleNotGranted);
        }
        self.put_user(backend, user);
        self.raise_revision(backend);
        Ok(Effect::None)
    }

    fn user(&self, name: &str) -> Result<User, Error> {
        let account = self.state().user(name).ok_or(Error::UserNotFound)?;
        Ok(account.user.clone())
    }
}
