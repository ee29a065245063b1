//! What a command is called, what it takes, and the arguments that it was given.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

use super::value::{parse_bool, parse_int};

/// What a flag's value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Needs `=` for its value; alone it means true.
    Bool,
    /// A signed number.
    Int,
    /// Such as `1m30s`.
    Duration,
    /// Any bytes.
    Text,
    /// Texts with commas between them; given twice, both lists count.
    Texts,
}

/// A flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Behind the two dashes.
    pub name: &'static str,
    /// Behind a single dash.
    pub short: Option<char>,
    /// What it takes.
    pub kind: Kind,
    /// As it would be given; empty for nothing (false, 0).
    pub default: &'static str,
    /// For the help.
    pub help: &'static str,
}

/// A flag that is on or off, off by default.
pub const fn bool_flag(name: &'static str, help: &'static str) -> Flag {
    Flag { name, short: None, kind: Kind::Bool, default: "", help }
}

/// A number, 0 by default.
pub const fn int_flag(name: &'static str, help: &'static str) -> Flag {
    Flag { name, short: None, kind: Kind::Int, default: "", help }
}

/// A text.
pub const fn text_flag(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, short: None, kind: Kind::Text, default, help }
}

/// A command or a group of commands.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// One word.
    pub name: &'static str,
    /// What stands behind the name in the usage line; empty for a group.
    pub arguments: &'static str,
    /// One line for lists.
    pub summary: &'static str,
    /// Paragraphs for the command's own help.
    pub details: &'static str,
    /// Its own flags.
    pub flags: Vec<Flag>,
    /// Flags that its commands take as well.
    pub inherited: Vec<Flag>,
    /// For a group: its commands.
    pub commands: Vec<Spec>,
}

impl Spec {
    /// The command with this name.
    pub fn command(&self, name: &str) -> Option<&Spec> {
        self.commands.iter().find(|command| command.name == name)
    }
}

/// The values of one flag: as it was given, or its default.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub flag: Flag,
    pub values: Vec<Bytes>,
    pub changed: bool,
}

/// What a command was given. Every value has been checked against the flag's kind.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    pub(super) flags: BTreeMap<&'static str, Given>,
    /// What is not a flag.
    pub positional: Vec<Bytes>,
}

impl Arguments {
    fn given(&self, name: &str) -> &Given {
        self.flags.get(name).unwrap_or_else(|| panic!("the flag --{name} is declared"))
    }

    /// Whether a flag was given, on the command line or by a variable.
    pub fn changed(&self, name: &str) -> bool {
        self.given(name).changed
    }

    /// The bytes of a flag of any kind; the last ones count.
    pub fn bytes(&self, name: &str) -> Bytes {
        self.given(name).values.last().cloned().unwrap_or_default()
    }

    /// A flag of any kind as text.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.bytes(name)).into_owned()
    }

    /// A [`Kind::Bool`].
    pub fn is_set(&self, name: &str) -> bool {
        parse_bool(&self.text(name)).unwrap_or(false)
    }

    /// A [`Kind::Int`].
    pub fn int(&self, name: &str) -> i64 {
        parse_int(&self.text(name), 0).unwrap_or(0)
    }

    /// A [`Kind::Duration`]; below zero counts as zero.
    pub fn duration(&self, name: &str) -> Duration {
        let parsed = config::parse_duration(&self.text(name));
        Duration::from_nanos(parsed.map_or(0, |duration| u64::try_from(duration.0).unwrap_or(0)))
    }

    /// A [`Kind::Texts`].
    pub fn texts(&self, name: &str) -> Vec<String> {
        let lists = self.given(name).values.iter().map(|value| String::from_utf8_lossy(value));
        // As in Go, nothing is a list of none.
        let lists: Vec<_> = lists.filter(|list| !list.is_empty()).collect();
        lists.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect()
    }

    /// An argument as text.
    pub fn argument(&self, position: usize) -> String {
        String::from_utf8_lossy(&self.positional[position]).into_owned()
    }
}
