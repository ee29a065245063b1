//! Why a request is refused.

use proto::error::Error as Wire;

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident,)+) => {
        /// Why a request is refused. `Display` prints the text that clients see.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
        pub enum Error {
            $($(#[$doc])* #[error("{}", Wire::$variant)] $variant,)+
        }

        impl From<Error> for Wire {
            fn from(error: Error) -> Self {
                match error {
                    $(Error::$variant => Self::$variant,)+
                }
            }
        }
    };
}

refusals! {
    /// To enable authentication there has to be a user `root`.
    RootUserNotExist,
    /// To enable authentication the user `root` has to have the role `root`.
    RootRoleNotExist,
    /// There is such a user already.
    UserAlreadyExist,
    /// No user is named where one is needed.
    UserEmpty,
    /// There is no such user.
    UserNotFound,
    /// There is such a role already.
    RoleAlreadyExist,
    /// There is no such role.
    RoleNotFound,
    /// No role is named where one is needed.
    RoleEmpty,
    /// A grant without a permission.
    PermissionNotGiven,
    /// Unknown user, wrong password, or a user who has none.
    AuthFailed,
    /// A password where none can be.
    NoPasswordUser,
    /// The user may not do this.
    PermissionDenied,
    /// The user does not have the role.
    RoleNotGranted,
    /// The role does not have the permission.
    PermissionNotGranted,
    /// Logging in makes no sense while authentication is off.
    AuthNotEnabled,
    /// The state changed since the caller was checked; to be tried again with the new one.
    AuthOldRevision,
    /// The token is unknown, has expired, or is none.
    InvalidAuthToken,
    /// A change that would lock everybody out, or a range that is none.
    InvalidAuthMgmt,
}
