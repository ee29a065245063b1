//! Who belongs to the cluster: replicated state, the rules for changing it, and how members are
//! named.
//!
//! - [`Cluster`] is the members, removed identities, cluster version and downgrade at one moment;
//!   [`Store`] is the one that apply owns, which also writes the rows;
//! - [`Change`] is a change of members as it stands in the log; [`Cluster::validate`] and
//!   [`Store::apply`] are its rules;
//! - [`reconfiguration`] holds the checks that a proposer makes first, [`versions`] the rules for
//!   the cluster version and downgrades;
//! - [`Url`], [`InitialCluster`] and [`ids`] turn flags into members.
//!
//! Knows nothing of raft, of connections or of the network: names are resolved and peers are
//! watched by the caller. Reads no clock.
//!
//! ```
//! use membership::InitialCluster;
//!
//! let initial: InitialCluster = "g1=http://127.0.0.1:23101".parse()?;
//! let members = initial.members("golden-single")?;
//! assert_eq!(members[0].id.to_string(), "512f75df4e29ff28");
//! assert_eq!(membership::ids::cluster_id(&members).to_string(), "5a4a8940fdc9f0c8");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod cluster;
mod error;
pub mod ids;
mod initial;
mod json;
mod legacy;
mod member;
mod quote;
pub mod reconfiguration;
mod store;
#[cfg(test)]
mod testing;
mod url;
pub mod versions;

pub use change::Change;
pub use cluster::{Cluster, Contents, Downgrade, LEARNERS_MAX};
pub use error::{Error, Malformed};
pub use initial::{InitialCluster, InitialError, Resolve, assign_ids, same_place};
pub use legacy::LegacyRequest;
pub use member::{Attributes, Member};
pub use store::Store;
pub use url::{Url, UrlError};
