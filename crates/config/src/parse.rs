//! From arguments and variables to a configuration, or to the end of the program.

use crate::config::{Config, DEFAULT_NAME};
use crate::environment;
use crate::file;
use crate::flag::{Fault, FlagSet, Value};
use crate::gates::{FeatureGates, Gate};
use crate::help::{USAGE, help_text, version_text};
use crate::logging::Logging;
use crate::notice::Notice;
use crate::quote::quote;
use crate::settings::Settings;
use crate::table::Status;
use crate::{Error, validate};
use membership::Url;

const DEFAULT_INITIAL_CLUSTER: &str = "default=http://localhost:2380";

/// What is around the program.
pub struct Surroundings<'a> {
    /// All environment variables.
    pub variables: Vec<(String, String)>,
    /// The address from which this machine reaches others, if it is known; takes the place of the
    /// default in advertised URLs where `0.0.0.0` is listened on.
    pub default_host: Option<String>,
    /// Reads a file; what went wrong in Go's words.
    pub read_file: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
}

/// What to do.
#[derive(Debug)]
pub enum Outcome {
    /// Start a member.
    Start {
        /// Its configuration.
        config: Box<Config>,
        /// To be logged first.
        notices: Vec<Notice>,
    },
    /// Print and end.
    Exit {
        /// The exit code.
        code: u8,
        /// For standard output.
        stdout: String,
        /// For standard error.
        stderr: String,
    },
    /// Log the notices, then the reason (see [`Error::log`]), and end with code 1.
    Refused {
        /// How to log it.
        logging: Logging,
        /// To be logged first.
        notices: Vec<Notice>,
        /// Why.
        reason: Error,
    },
}

/// Reads the arguments; the first is the program's name.
#[must_use]
pub fn parse(arguments: &[String], surroundings: &Surroundings<'_>) -> Outcome {
    let mut flags = FlagSet::new();
    let rest = match flags.parse(arguments.get(1..).unwrap_or_default()) {
        Ok(rest) => rest,
        Err(Fault::Help) => {
            return Outcome::Exit { code: 0, stdout: help_text(), stderr: USAGE.to_owned() };
        }
        Err(Fault::Usage(fault)) => {
            let stderr = format!("{fault}\n{USAGE}");
            return Outcome::Exit { code: 2, stdout: String::new(), stderr };
        }
    };
    let settings = Settings(&flags);
    if rest.is_empty() && settings.bool("version") {
        return Outcome::Exit { code: 0, stdout: version_text(), stderr: String::new() };
    }
    let mut notices = Vec::new();
    let outcome = match rest.first() {
        Some(extra) => Err(Error::Invalid(format!("{} is not a valid flag", quote(extra)))),
        None => match file_name(settings, surroundings) {
            Some(path) => {
                flags = FlagSet::new();
                match configure_from_file(&path, &mut flags, surroundings, &mut notices) {
                    Err(file::Fault::Abrupt(stderr)) => {
                        return Outcome::Exit { code: 1, stdout: String::new(), stderr };
                    }
                    Err(file::Fault::Refused(reason)) => {
                        // What the file says of logs does not count where it is refused.
                        flags = FlagSet::new();
                        Err(reason)
                    }
                    Ok(config) => Ok(config),
                }
            }
            None => configure_from_flags(&mut flags, surroundings, &mut notices),
        },
    };
    notices.push(Notice::Running { arguments: arguments.to_vec() });
    match outcome {
        Ok(config) => Outcome::Start { config: Box::new(config), notices },
        Err(reason) => {
            let logging = Logging::from_settings(Settings(&flags)).unwrap_or_default();
            Outcome::Refused { logging, notices, reason }
        }
    }
}

impl Error {
    /// Logs why the program ends.
    pub fn log(&self) {
        match self {
            Self::ConflictingVariable { name } => tracing::error!(
                "zap-level" = "fatal",
                "environment-variable" = name.as_str(),
                "{self}"
            ),
            Self::AdvertiseClientUrlsMissing => {
                tracing::warn!(error = %self, "failed to verify flags");
                tracing::warn!(error = %self, "advertise client URLs are not set");
            }
            _ => tracing::warn!(error = %self, "failed to verify flags"),
        }
    }
}

/// The configuration file that a flag or else a variable names.
fn file_name(settings: Settings<'_>, surroundings: &Surroundings<'_>) -> Option<String> {
    let given = settings.text("config-file");
    if !given.is_empty() {
        return Some(given);
    }
    let variable = environment::value(&surroundings.variables, "ETCD_CONFIG_FILE")?;
    (!variable.is_empty()).then(|| variable.to_owned())
}

/// Configures by a file alone; `flags` are at their defaults.
fn configure_from_file(
    path: &str,
    flags: &mut FlagSet,
    surroundings: &Surroundings<'_>,
    notices: &mut Vec<Notice>,
) -> Result<Config, file::Fault> {
    let content = (surroundings.read_file)(path)
        .map_err(|error| file::Fault::Refused(Error::Invalid(error)))?;
    file::apply(flags, &content)?;
    let config = configure(flags, surroundings, notices).map_err(file::Fault::Refused)?;
    notices.push(Notice::FileUsed { path: path.to_owned() });
    Ok(config)
}

fn configure_from_flags(
    flags: &mut FlagSet,
    surroundings: &Surroundings<'_>,
    notices: &mut Vec<Notice>,
) -> Result<Config, Error> {
    match environment::apply(flags, &surroundings.variables) {
        Ok(said) => notices.extend(said),
        Err((said, error)) => {
            notices.extend(said);
            return Err(error);
        }
    }
    configure(flags, surroundings, notices)
}

fn configure(
    flags: &mut FlagSet,
    surroundings: &Surroundings<'_>,
    notices: &mut Vec<Notice>,
) -> Result<Config, Error> {
    follow_old_names(flags, notices)?;
    let gates = feature_gates(flags, notices)?;
    refuse_and_warn(flags, notices)?;
    let settings = Settings(flags);
    let logging = validate::check(settings, &gates, notices)?;
    let auto_compaction = validate::auto_compaction(settings)?;
    let mut config = Config::from_settings(settings, logging, gates, auto_compaction);
    warn_of_old_flags(settings, notices);
    if config.name == DEFAULT_NAME {
        notices.push(Notice::DefaultName { name: config.name.clone() });
    }
    complete(&mut config, surroundings, notices);
    Ok(config)
}

/// Gives flags the values of their old names.
fn follow_old_names(flags: &mut FlagSet, notices: &mut Vec<Notice>) -> Result<(), Error> {
    let set: Vec<_> = flags.set_flags().collect();
    for flag in set {
        let Status::Alias(of) = flag.status else {
            continue;
        };
        let old = flag.name;
        if flags.is_set(of) {
            return Err(Error::Invalid(format!(
                "cannot set --{old} and --{of} at the same time, please use --{of} only"
            )));
        }
        flags.copy(old, of);
        notices.push(Notice::Warning(format!("--{old} is an old name, please use --{of} instead")));
    }
    Ok(())
}

fn feature_gates(flags: &FlagSet, notices: &mut Vec<Notice>) -> Result<FeatureGates, Error> {
    let Value::Gates(pairs) = flags.value("feature-gates") else {
        panic!("--feature-gates holds gates");
    };
    let mut gates = FeatureGates::default();
    gates.apply(pairs);
    for flag in flags.set_flags() {
        let Some(gate) = (match flag.status {
            Status::Gate(name) => Gate::named(name),
            _ => None,
        }) else {
            continue;
        };
        let (old, name) = (flag.name, gate.name());
        let value = Settings(flags).bool(old);
        if pairs.iter().any(|(other, _)| other == name) {
            let gate_form = format!("feature-gates={name}={}", gates.is_on(gate));
            return Err(Error::Invalid(format!(
                "cannot specify both flags: --{old}={value} and --{gate_form} at the same time, \
                 please just use --{gate_form}"
            )));
        }
        gates.set(gate, value);
        let instead = format!("--feature-gates={name}={value}");
        notices
            .push(Notice::Warning(format!("--{old} is an old form, please use {instead} instead")));
    }
    let default = FeatureGates::default();
    for (gate, on) in gates.iter().filter(|(gate, on)| *on != default.is_on(*gate)) {
        if !gate.acts() {
            let what = format!("feature gate {}={on}", gate.name());
            notices.push(Notice::NotYet { what });
        }
    }
    Ok(gates)
}

/// Stops at flags that can't be left out of account, and names those that are.
fn refuse_and_warn(flags: &FlagSet, notices: &mut Vec<Notice>) -> Result<(), Error> {
    for flag in flags.set_flags() {
        let differs = *flags.value(flag.name) != flag.kind.default_value(flag.default);
        match flag.status {
            Status::Refused if differs => return Err(Error::NotYet(flag.name.to_owned())),
            Status::NotYet => notices.push(Notice::NotYet { what: format!("--{}", flag.name) }),
            _ => {}
        }
    }
    Ok(())
}

fn warn_of_old_flags(settings: Settings<'_>, notices: &mut Vec<Notice>) {
    let texts = [
        (
            "max-snapshots",
            "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
        ),
        (
            "v2-deprecation",
            "--v2-deprecation is deprecated and scheduled for removal in v3.8. The default value \
             is enforced, ignoring user input.",
        ),
    ];
    for (_, text) in texts.iter().filter(|(name, _)| settings.is_set(name)) {
        notices.push(Notice::Warning((*text).to_owned()));
    }
}

/// Fills in what follows from other values: host, cluster and data directory.
fn complete(config: &mut Config, surroundings: &Surroundings<'_>, notices: &mut Vec<Notice>) {
    if let Some(host) = &surroundings.default_host {
        let pairs = [
            (&config.listen_peer_urls, &mut config.advertise_peer_urls, "http://localhost:2380"),
            (
                &config.listen_client_urls,
                &mut config.advertise_client_urls,
                "http://localhost:2379",
            ),
        ];
        let mut used = false;
        for (listen, advertise, default) in pairs {
            used |= advertise_host(listen, advertise, default, host);
        }
        if used {
            notices.push(Notice::DefaultHost { host: host.clone() });
        }
    }
    // As in etcd, the default cluster follows the member's name, but not its URLs alone.
    if config.name != DEFAULT_NAME && config.initial_cluster == DEFAULT_INITIAL_CLUSTER {
        // Where the name is empty no member of the cluster is this one, and the start is refused.
        let name = if config.name.is_empty() { DEFAULT_NAME } else { &config.name };
        let pair = |url: &Url| format!("{name}={url}");
        let pairs: Vec<String> = config.advertise_peer_urls.iter().map(pair).collect();
        config.initial_cluster = pairs.join(",");
    }
    if config.data_dir.as_os_str().is_empty() {
        let data_dir = format!("{}.etcd", config.name);
        config.data_dir = data_dir.clone().into();
        notices.push(Notice::DefaultDataDir { data_dir });
    }
}

/// Advertises the machine's host where every address is listened on and the default is advertised.
fn advertise_host(listen: &[Url], advertise: &mut [Url], default: &str, host: &str) -> bool {
    let everywhere = listen.first().filter(|url| url.hostname() == "0.0.0.0");
    match (everywhere, advertise) {
        (Some(listen), [url]) if url.to_string() == default => {
            let there = url.with_host(&format!("{host}:{}", listen.port()));
            there.map(|there| *url = there).is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "parse_test.rs"]
mod tests;
