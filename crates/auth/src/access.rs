//! Whether somebody may do something (server/etcdserver/apply/auth.go and server/auth/store.go).
//!
//! Knows the requests, not how they are carried out. What keys a lease has is an argument.
//!
//! Invariants: while authentication is off nothing is refused; while it is on, keys are only shown
//! to or changed for a user whose roles allow it, at the current revision; every kind of request in
//! the log stands in one of the two tables below.

use proto::access::{Access as Touch, Kind, Op, accesses};
use proto::etcdserverpb::InternalRaftRequest;
use types::{KeyRange, LeaseId};

use crate::permissions::Permissions;
use crate::{Error, Identity, View};

/// What somebody may do with keys. Refuses only when asked, so that a request without any key is
/// never refused.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    scope: Result<Scope<'a>, Error>,
}

#[derive(Clone, Copy, Debug)]
enum Scope<'a> {
    Everything,
    Granted(&'a Permissions),
}

impl View {
    /// What somebody may do with keys. Holds for as long as the view does.
    #[must_use]
    pub fn access(&self, who: &Identity) -> Access<'_> {
        Access { scope: self.scope(who) }
    }

    fn scope(&self, who: &Identity) -> Result<Scope<'_>, Error> {
        if !self.is_enabled() {
            return Ok(Scope::Everything);
        }
        if who.revision == 0 {
            return Err(Error::UserEmpty);
        }
        if who.revision < self.revision() {
            return Err(Error::AuthOldRevision);
        }
        let account = self.state.user(&who.user).ok_or(Error::PermissionDenied)?;
        if account.is_root {
            return Ok(Scope::Everything);
        }
        Ok(Scope::Granted(&account.permissions))
    }

    /// Whether somebody may do what only an administrator may. As in Go the revision does not
    /// matter here.
    ///
    /// # Errors
    /// [`Error::UserEmpty`], [`Error::UserNotFound`], [`Error::PermissionDenied`].
    pub fn check_admin(&self, who: &Identity) -> Result<(), Error> {
        if !self.is_enabled() {
            return Ok(());
        }
        if who.user.is_empty() {
            return Err(Error::UserEmpty);
        }
        let account = self.state.user(&who.user).ok_or(Error::UserNotFound)?;
        if account.is_root { Ok(()) } else { Err(Error::PermissionDenied) }
    }

    /// Whether somebody may write every key of a lease, as revoking and renewing it and attaching
    /// another key to it need. An administrator may always.
    ///
    /// # Errors
    /// As [`Access::write`].
    pub fn check_lease<K: AsRef<[u8]>>(
        &self,
        who: &Identity,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), Error> {
        if self.check_admin(who).is_ok() {
            return Ok(());
        }
        let access = self.access(who);
        keys.into_iter().try_for_each(|key| access.write_key(key.as_ref()))
    }

    /// Checks a request that reads or writes keys, at any nesting of transactions. `lease_keys`
    /// gives the keys attached to a lease, none for one that is not there.
    ///
    /// # Errors
    /// As [`Access::read`].
    pub fn check_op<'a, K: AsRef<[u8]>, Keys: IntoIterator<Item = K>>(
        &self,
        who: &Identity,
        op: impl Into<Op<'a>>,
        lease_keys: impl Fn(LeaseId) -> Keys,
    ) -> Result<(), Error> {
        if !self.is_enabled() {
            return Ok(());
        }
        let access = self.access(who);
        for touch in accesses(op) {
            access.check(&touch)?;
            if let Some(lease) = touch.lease() {
                self.check_lease(who, lease_keys(lease))?;
            }
        }
        Ok(())
    }

    /// Checks a request about users and roles. What touches keys or leases is checked by
    /// [`check_op`](Self::check_op) and [`check_lease`](Self::check_lease); the rest is for
    /// everyone, or was checked before it was proposed.
    ///
    /// # Errors
    /// As [`check_admin`](Self::check_admin).
    pub fn check_request(
        &self,
        who: &Identity,
        request: &InternalRaftRequest,
    ) -> Result<(), Error> {
        if is_for_admins(request) {
            return self.check_admin(who);
        }
        if let Some(get) = &request.auth_user_get {
            return self
                .check_admin(who)
                .or_else(|refusal| if get.name == who.user { Ok(()) } else { Err(refusal) });
        }
        if let Some(get) = &request.auth_role_get {
            return self.check_admin(who).or_else(|refusal| {
                if self.has_role(&who.user, &get.role) { Ok(()) } else { Err(refusal) }
            });
        }
        Ok(())
    }
}

/// Whether a request in the log is for administrators. Names every kind, so that a new one is not
/// forgotten here.
fn is_for_admins(request: &InternalRaftRequest) -> bool {
    let InternalRaftRequest {
        // For administrators.
        auth_enable,
        auth_disable,
        auth_user_add,
        auth_user_delete,
        auth_user_change_password,
        auth_user_grant_role,
        auth_user_revoke_role,
        auth_user_list,
        auth_role_add,
        auth_role_delete,
        auth_role_list,
        auth_role_grant_permission,
        auth_role_revoke_permission,
        // For administrators and whom it is about.
        auth_user_get: _,
        auth_role_get: _,
        // By keys, or by the keys of a lease.
        range: _,
        put: _,
        delete_range: _,
        txn: _,
        lease_revoke: _,
        // For everyone: what has to be checked is checked before the proposal.
        auth_status: _,
        authenticate: _,
        compaction: _,
        lease_grant: _,
        lease_checkpoint: _,
        alarm: _,
        // The cluster's own.
        cluster_version_set: _,
        cluster_member_attr_set: _,
        downgrade_info_set: _,
        downgrade_version_test: _,
        // No requests.
        id: _,
        header: _,
        v2: _,
    } = request;
    auth_enable.is_some()
        || auth_disable.is_some()
        || auth_user_add.is_some()
        || auth_user_delete.is_some()
        || auth_user_change_password.is_some()
        || auth_user_grant_role.is_some()
        || auth_user_revoke_role.is_some()
        || auth_user_list.is_some()
        || auth_role_add.is_some()
        || auth_role_delete.is_some()
        || auth_role_list.is_some()
        || auth_role_grant_permission.is_some()
        || auth_role_revoke_permission.is_some()
}

impl Access<'_> {
    /// Whether all keys of the range may be read.
    ///
    /// # Errors
    /// [`Error::UserEmpty`], [`Error::AuthOldRevision`], [`Error::PermissionDenied`].
    pub fn read(&self, range: &KeyRange) -> Result<(), Error> {
        self.covers(|permissions| permissions.read.cover(range))
    }

    /// Whether all keys of the range may be written.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write(&self, range: &KeyRange) -> Result<(), Error> {
        self.covers(|permissions| permissions.write.cover(range))
    }

    /// Whether a key may be written.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write_key(&self, key: &[u8]) -> Result<(), Error> {
        self.covers(|permissions| permissions.write.contain(key))
    }

    /// Whether one read or write of a request is allowed.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn check(&self, touch: &Touch<'_>) -> Result<(), Error> {
        match touch.kind {
            Kind::Range(_) | Kind::Compare(_) | Kind::PrevKv => self.read(&touch.range),
            Kind::Put(_) | Kind::DeleteRange(_) => self.write(&touch.range),
        }
    }

    fn covers(&self, granted: impl Fn(&Permissions) -> bool) -> Result<(), Error> {
        match self.scope? {
            Scope::Everything => Ok(()),
            Scope::Granted(permissions) if granted(permissions) => Ok(()),
            Scope::Granted(_) => Err(Error::PermissionDenied),
        }
    }
}

#[cfg(test)]
#[path = "access_test.rs"]
mod tests;
