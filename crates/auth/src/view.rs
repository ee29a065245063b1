//! A stable picture of users and roles, for readers.
//!
//! Knows no tokens and no clock.
//!
//! Invariants: a view, once taken, never changes; an account's permissions are those of its roles;
//! the role `root` may do everything and has no permissions of its own that matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proto::authpb::permission::Type;
use proto::authpb::{Permission, Role, User};
use proto::etcdserverpb::AuthStatusResponse;

use crate::password::{self, Cost};
use crate::{Error, Permissions};

/// The name of the user and of the role that may do everything.
pub const ROOT: &str = "root";

/// Users and roles at one moment. Cloning is O(1).
#[derive(Clone, Default)]
pub struct View {
    pub(crate) state: Arc<State>,
}

/// What [`crate::Store`] changes and [`View`] shows.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) enabled: bool,
    pub(crate) revision: u64,
    pub(crate) users: BTreeMap<Bytes, Arc<Account>>,
    pub(crate) roles: BTreeMap<Bytes, Arc<Role>>,
}

/// A user with what follows from its roles.
pub(crate) struct Account {
    /// As stored.
    pub(crate) user: User,
    pub(crate) is_root: bool,
    pub(crate) permissions: Permissions,
}

impl State {
    pub(crate) fn user(&self, name: &str) -> Option<&Account> {
        self.users.get(name.as_bytes()).map(|account| &**account)
    }

    pub(crate) fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name.as_bytes()).map(|role| &**role)
    }

    /// Sets a user, whatever was there before.
    pub(crate) fn set_user(&mut self, user: User) {
        let roles = user.roles.iter().filter_map(|role| self.role(role));
        let permissions = Permissions::merge(roles.flat_map(|role| &role.key_permission));
        let is_root = has_role(&user, ROOT);
        let name = user.name.clone();
        self.users.insert(name, Arc::new(Account { user, is_root, permissions }));
    }

    /// Sets or, with `None`, removes a role, and finds out anew what its users may do.
    pub(crate) fn set_role(&mut self, name: &str, role: Option<Role>) {
        match role {
            Some(role) => _ = self.roles.insert(role.name.clone(), Arc::new(role)),
            None => _ = self.roles.remove(name.as_bytes()),
        }
        let accounts = self.users.values();
        let holders: Vec<User> = accounts
            .filter(|account| has_role(&account.user, name))
            .map(|account| account.user.clone())
            .collect();
        holders.into_iter().for_each(|user| self.set_user(user));
    }
}

pub(crate) fn has_role(user: &User, role: &str) -> bool {
    user.roles.iter().any(|held| held == role)
}

pub(crate) fn is_without_password(user: &User) -> bool {
    user.options.is_some_and(|options| options.no_password)
}

impl View {
    /// Whether requests are checked.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.state.enabled
    }

    /// How often the state was changed; 1 for an empty one.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.state.revision
    }

    /// Whether authentication is on, and the revision; the header is not filled.
    #[must_use]
    pub fn status(&self) -> AuthStatusResponse {
        let (enabled, auth_revision) = (self.is_enabled(), self.revision());
        AuthStatusResponse { header: None, enabled, auth_revision }
    }

    /// A user's roles, sorted.
    ///
    /// # Errors
    /// [`Error::UserNotFound`].
    pub fn user_get(&self, name: &str) -> Result<Vec<String>, Error> {
        let account = self.state.user(name).ok_or(Error::UserNotFound)?;
        Ok(account.user.roles.clone())
    }

    /// All users, sorted.
    #[must_use]
    pub fn user_list(&self) -> Vec<String> {
        self.state.users.keys().map(text).collect()
    }

    /// A role's permissions, sorted by key. Of `root` always the one for everything.
    ///
    /// # Errors
    /// [`Error::RoleNotFound`].
    pub fn role_get(&self, name: &str) -> Result<Vec<Permission>, Error> {
        let role = self.state.role(name).ok_or(Error::RoleNotFound)?;
        if name == ROOT {
            let range_end = Bytes::from_static(b"\0");
            let perm_type = Type::Readwrite.into();
            return Ok(vec![Permission { perm_type, key: Bytes::new(), range_end }]);
        }
        Ok(role.key_permission.clone())
    }

    /// All roles, sorted.
    #[must_use]
    pub fn role_list(&self) -> Vec<String> {
        self.state.roles.keys().map(text).collect()
    }

    /// Whether a user has a role; false if there is no such user.
    #[must_use]
    pub fn has_role(&self, user: &str, role: &str) -> bool {
        self.state.user(user).is_some_and(|account| has_role(&account.user, role))
    }

    /// Begins a login. What comes back takes its time to run, so it is run elsewhere; it takes as
    /// long for a user that does not exist, given that `cost` is what passwords are hashed with.
    ///
    /// # Errors
    /// [`Error::AuthNotEnabled`].
    pub fn password_check(&self, user: &str, cost: Cost) -> Result<password::Check, Error> {
        if !self.is_enabled() {
            return Err(Error::AuthNotEnabled);
        }
        let (stored, refusal) = match self.state.user(user) {
            None => (Bytes::new(), Some(Error::AuthFailed)),
            Some(account) if is_without_password(&account.user) => {
                (Bytes::new(), Some(Error::NoPasswordUser))
            }
            Some(account) => (account.user.password.clone(), None),
        };
        Ok(password::Check::new(stored, refusal, self.revision(), cost))
    }
}

/// Names come from requests, where they are text; one that is not could only be damage.
fn text(name: &Bytes) -> String {
    String::from_utf8_lossy(name).into_owned()
}
