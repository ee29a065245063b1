//! The walk over the arguments: Go's `flag.FlagSet` with `ContinueOnError`.

use super::value::Value;
use crate::quote::quote;
use crate::table::{FLAGS, Flag};
use std::collections::{BTreeMap, BTreeSet};

/// The values of all flags, and which were set.
///
/// Invariant: every flag of the table has a value of its kind.
#[derive(Clone, Debug)]
pub struct FlagSet {
    values: BTreeMap<&'static str, (&'static Flag, Value)>,
    set: BTreeSet<&'static str>,
}

/// Why a command line can't be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// `-h` or `--help`.
    Help,
    /// Go's words for what is wrong.
    Usage(String),
}

impl FlagSet {
    /// All flags at their defaults.
    pub fn new() -> Self {
        let entry =
            |flag: &'static Flag| (flag.name, (flag, flag.kind.default_value(flag.default)));
        let values = FLAGS.iter().flat_map(|group| group.flags).map(entry).collect();
        Self { values, set: BTreeSet::new() }
    }

    /// Reads arguments up to the first that is not a flag, and returns the rest.
    ///
    /// # Errors
    /// At the first fault, as Go.
    pub fn parse<'a>(&mut self, mut arguments: &'a [String]) -> Result<&'a [String], Fault> {
        while let Some((first, rest)) = arguments.split_first() {
            if first.len() < 2 || !first.starts_with('-') {
                break;
            }
            if first == "--" {
                return Ok(rest);
            }
            arguments = self.parse_one(first, rest)?;
        }
        Ok(arguments)
    }

    /// Reads one flag, with the argument behind it where it needs one; returns what is left.
    fn parse_one<'a>(&mut self, argument: &str, rest: &'a [String]) -> Result<&'a [String], Fault> {
        let name = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        let name = name.unwrap_or_default();
        if name.is_empty() || name.starts_with(['-', '=']) {
            return Err(Fault::Usage(format!("bad flag syntax: {argument}")));
        }
        let (name, given) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (name, None),
        };
        let Some((flag, _)) = self.values.get(name) else {
            let help = matches!(name, "help" | "h");
            let fault = Fault::Usage(format!("flag provided but not defined: -{name}"));
            return Err(if help { Fault::Help } else { fault });
        };
        let kind = flag.kind;
        let (text, rest, label) = match (given, rest.split_first()) {
            (Some(value), _) if kind.is_switch() => (value, rest, "boolean value"),
            (None, _) if kind.is_switch() => ("true", rest, "boolean value"),
            (Some(value), _) => (value, rest, "value"),
            (None, Some((value, rest))) => (value.as_str(), rest, "value"),
            (None, None) => {
                return Err(Fault::Usage(format!("flag needs an argument: -{name}")));
            }
        };
        let between = if kind.is_switch() { "for" } else { "for flag" };
        self.set(name, text).map_err(|error| {
            Fault::Usage(format!("invalid {label} {} {between} -{name}: {error}", quote(text)))
        })?;
        Ok(rest)
    }

    /// Sets a flag of the table.
    ///
    /// # Errors
    /// What is wrong with the value, without the flag's name.
    ///
    /// # Panics
    /// If there is no such flag.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let (flag, value) = self.values.get_mut(name).expect("only flags of the table are set");
        *value = flag.kind.parse(text, value)?;
        self.set.insert(flag.name);
        Ok(())
    }

    /// Takes a flag of the table as set, to the value that it has.
    pub fn mark(&mut self, name: &str) {
        let (flag, _) = self.values.get(name).expect("only flags of the table are marked");
        self.set.insert(flag.name);
    }

    /// The flag of a name.
    pub fn flag(&self, name: &str) -> Option<&'static Flag> {
        self.values.get(name).map(|(flag, _)| *flag)
    }

    /// Gives a flag the value of another, which is its old name.
    pub fn copy(&mut self, from: &str, to: &str) {
        let value = self.value(from).clone();
        let (flag, place) = self.values.get_mut(to).expect("only flags of the table are copied to");
        *place = value;
        self.set.insert(flag.name);
    }

    /// Whether it was set, by argument or variable.
    pub fn is_set(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    /// The flags that were set, by name.
    pub fn set_flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.set.iter().map(|name| self.values[name].0)
    }

    /// All flags, by name.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.values.values().map(|(flag, _)| *flag)
    }

    /// The value of a flag of the table.
    ///
    /// # Panics
    /// If there is no such flag.
    pub fn value(&self, name: &str) -> &Value {
        &self.values.get(name).expect("only flags of the table are asked for").1
    }
}
