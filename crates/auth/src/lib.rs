//! Users, roles and permissions: replicated state, and the checks against it.
//!
//! - [`Store`] is the state, owned by apply: changed by applied entries only, the same on all
//!   members bit by bit, with a revision that every change raises;
//! - [`View`] is a picture of it for readers: every check of a request is made here, by
//!   [`View::access`] for keys, [`View::check_request`] for what only an administrator may do;
//! - [`password`] hashes and compares, for the caller to run where it may take its time;
//! - [`TokenProvider`] is what this member knows of logins. Time is an argument.
//!
//! Knows nothing of raft, leases, the wire or where a token stands in a request. Reads no clock.
//!
//! ```
//! use auth::{Identity, View};
//! use types::KeyRange;
//!
//! // Nothing is checked while authentication is off.
//! let view = View::default();
//! let range = KeyRange::Key("key".into());
//! assert!(view.access(&Identity::default()).read(&range).is_ok());
//! ```

mod access;
mod error;
mod identity;
pub mod password;
mod permissions;
mod roles;
mod simple;
mod store;
#[cfg(test)]
mod testing;
mod token;
mod users;
mod view;

pub use access::Access;
pub use error::Error;
pub use identity::Identity;
pub use permissions::{Permissions, Ranges};
pub use simple::{Simple, TOKEN_TTL, TOKENS_MAX};
pub use store::{Effect, Login, Store};
pub use token::{Lookup, SpecError, TokenProvider};
pub use view::{ROOT, View};
