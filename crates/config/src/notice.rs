//! What the configuration has to say before the server starts, as log lines.

use telemetry::json_strings;

/// Something to log once the logger is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// What the program was called with, its name first.
    Running {
        /// The arguments.
        arguments: Vec<String>,
    },
    /// A variable sets a flag.
    VariableUsed {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A variable starts with `ETCD_` but sets nothing.
    VariableUnknown {
        /// `name=value`.
        variable: String,
    },
    /// `ETCD_VERSION` is left out of account: it would print the version and end.
    SpecialVariable {
        /// Its value.
        value: String,
    },
    /// A flag is accepted but does nothing here yet.
    NotYet {
        /// With what it is set: `--cors`, or `feature gate CompactHashCheck`.
        what: String,
    },
    /// Something that deserves a warning, in etcd's words.
    Warning(String),
    /// The member has the name that every member has by default.
    DefaultName {
        /// It.
        name: String,
    },
    /// The machine's own address takes the place of the default in advertised URLs.
    DefaultHost {
        /// It.
        host: String,
    },
    /// A file was read, and nothing else counts.
    FileUsed {
        /// Where it is.
        path: String,
    },
    /// No data directory was given.
    DefaultDataDir {
        /// The one that is used.
        data_dir: String,
    },
    /// A cost of password hashing that bcrypt does not have.
    BcryptCost {
        /// The one that is used.
        used: u64,
        /// The one that was given.
        given: u64,
    },
}

impl Notice {
    /// Logs it.
    pub fn log(&self) {
        match self {
            Self::Running { arguments } => {
                tracing::info!("args[]" = json_strings(arguments), "Running: ");
            }
            Self::VariableUsed { name, value } => tracing::info!(
                "variable-name" = name.as_str(),
                "variable-value" = value.as_str(),
                "recognized and used environment variable"
            ),
            Self::VariableUnknown { variable } => tracing::warn!(
                "environment-variable" = variable.as_str(),
                "unrecognized environment variable"
            ),
            Self::SpecialVariable { value } => tracing::warn!(
                key = "ETCD_VERSION",
                value = value.as_str(),
                "cannot set special environment variable"
            ),
            Self::NotYet { what } => {
                tracing::warn!(what = what.as_str(), "not yet supported, has no effect");
            }
            Self::Warning(text) => tracing::warn!("{text}"),
            Self::DefaultName { name } => tracing::warn!(
                name = name.as_str(),
                "it isn't recommended to use default name, please set a value for --name. Note \
                 that etcd might run into issue when multiple members have the same default name"
            ),
            Self::DefaultHost { host } => {
                tracing::info!(host = host.as_str(), "detected default host for advertise");
            }
            Self::FileUsed { path } => tracing::info!(
                path = path.as_str(),
                "loaded server configuration, other configuration command line flags and \
                 environment variables will be ignored if provided"
            ),
            Self::DefaultDataDir { data_dir } => tracing::warn!(
                "data-dir" = data_dir.as_str(),
                "'data-dir' was empty; using default"
            ),
            Self::BcryptCost { used, given } => tracing::warn!(
                "min-cost" = 4,
                "max-cost" = 31,
                "default-cost" = used,
                "given-cost" = given,
                "use default bcrypt cost instead of the invalid given cost"
            ),
        }
    }
}
