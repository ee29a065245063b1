//! From words to a command and its arguments: clap splits them, the words for what is wrong are
//! pflag's and cobra's.

use bytes::Bytes;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::help::usage;
use super::spec::{Arguments, Flag, Given, Kind, Spec};
use super::value::{parse_bool, parse_int};
use crate::failure::{ERROR, Failure};
use crate::quote::quote;

/// The argument under which clap keeps what is not a flag.
const POSITIONAL: &str = "\0positional";

/// A command line that makes sense.
#[derive(Debug)]
pub struct Parsed<'a> {
    /// The commands from the root's own on; empty for the root itself.
    pub path: Vec<&'static str>,
    /// The last of them.
    pub spec: &'a Spec,
    /// Help was asked for.
    pub help: bool,
    /// What it was given.
    pub arguments: Arguments,
}

/// Reads a command line.
///
/// # Errors
/// What pflag or cobra would say, with the usage of the command.
pub fn parse(root: &Spec, words: Vec<OsString>) -> Result<Parsed<'_>, Failure> {
    let asked = path_of(root, &words);
    let last = words.last().cloned().unwrap_or_default();
    let name = OsString::from(root.name);
    let matches = build(root).try_get_matches_from(std::iter::once(name).chain(words));
    let matches = matches.map_err(|error| {
        Failure::new(ERROR, explain(&error, &last.to_string_lossy()))
            .with_usage(usage(root, &asked))
    })?;
    let mut specs = vec![root];
    let mut at = &matches;
    let mut help = at.get_flag("help");
    let mut path = Vec::new();
    while let Some((name, below)) = at.subcommand() {
        let last = specs[specs.len() - 1];
        let spec = last.command(name).expect("clap knows the declared commands only");
        path.push(spec.name);
        specs.push(spec);
        at = below;
        help |= at.get_flag("help");
    }
    let spec = specs[specs.len() - 1];
    let mut flags: Vec<Flag> = specs.iter().flat_map(|spec| &spec.inherited).copied().collect();
    flags.extend(&spec.flags);
    let arguments =
        collect(&flags, at).map_err(|failure| failure.with_usage(usage(root, &path)))?;
    Ok(Parsed { path, spec, help, arguments })
}

/// The commands that the words name, for the usage behind an error.
fn path_of(root: &Spec, words: &[OsString]) -> Vec<&'static str> {
    let mut spec = root;
    let mut path = Vec::new();
    for word in words {
        let Some(next) = word.to_str().and_then(|word| spec.command(word)) else { continue };
        path.push(next.name);
        spec = next;
    }
    path
}

fn build(spec: &Spec) -> Command {
    let help = Arg::new("help").long("help").short('h').action(ArgAction::SetTrue);
    let positional = Arg::new(POSITIONAL).num_args(0..).action(ArgAction::Append);
    let mut command = Command::new(spec.name)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .infer_subcommands(true)
        .args_override_self(true)
        .arg(help)
        .arg(positional.value_parser(value_parser!(OsString)));
    let own = spec.flags.iter().map(|flag| (flag, false));
    for (flag, global) in own.chain(spec.inherited.iter().map(|flag| (flag, true))) {
        command = command.arg(argument(flag).global(global));
    }
    command.subcommands(spec.commands.iter().map(build))
}

fn argument(flag: &Flag) -> Arg {
    let mut argument = Arg::new(flag.name).long(flag.name).value_parser(value_parser!(OsString));
    if let Some(short) = flag.short {
        argument = argument.short(short);
    }
    match flag.kind {
        Kind::Bool => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .action(ArgAction::Set),
        Kind::Texts => argument.num_args(1).allow_hyphen_values(true).action(ArgAction::Append),
        _ => argument.num_args(1).allow_hyphen_values(true).action(ArgAction::Set),
    }
}

/// Takes the values out and checks them.
fn collect(flags: &[Flag], matches: &ArgMatches) -> Result<Arguments, Failure> {
    let bytes = |value: &OsString| Bytes::from(value.clone().into_vec());
    let mut given = BTreeMap::new();
    for flag in flags {
        let values: Vec<Bytes> = match matches.get_many::<OsString>(flag.name) {
            Some(values) => values.map(bytes).collect(),
            None => Vec::new(),
        };
        for value in &values {
            check(flag, &String::from_utf8_lossy(value))
                .map_err(|message| Failure::new(ERROR, message))?;
        }
        let changed = !values.is_empty();
        let values =
            if changed { values } else { vec![Bytes::from_static(flag.default.as_bytes())] };
        given.insert(flag.name, Given { flag: *flag, values, changed });
    }
    let positional = matches.get_many::<OsString>(POSITIONAL);
    let positional = positional.map(|values| values.map(bytes).collect()).unwrap_or_default();
    Ok(Arguments { flags: given, positional })
}

/// Checks a value against the flag's kind; pflag's words.
pub(super) fn check(flag: &Flag, value: &str) -> Result<(), String> {
    let checked = match flag.kind {
        Kind::Bool => parse_bool(value).map(drop),
        Kind::Int => parse_int(value, 0).map(drop),
        Kind::Duration => config::parse_duration(value).map(drop),
        Kind::Text | Kind::Texts => Ok(()),
    };
    checked.map_err(|why| {
        let name = match flag.short {
            Some(short) => format!("-{short}, --{}", flag.name),
            None => format!("--{}", flag.name),
        };
        format!("invalid argument {} for \"{name}\" flag: {why}", quote(value.as_bytes()))
    })
}

/// What clap found, in pflag's words; a flag without its value is the last word.
fn explain(error: &clap::Error, last: &str) -> String {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return error.to_string();
    };
    // clap shows a flag with the name of its value.
    let name = argument.split([' ', '=', '[']).next().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if name.starts_with("--") => format!("unknown flag: {name}"),
        ErrorKind::UnknownArgument => {
            let short = name.chars().nth(1).unwrap_or('-');
            format!("unknown shorthand flag: {} in {name}", quote_character(short))
        }
        _ if last.starts_with('-') && !last.starts_with("--") => {
            let short = last.chars().next_back().unwrap_or('-');
            format!("flag needs an argument: {} in {last}", quote_character(short))
        }
        _ => format!("flag needs an argument: {name}"),
    }
}

fn quote_character(character: char) -> String {
    let quoted = quote(OsStr::new(&character.to_string()).as_bytes());
    format!("'{}'", quoted.trim_matches('"'))
}

#[cfg(test)]
#[path = "parse_test.rs"]
mod tests;
