//! The configuration file: YAML whose keys are the names of flags, some of them in sections.
//!
//! Read as etcd does (server/embed/config.go): as JSON into typed fields. A key that is no setting
//! is left out of account, one without a value leaves the default; a value has its setting's type,
//! so that a text of digits stands in quotes; durations are nanoseconds.

use crate::Error;
use crate::flag::{FlagSet, Kind};
use crate::quote::quote;
use crate::table::{Flag, Status};
use serde_json::Value;

/// Where etcd keeps a setting that has no key of its flag's name, and that flag.
#[rustfmt::skip]
const PLACES: &[(&str, &str)] = &[
    ("client-transport-security.allowed-hostname", "client-cert-allowed-hostname"),
    ("client-transport-security.auto-tls", "auto-tls"),
    ("client-transport-security.cert-file", "cert-file"),
    ("client-transport-security.client-cert-auth", "client-cert-auth"),
    ("client-transport-security.client-cert-file", "client-cert-file"),
    ("client-transport-security.client-key-file", "client-key-file"),
    ("client-transport-security.key-file", "key-file"),
    ("client-transport-security.trusted-ca-file", "trusted-ca-file"),
    ("discovery-config.client.auth.password", "discovery-password"),
    ("discovery-config.client.auth.username", "discovery-user"),
    ("discovery-config.client.dial-timeout", "discovery-dial-timeout"),
    ("discovery-config.client.endpoints", "discovery-endpoints"),
    ("discovery-config.client.keepalive-time", "discovery-keepalive-time"),
    ("discovery-config.client.keepalive-timeout", "discovery-keepalive-timeout"),
    ("discovery-config.client.request-timeout", "discovery-request-timeout"),
    ("discovery-config.client.secure.cacert", "discovery-cacert"),
    ("discovery-config.client.secure.cert", "discovery-cert"),
    ("discovery-config.client.secure.insecure-skip-tls-verify", "discovery-insecure-skip-tls-verify"),
    ("discovery-config.client.secure.insecure-transport", "discovery-insecure-transport"),
    ("discovery-config.client.secure.key", "discovery-key"),
    ("discovery-config.token", "discovery-token"),
    ("experimental-snapshot-catch-up-entries", "experimental-snapshot-catchup-entries"),
    ("peer-transport-security.allowed-cn", "peer-cert-allowed-cn"),
    ("peer-transport-security.allowed-hostname", "peer-cert-allowed-hostname"),
    ("peer-transport-security.auto-tls", "peer-auto-tls"),
    ("peer-transport-security.cert-file", "peer-cert-file"),
    ("peer-transport-security.client-cert-auth", "peer-client-cert-auth"),
    ("peer-transport-security.client-cert-file", "peer-client-cert-file"),
    ("peer-transport-security.client-key-file", "peer-client-key-file"),
    ("peer-transport-security.key-file", "peer-key-file"),
    ("peer-transport-security.skip-client-san-verification", "peer-skip-client-san-verification"),
    ("peer-transport-security.trusted-ca-file", "peer-trusted-ca-file"),
    ("socket-options.reuse-address", "socket-reuse-address"),
    ("socket-options.reuse-port", "socket-reuse-port"),
];

/// Flags that have no key at all.
const NO_KEYS: [&str; 9] = [
    "client-crl-file",
    "config-file",
    "discovery-fallback",
    "experimental-peer-skip-client-san-verification",
    "experimental-snapshot-catchup-entries",
    "peer-crl-file",
    "raft-read-timeout",
    "raft-write-timeout",
    "version",
];

/// Lists that a file holds as lists; others are comma-separated texts.
const LISTS: [&str; 6] = [
    "cipher-suites",
    "client-cert-allowed-hostname",
    "discovery-endpoints",
    "log-outputs",
    "peer-cert-allowed-cn",
    "peer-cert-allowed-hostname",
];

/// Why a file is refused.
#[derive(PartialEq, Eq, Debug)]
pub enum Fault {
    /// Said in the log.
    Refused(Error),
    /// etcd ends at once, with this on standard error alone.
    Abrupt(String),
}

/// A setting of the file, in the form that its flag takes.
struct Setting {
    flag: &'static Flag,
    text: String,
}

/// Sets flags, which are at their defaults, to what the file says.
///
/// # Errors
/// The first fault.
pub fn apply(flags: &mut FlagSet, content: &[u8]) -> Result<(), Fault> {
    let document = parse(content)?;
    let mut settings = Vec::new();
    collect(flags, "", &document, &mut settings).map_err(|fault| {
        invalid(format!("error unmarshaling JSON: while decoding JSON: json: cannot {fault}"))
    })?;
    if document.get("peer-transport-security").is_some_and(Value::is_null) {
        return Err(invalid("invalid peer-transport-security".to_owned()));
    }
    // Gates are looked at before what else can be wrong with a text.
    settings.sort_by_key(|setting| setting.flag.kind != Kind::Gates);
    for setting in settings {
        set(flags, &setting)?;
    }
    // The default of the advertised URLs stays, wherever clients are listened for.
    flags.mark("advertise-client-urls");
    Ok(())
}

fn invalid(text: String) -> Fault {
    Fault::Refused(Error::Invalid(text))
}

fn parse(content: &[u8]) -> Result<Value, Fault> {
    let fault = |error: &dyn std::fmt::Display| {
        invalid(format!("error converting YAML to JSON: yaml: {error}"))
    };
    let text = std::str::from_utf8(content).map_err(|error| fault(&error))?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| fault(&error))
}

/// Gathers the settings of a section, whose name ends in a dot, or of the whole document.
fn collect(
    flags: &FlagSet,
    section: &str,
    value: &Value,
    into: &mut Vec<Setting>,
) -> Result<(), String> {
    let entries = match value {
        Value::Null => return Ok(()),
        Value::Object(entries) => entries,
        other if section.is_empty() => {
            return Err(format!(
                "unmarshal {} into Go value of type embed.configYAML",
                name(other)
            ));
        }
        other => {
            let path = section.trim_end_matches('.');
            return Err(mismatch(path, &name(other), section_type(path)));
        }
    };
    for (key, value) in entries {
        let path = format!("{section}{}", key.to_ascii_lowercase());
        let inner = format!("{path}.");
        if PLACES.iter().any(|(place, _)| place.starts_with(&inner)) {
            collect(flags, &inner, value, into)?;
        } else if let Some(flag) = find(flags, &path)
            && !value.is_null()
        {
            into.push(Setting { flag, text: text(flag, &path, value)? });
        }
    }
    Ok(())
}

/// The flag whose value stands at a place.
fn find(flags: &FlagSet, path: &str) -> Option<&'static Flag> {
    let elsewhere = |name| NO_KEYS.contains(&name) || PLACES.iter().any(|row| row.1 == name);
    match PLACES.iter().find(|row| row.0 == path) {
        Some((_, name)) => flags.flag(name),
        None => {
            flags.flag(path).filter(|flag| flag.status != Status::Ignored && !elsewhere(flag.name))
        }
    }
}

/// A value as its flag would be given it.
fn text(flag: &Flag, path: &str, value: &Value) -> Result<String, String> {
    if LISTS.contains(&flag.name) {
        let Value::Array(items) = value else {
            return Err(mismatch(path, &name(value), "[]string"));
        };
        let items = items.iter().map(|item| match item {
            Value::String(text) => Ok(text.as_str()),
            other => Err(mismatch(path, &name(other), "string")),
        });
        return Ok(items.collect::<Result<Vec<_>, _>>()?.join(","));
    }
    let (kind, wanted) = match flag.kind {
        Kind::Bool => ("bool", "bool"),
        Kind::Int if flag.name == "quota-backend-bytes" => ("int", "int64"),
        Kind::Int => ("int", "int"),
        Kind::Uint if flag.name.contains("snapshot-c") => ("uint", "uint64"),
        Kind::Uint => ("uint", "uint"),
        Kind::Uint32 => ("uint", "uint32"),
        Kind::Duration => ("int", "time.Duration"),
        _ => ("text", "string"),
    };
    match (kind, value, whole(value)) {
        ("bool", Value::Bool(value), _) => Ok(value.to_string()),
        ("int", _, Some(number)) if i64::try_from(number).is_ok() => Ok(in_unit(flag, number)),
        ("uint", _, Some(number)) if fits(flag.kind, number) => Ok(number.to_string()),
        ("text", Value::String(text), _) => Ok(text.clone()),
        ("int" | "uint", Value::Number(number), _) => {
            Err(mismatch(path, &format!("number {number}"), wanted))
        }
        _ => Err(mismatch(path, &name(value), wanted)),
    }
}

fn in_unit(flag: &Flag, number: i128) -> String {
    let unit = if flag.kind == Kind::Duration { "ns" } else { "" };
    format!("{number}{unit}")
}

fn fits(kind: Kind, number: i128) -> bool {
    match kind {
        Kind::Uint32 => u32::try_from(number).is_ok(),
        _ => u64::try_from(number).is_ok(),
    }
}

/// A number without a fraction, however it is written.
fn whole(value: &Value) -> Option<i128> {
    let Value::Number(number) = value else {
        return None;
    };
    let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    // Beyond 2^53 such a number is no longer one that somebody meant.
    let near = |float: &f64| float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0;
    exact.or_else(|| number.as_f64().filter(near).map(|float| float as i128))
}

/// What Go calls a value.
fn name(value: &Value) -> String {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    name.to_owned()
}

fn mismatch(path: &str, value: &str, wanted: &str) -> String {
    format!("unmarshal {value} into Go struct field {} of type {wanted}", field(path))
}

/// Where etcd keeps a setting: URLs and what is a text in files only are in another structure.
fn field(path: &str) -> String {
    let (section, last) = path.rsplit_once('.').unwrap_or(("", path));
    let owner = match section {
        "" => "configYAML",
        "client-transport-security" | "peer-transport-security" => "securityConfig",
        "socket-options" => "SocketOpts",
        "discovery-config" => "DiscoveryConfig",
        "discovery-config.client" => "ConfigSpec",
        "discovery-config.client.secure" => "SecureConfig",
        _ => "AuthConfig",
    };
    let texts = ["cors", "feature-gates", "host-whitelist"];
    let urls = last.ends_with("-urls") && last != "listen-metrics-urls";
    let security = path.contains("transport-security");
    let inner = if texts.contains(&last) || urls || security { "configJSON" } else { "Config" };
    format!("{owner}.{inner}.{path}")
}

fn section_type(path: &str) -> &'static str {
    match path {
        "client-transport-security" | "peer-transport-security" => "embed.securityConfig",
        "socket-options" => "transport.SocketOpts",
        "discovery-config" => "v3discovery.DiscoveryConfig",
        "discovery-config.client" => "clientv3.ConfigSpec",
        "discovery-config.client.secure" => "clientv3.SecureConfig",
        _ => "clientv3.AuthConfig",
    }
}

fn set(flags: &mut FlagSet, setting: &Setting) -> Result<(), Fault> {
    let (name, text) = (setting.flag.name, setting.text.as_str());
    match setting.flag.kind {
        // The stage of the v2 store is fixed; that it is given is warned of.
        Kind::Choices(_) => {
            flags.mark(name);
            return Ok(());
        }
        // An empty text is as none, except for a name of which there is no default.
        Kind::Choice(_) | Kind::Origins | Kind::Set | Kind::List | Kind::Gates
            if text.is_empty() =>
        {
            return Ok(());
        }
        _ => {}
    }
    flags.set(name, text).map_err(|error| match setting.flag.kind {
        Kind::Urls => Fault::Abrupt(format!("unexpected error setting up {name}: {error}\n")),
        Kind::Choice(_) if name == "initial-cluster-state" => {
            invalid(format!("unexpected clusterState {}", quote(text)))
        }
        Kind::Gates => invalid(error),
        _ => invalid(format!("invalid value {} for {name}: {error}", quote(text))),
    })
}

#[cfg(test)]
#[path = "file_test.rs"]
mod tests;
