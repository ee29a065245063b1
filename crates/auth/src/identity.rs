//! Who asks.

use proto::etcdserverpb::RequestHeader;

use crate::ROOT;

/// Who asks, and at which revision of the authentication state that was found out.
///
/// The default is nobody: no user, revision 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// The user's name; empty for nobody.
    pub user: String,
    /// The revision; 0 for nobody. A request applied at a later one is refused.
    pub revision: u64,
}

impl Identity {
    /// The server itself, for what it proposes on its own account.
    #[must_use]
    pub fn root(revision: u64) -> Self {
        Self { user: ROOT.to_owned(), revision }
    }

    /// Who proposed an entry. Entries without a header are older than authentication.
    #[must_use]
    pub fn of(header: Option<&RequestHeader>) -> Self {
        header.map_or_else(Self::default, |header| Self {
            user: header.username.clone(),
            revision: header.auth_revision,
        })
    }
}
