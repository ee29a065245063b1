//! Who calls, as the transport found it.

/// What comes with a request besides its message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Caller {
    /// The token of the `token` (or `authorization`) metadata, as sent.
    pub token: Option<String>,
    /// The `hasleader` metadata is `true`: rather an error than an answer while there is no leader.
    pub requires_leader: bool,
}
