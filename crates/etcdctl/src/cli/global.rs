//! The flags that every command takes, with their variables (`--dial-timeout` is
//! `ETCDCTL_DIAL_TIMEOUT`).

use crate::say::say;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::parse::check;
use super::spec::{Arguments, Flag, Kind, bool_flag, int_flag, text_flag};
use crate::failure::{BAD_ARGUMENTS, ERROR, Failure};
use crate::quote::quote;

/// What begins the names of variables.
const PREFIX: &str = "ETCDCTL_";

/// Variables that belong to no flag and are still ours.
const OTHER_VARIABLES: [&str; 3] = ["ETCDCTL_WATCH_KEY", "ETCDCTL_WATCH_RANGE_END", "ETCDCTL_API"];

/// How replies are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people.
    Simple,
    /// One field per line.
    Fields,
    /// One object per reply.
    Json,
    /// The message itself.
    Protobuf,
    /// A table, for lists of members and endpoints.
    Table,
}

impl Format {
    fn named(name: &str) -> Option<Self> {
        match name {
            "simple" => Some(Self::Simple),
            "fields" => Some(Self::Fields),
            "json" => Some(Self::Json),
            "protobuf" => Some(Self::Protobuf),
            "table" => Some(Self::Table),
            _ => None,
        }
    }
}

/// The values of the flags that every command takes.
#[derive(Clone, Debug)]
pub struct Globals {
    /// The members.
    pub endpoints: Vec<String>,
    /// How long a connection may take.
    pub dial_timeout: Duration,
    /// How long a command may take.
    pub command_timeout: Duration,
    /// `--command-timeout` was given.
    pub command_timeout_given: bool,
    /// How long a connection may be silent.
    pub keepalive_time: Duration,
    /// How long it may stay silent after that.
    pub keepalive_timeout: Duration,
    /// The largest request, in bytes; 0 for 2 MiB.
    pub max_request_bytes: usize,
    /// The largest reply, in bytes; 0 for no limit.
    pub max_recv_bytes: usize,
    /// `None` for a name that is no format.
    pub format: Option<Format>,
    /// Bytes are printed in hexadecimal.
    pub hex: bool,
    /// `user` or `user:password`; empty for nobody.
    pub user: String,
    /// Empty for none.
    pub password: String,
    /// A token made elsewhere; empty for none.
    pub token: String,
}

impl Globals {
    /// The flags.
    pub fn flags() -> Vec<Flag> {
        let duration =
            |name, default, help| Flag { name, short: None, kind: Kind::Duration, default, help };
        let on = |flag: Flag| Flag { default: "true", ..flag };
        let short = |letter, flag: Flag| Flag { short: Some(letter), ..flag };
        let endpoints = Flag {
            name: "endpoints",
            short: None,
            kind: Kind::Texts,
            default: "127.0.0.1:2379",
            help: "members to talk to",
        };
        vec![
            endpoints,
            bool_flag("debug", "say on standard error what is set"),
            short(
                'w',
                text_flag(
                    "write-out",
                    "simple",
                    "format of replies: fields, json, protobuf, simple or table",
                ),
            ),
            bool_flag("hex", "print bytes in hexadecimal"),
            duration("dial-timeout", "2s", "longest wait for a connection"),
            duration(
                "command-timeout",
                "5s",
                "longest wait for a reply, the connection not counted",
            ),
            duration(
                "keepalive-time",
                "2s",
                "silence after which a connection is tried (10s at least)",
            ),
            duration("keepalive-timeout", "6s", "longest wait for the answer to that"),
            int_flag("max-request-bytes", "largest request to send; 0 means 2 MiB"),
            int_flag("max-recv-bytes", "largest reply to take; 0 means no limit"),
            on(bool_flag("insecure-transport", "talk without TLS")),
            on(bool_flag("insecure-discovery", "take members without TLS from DNS")),
            bool_flag("insecure-skip-tls-verify", "trust any server certificate (for tests only)"),
            text_flag("cert", "", "file of the client's certificate"),
            text_flag("key", "", "file of the client's key"),
            text_flag("cacert", "", "file of the authorities that servers' certificates come from"),
            text_flag("auth-jwt-token", "", "token to send instead of user and password"),
            text_flag("user", "", "user[:password]; without a password it is asked for"),
            text_flag("password", "", "password of --user"),
            short('d', text_flag("discovery-srv", "", "domain whose SRV records name the members")),
            text_flag("discovery-srv-name", "", "service name in those records"),
        ]
    }

    /// Reads the variables into flags that were not given, and takes the values.
    ///
    /// # Errors
    /// A variable and its flag that contradict, a flag that is not there yet, an empty file name.
    pub fn read(arguments: &mut Arguments, inherited: &[Flag]) -> Result<Self, Failure> {
        apply_variables(arguments, inherited)?;
        if arguments.is_set("debug") {
            show(arguments, inherited);
        }
        refuse_tls(arguments)?;
        let size = |name| usize::try_from(arguments.int(name)).unwrap_or(0);
        let endpoints = arguments.texts("endpoints");
        Ok(Self {
            endpoints: endpoints.iter().map(|endpoint| endpoint.trim().to_owned()).collect(),
            dial_timeout: arguments.duration("dial-timeout"),
            command_timeout: arguments.duration("command-timeout"),
            command_timeout_given: arguments.changed("command-timeout"),
            keepalive_time: arguments.duration("keepalive-time"),
            keepalive_timeout: arguments.duration("keepalive-timeout"),
            max_request_bytes: size("max-request-bytes"),
            max_recv_bytes: size("max-recv-bytes"),
            format: Format::named(&arguments.text("write-out")),
            hex: arguments.is_set("hex"),
            user: arguments.text("user"),
            password: arguments.text("password"),
            token: arguments.text("auth-jwt-token"),
        })
    }
}

fn variable_of(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_uppercase().replace('-', "_"))
}

/// A value that makes no sense is passed over, as in Go.
fn apply_variables(arguments: &mut Arguments, flags: &[Flag]) -> Result<(), Failure> {
    let mut known: BTreeSet<String> = OTHER_VARIABLES.map(str::to_owned).into();
    for flag in flags {
        let name = variable_of(flag.name);
        let value = std::env::var_os(&name).filter(|value| !value.is_empty());
        let Some(given) = arguments.flags.get_mut(flag.name) else { continue };
        if given.changed {
            if value.is_some() {
                let message = "conflicting environment variable is shadowed by corresponding \
                               command-line flag (either unset environment variable or disable \
                               flag)";
                log("fatal", message, &name);
                return Err(Failure::silent(ERROR));
            }
        } else if let Some(value) = value {
            let value = Bytes::from(OsString::into_vec(value));
            if check(&given.flag, &String::from_utf8_lossy(&value)).is_ok() {
                given.values = vec![value];
                given.changed = true;
            }
        }
        known.insert(name);
    }
    let mut unknown: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        })
        .filter(|(name, _)| name.starts_with(PREFIX) && !known.contains(name))
        .collect();
    unknown.sort();
    for (name, value) in unknown {
        log("warn", "unrecognized environment variable", &format!("{name}={value}"));
    }
    Ok(())
}

/// A line like those of Go's logger.
fn log(level: &str, message: &str, variable: &str) {
    let variable = quote(variable.as_bytes());
    say!("{{\"level\":\"{level}\",\"msg\":\"{message}\",\"environment-variable\":{variable}}}");
}

/// What `--debug` shows: each flag as the variable that would set it.
fn show(arguments: &Arguments, flags: &[Flag]) {
    let mut flags = flags.to_vec();
    flags.sort_by_key(|flag| flag.name);
    for flag in flags {
        let value = match flag.kind {
            Kind::Texts => format!("[{}]", arguments.texts(flag.name).join(",")),
            Kind::Bool => arguments.is_set(flag.name).to_string(),
            Kind::Int => arguments.int(flag.name).to_string(),
            Kind::Text | Kind::Duration => arguments.text(flag.name),
        };
        say!("{}={value}", variable_of(flag.name));
    }
}

/// TLS and discovery are accepted and not there: saying so is better than talking in the open.
fn refuse_tls(arguments: &Arguments) -> Result<(), Failure> {
    for name in ["cert", "key", "cacert"] {
        if arguments.changed(name) {
            let value = arguments.text(name);
            let message = if value.is_empty() {
                format!("empty string is passed to --{name} option")
            } else {
                format!("--{name} is not supported yet: there is no TLS")
            };
            return Err(Failure::new(BAD_ARGUMENTS, message));
        }
    }
    if !arguments.is_set("insecure-transport") {
        let message = "--insecure-transport=false is not supported yet: there is no TLS";
        return Err(Failure::new(BAD_ARGUMENTS, message));
    }
    if !arguments.text("discovery-srv").is_empty() {
        return Err(Failure::new(BAD_ARGUMENTS, "--discovery-srv is not supported yet"));
    }
    Ok(())
}
