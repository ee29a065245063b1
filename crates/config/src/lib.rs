//! What `etcd` is told: flags in Go's syntax, `ETCD_*` variables, a file; their rules.
//!
//! [`parse`] turns arguments and environment into a [`Config`], or into the text and exit code with
//! which the program ends. Flags stand in one table (module `table`), with etcd's defaults; those
//! that don't act yet are accepted with a [`Notice`].
//!
//! Does not know: the disk (who reads the file is handed in), the network (the machine's default
//! host and name resolution are handed in), the process (nothing here exits or reads variables).
//!
//! Order of precedence, as in etcd (pkg/flags, server/etcdmain/config.go): a file alone, if there
//! is one; else a flag; else its variable; else the default. A flag and its variable together are
//! an error.

mod config;
mod duration;
mod environment;
mod file;
mod flag;
mod gates;
mod help;
mod logging;
mod notice;
mod parse;
mod quote;
mod settings;
mod table;
mod validate;

pub use config::{
    AutoCompaction, ClusterState, Config, DEFAULT_NAME, MaxClusterVersion, QUOTA_DEFAULT_BYTES,
    Quota,
};
pub use duration::parse_duration;
pub use gates::{FeatureGates, Gate};
pub use help::{ETCD_VERSION, GO_VERSION, version_text};
pub use logging::{LogOutput, Logging};
pub use notice::Notice;
pub use parse::{Outcome, Surroundings, parse};

/// Why a command line is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A value or a combination is not allowed; etcd's own words where etcd has some.
    #[error("{0}")]
    Invalid(String),
    /// A variable repeats what a flag says.
    #[error(
        "conflicting environment variable is shadowed by corresponding command-line flag (either \
         unset environment variable or disable flag))"
    )]
    ConflictingVariable {
        /// Its name.
        name: String,
    },
    /// Clients are listened for at a given place, but nothing says how they reach it.
    #[error("--advertise-client-urls is required when --listen-client-urls is set explicitly")]
    AdvertiseClientUrlsMissing,
    /// Leaving the flag out of account would start something else than what was asked for.
    #[error("--{0} is not supported yet")]
    NotYet(String),
}
