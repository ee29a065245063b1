//! Logging in, where authentication is on.

use api::{Caller, Server, Service as _};
use proto::error::{Error as Known, Status};
use proto::etcdserverpb::AuthenticateRequest;

/// Who may do everything, and who may do everything with keys.
pub(crate) const ROOT: &str = "root";
pub(super) const APP: &str = "app";
pub(super) const PASSWORD: &str = "secret";

/// Logs a user in; a caller without a token when authentication is off, or it fails.
pub(crate) async fn log_in(server: &Server, user: &str) -> Caller {
    let request = AuthenticateRequest { name: user.to_owned(), password: PASSWORD.to_owned() };
    let answer = Box::pin(server.authenticate(&Caller::default(), request)).await;
    Caller { token: answer.ok().map(|answer| answer.token), ..Caller::default() }
}

/// Whether an answer says that what was to be made is there already.
pub(super) fn is_there_already(status: &Status) -> bool {
    let known = Known::from_text(&status.message);
    matches!(known, Some(Known::UserAlreadyExist | Known::RoleAlreadyExist))
}

/// Whether an answer says that the caller has to log in, or to log in again.
pub(super) fn is_wanted(status: &Status) -> bool {
    let known = Known::from_text(&status.message);
    matches!(
        known,
        Some(
            Known::UserEmpty
                | Known::InvalidAuthToken
                | Known::AuthOldRevision
                | Known::PermissionDenied
        )
    )
}
