//! The requests that change roles.
//!
//! Invariant: a role's permissions are sorted by key.

use backend::Backend;
use bytes::Bytes;
use proto::authpb::{Permission, Role, User};
use proto::etcdserverpb::{
    AuthRoleAddRequest, AuthRoleDeleteRequest, AuthRoleGrantPermissionRequest,
    AuthRoleRevokePermissionRequest,
};
use types::KeyRange;

use crate::view::has_role;
use crate::{Effect, Error, ROOT, Store};

impl Store {
    /// Creates a role without permissions.
    ///
    /// # Errors
    /// [`Error::RoleEmpty`], [`Error::RoleAlreadyExist`].
    pub fn role_add(
        &mut self,
        backend: &mut Backend,
        request: &AuthRoleAddRequest,
    ) -> Result<Effect, Error> {
        if request.name.is_empty() {
            return Err(Error::RoleEmpty);
        }
        if self.state().role(&request.name).is_some() {
            return Err(Error::RoleAlreadyExist);
        }
        let name = Bytes::copy_from_slice(request.name.as_bytes());
        self.put_role(backend, Role { name, key_permission: Vec::new() });
        self.raise_revision(backend);
        Ok(Effect::None)
    }

    /// Deletes a role and takes it from every user.
    ///
    /// # Errors
    /// [`Error::InvalidAuthMgmt`] for `root` while authentication is on, [`Error::RoleNotFound`].
    pub fn role_delete(
        &mut self,
        backend: &mut Backend,
        request: &AuthRoleDeleteRequest,
    ) -> Result<Effect, Error> {
        if self.view().is_enabled() && request.role == ROOT {
            return Err(Error::InvalidAuthMgmt);
        }
        self.role(&request.role)?;
        let accounts = self.state().users.values();
        let holders: Vec<User> = accounts
            .map(|account| &account.user)
            .filter(|user| has_role(user, &request.role))
            .cloned()
            .collect();
        for mut user in holders {
            user.roles.retain(|role| *role != request.role);
            self.put_user(backend, user);
        }
        self.delete_role(backend, &request.role);
        self.raise_revision(backend);
        Ok(Effect::None)
    }

    /// Gives a role a permission, or changes the kind of one that it has. This raises the revision
    /// even if nothing changes.
    ///
    /// # Errors
    /// [`Error::PermissionNotGiven`]; [`Error::InvalidAuthMgmt`] for a range without keys;
    /// [`Error::RoleNotFound`].
    pub fn role_grant_permission(
        &mut self,
        backend: &mut Backend,
        request: &AuthRoleGrantPermissionRequest,
    ) -> Result<Effect, Error> {
        let Some(permission) = &request.perm else { return Err(Error::PermissionNotGiven) };
        if !names_keys(permission) {
            return Err(Error::InvalidAuthMgmt);
        }
        let mut role = self.role(&request.name)?;
        let granted = &mut role.key_permission;
        let place = granted.partition_point(|other| other.key < permission.key);
        // As in Go only the first permission of a key is looked at: a later one with the same range
        // gets a second entry.
        match granted.get_mut(place) {
            Some(same)
                if (&same.key, &same.range_end) == (&permission.key, &permission.range_end) =>
            {
                same.perm_type = permission.perm_type;
            }
            _ => {
                let place = granted.partition_point(|other| other.key <= permission.key);
                granted.insert(place, owned(permission));
            }
        }
        self.put_role(backend, role);
        self.raise_revision(backend);
        Ok(Effect::None)
    }

    /// Takes a permission from a role.
    ///
    /// # Errors
    /// [`Error::RoleNotFound`], [`Error::PermissionNotGranted`].
    pub fn role_revoke_permission(
        &mut self,
        backend: &mut Backend,
        request: &AuthRoleRevokePermissionRequest,
    ) -> Result<Effect, Error> {
        let mut role = self.role(&request.role)?;
        let before = role.key_permission.len();
        role.key_permission
            .retain(|held| held.key != request.key || held.range_end != request.range_end);
        if role.key_permission.len() == before {
            return Err(Error::PermissionNotGranted);
        }
        self.put_role(backend, role);
        self.raise_revision(backend);
        Ok(Effect::None)
    }

    fn role(&self, name: &str) -> Result<Role, Error> {
        self.state().role(name).cloned().ok_or(Error::RoleNotFound)
    }
}

/// Whether a permission's range can hold a key: it has a beginning and, if bounded, an end above.
fn names_keys(permission: &Permission) -> bool {
    let range = KeyRange::parse(permission.key.clone(), permission.range_end.clone());
    match range {
        KeyRange::Range(start, end) => !start.is_empty() && start < end,
        KeyRange::Key(start) | KeyRange::From(start) => !start.is_empty(),
        KeyRange::All => true,
    }
}

/// A copy that does not hold on to the request's memory.
fn owned(permission: &Permission) -> Permission {
    Permission {
        perm_type: permission.perm_type,
        key: Bytes::copy_from_slice(&permission.key),
        range_end: Bytes::copy_from_slice(&permission.range_end),
    }
}
