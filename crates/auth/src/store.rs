//! The replicated state: loaded at the start, changed by applied entries.
//!
//! What changes users is in `users`, what changes roles in `roles`; both write through the few
//! functions here, so that rows, memory and revision never differ.
//!
//! Does not know tokens or time: what a change means for them is given back as an [`Effect`].
//!
//! Invariants: rows and memory are equal after every call; the revision grows by one with every
//! change and with nothing else (`auth_enable` is no change); a refused request changes nothing.

use std::sync::Arc;

use backend::schema::{self, Malformed};
use backend::{Backend, Bucket};
use proto::authpb::{Role, User};
use proto::etcdserverpb::InternalAuthenticateRequest;
use types::Index;

use crate::view::{State, has_role, is_without_password};
use crate::{Error, ROOT, View};

/// Users and roles. Owned by apply.
pub struct Store {
    view: View,
}

/// What a change means for the tokens that members hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing.
    None,
    /// Tokens are given out from now on.
    Enabled,
    /// All tokens end.
    Disabled,
    /// A user's tokens end.
    Invalidated {
        /// The user's name.
        user: String,
    },
}

/// A login that was applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// Who.
    pub user: String,
    /// The revision at that time.
    pub revision: u64,
    /// The simple token, the same on all members.
    pub simple_token: String,
}

impl Store {
    /// Loads users and roles; the first start sets the revision to 1.
    ///
    /// # Errors
    /// When the file cannot be read or a row is not what it should be.
    pub fn open(backend: &mut Backend) -> backend::Result<Self> {
        let state = load(backend)?;
        let mut store = Self { view: View { state: Arc::new(state) } };
        if store.view.revision() == 0 {
            store.raise_revision(backend);
        }
        Ok(store)
    }

    /// The present state, for readers; a clone of it stays as it is.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Turns authentication on. When it is on already nothing happens.
    ///
    /// # Errors
    /// [`Error::RootUserNotExist`], [`Error::RootRoleNotExist`].
    pub fn enable(&mut self, backend: &mut Backend) -> Result<Effect, Error> {
        if self.view.is_enabled() {
            return Ok(Effect::None);
        }
        let root = self.state().user(ROOT).ok_or(Error::RootUserNotExist)?;
        if !root.is_root {
            return Err(Error::RootRoleNotExist);
        }
        self.set_enabled(backend, true);
        Ok(Effect::Enabled)
    }

    /// Turns authentication off. When it is off already nothing happens.
    pub fn disable(&mut self, backend: &mut Backend) -> Effect {
        if !self.view.is_enabled() {
            return Effect::None;
        }
        self.set_enabled(backend, false);
        self.raise_revision(backend);
        Effect::Disabled
    }

    /// Applies a login whose password was checked before it was proposed. `consistent_index` is
    /// that of the entry before: it becomes part of the token, so it is the same on all members
    /// (spec/apply.md 6.4).
    ///
    /// # Errors
    /// [`Error::AuthNotEnabled`], [`Error::AuthFailed`].
    pub fn authenticate(
        &self,
        request: &InternalAuthenticateRequest,
        consistent_index: Index,
    ) -> Result<Login, Error> {
        if !self.view.is_enabled() {
            return Err(Error::AuthNotEnabled);
        }
        let account = self.state().user(&request.name).ok_or(Error::AuthFailed)?;
        if is_without_password(&account.user) {
            return Err(Error::AuthFailed);
        }
        Ok(Login {
            user: request.name.clone(),
            revision: self.view.revision(),
            simple_token: format!("{}.{consistent_index}", request.simple_token),
        })
    }

    /// Checks the relations named at the top of this module and in `view`.
    ///
    /// # Panics
    /// When one does not hold.
    pub fn check_invariants(&self, backend: &Backend) {
        let stored = load(backend).expect("the rows can be read");
        let state = self.state();
        assert!(stored.enabled == state.enabled && stored.revision == state.revision);
        assert!(stored.roles == state.roles);
        assert!(stored.users.keys().eq(state.users.keys()));
        for (stored, account) in stored.users.values().zip(state.users.values()) {
            assert!(stored.user == account.user);
            assert!(stored.permissions == account.permissions);
            assert!(account.is_root == has_role(&account.user, ROOT));
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.view.state
    }

    fn state_mut(&mut self) -> &mut State {
        Arc::make_mut(&mut self.view.state)
    }

    fn set_enabled(&mut self, backend: &mut Backend, enabled: bool) {
        let value = schema::auth::encode_enabled(enabled);
        backend.put(Bucket::Auth, schema::auth::ENABLED, value.to_vec());
        self.state_mut().enabled = enabled;
    }

    pub(crate) fn raise_revision(&mut self, backend: &mut Backend) {
        let revision = self.view.revision() + 1;
        let value = schema::auth::encode_revision(revision);
        backend.put(Bucket::Auth, schema::auth::REVISION, value.to_vec());
        self.state_mut().revision = revision;
    }

    pub(crate) fn put_user(&mut self, backend: &mut Backend, user: User) {
        backend.put(Bucket::AuthUsers, user.name.clone(), schema::user::encode(&user));
        self.state_mut().set_user(user);
    }

    pub(crate) fn delete_user(&mut self, backend: &mut Backend, name: &str) {
        backend.delete(Bucket::AuthUsers, name.as_bytes().to_vec());
        self.state_mut().users.remove(name.as_bytes());
    }

    pub(crate) fn put_role(&mut self, backend: &mut Backend, role: Role) {
        backend.put(Bucket::AuthRoles, role.name.clone(), schema::role::encode(&role));
        let name = String::from_utf8_lossy(&role.name).into_owned();
        self.state_mut().set_role(&name, Some(role));
    }

    pub(crate) fn delete_role(&mut self, backend: &mut Backend, name: &str) {
        backend.delete(Bucket::AuthRoles, name.as_bytes().to_vec());
        self.state_mut().set_role(name, None);
    }
}

fn load(backend: &Backend) -> backend::Result<State> {
    let corrupted = |row: Malformed| backend.last_committed().corrupted(row);
    let row = |key| backend.get(Bucket::Auth, key);
    let mut state = State {
        enabled: schema::auth::decode_enabled(row(schema::auth::ENABLED)?.as_deref())
            .map_err(corrupted)?,
        revision: schema::auth::decode_revision(row(schema::auth::REVISION)?.as_deref())
            .map_err(corrupted)?,
        ..State::default()
    };
    state.enabled &= !env::planted!("auth-off-after-restore");
    for (key, value) in backend.rows(Bucket::AuthRoles)? {
        let role = schema::role::decode(&key, &value).map_err(corrupted)?;
        state.roles.insert(role.name.clone(), Arc::new(role));
    }
    for (key, value) in backend.rows(Bucket::AuthUsers)? {
        state.set_user(schema::user::decode(&key, &value).map_err(corrupted)?);
    }
    Ok(state)
}

#[cfg(test)]
#[path = "store_test.rs"]
mod tests;
