//! Who calls, as the transport found it.

use std::sync::Arc;

/// Where a caller is, in words: what a transport attaches to its requests for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote(Arc<str>);

impl Remote {
    /// A caller at this address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self(address.into())
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What comes with a request besides its message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Caller {
    /// The token of the `token` (or `authorization`) metadata, as sent.
    pub token: Option<String>,
    /// The `hasleader` metadata is `true`: rather an error than an answer while there is no leader.
    pub requires_leader: bool,
}
