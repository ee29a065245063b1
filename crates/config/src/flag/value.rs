//! The types of flags, and the errors of values that are not of them.

use super::number::{self, Fault};
use crate::duration::parse_duration;
use crate::gates;
use crate::quote::quote;
use membership::Url;
use telemetry::GoDuration;

/// The type of a flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// True or false; a value only after `=`.
    Bool,
    /// 64 bits with sign.
    Int,
    /// 64 bits without sign.
    Uint,
    /// 32 bits without sign; errors in `strconv`'s words, as etcd's own type gives them.
    Uint32,
    /// Nanoseconds.
    Duration,
    /// Any text.
    Text,
    /// Comma-separated URLs; an empty text leaves the default.
    Urls,
    /// As [`Kind::Urls`], but `*` is allowed and not a URL.
    Origins,
    /// Comma-separated texts, as they stand.
    List,
    /// Comma-separated texts, sorted, each once.
    Set,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Some of these, comma-separated.
    Choices(&'static [&'static str]),
    /// `Name=bool` pairs of known feature gates.
    Gates,
    /// Takes anything, needs nothing, means nothing.
    Ignored,
}

/// The value of a flag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Uint`] and [`Kind::Uint32`].
    Uint(u64),
    /// Of [`Kind::Duration`].
    Duration(GoDuration),
    /// Of [`Kind::Text`] and [`Kind::Choice`].
    Text(String),
    /// Of [`Kind::Urls`].
    Urls(Vec<Url>),
    /// Of the lists of texts.
    Texts(Vec<String>),
    /// Of [`Kind::Gates`], in the order given.
    Gates(Vec<(String, bool)>),
    /// Of [`Kind::Ignored`].
    Nothing,
}

impl Kind {
    /// Whether the flag stands alone, without a value.
    pub const fn is_switch(self) -> bool {
        matches!(self, Self::Bool | Self::Ignored)
    }

    /// Reads a value; `before` is what the flag holds already.
    ///
    /// # Errors
    /// Go's words for what is wrong with the text.
    pub fn parse(self, text: &str, before: &Value) -> Result<Value, String> {
        match self {
            Self::Bool => number::parse_bool(text).map(Value::Bool).ok_or_else(parse_error),
            Self::Int => number::parse_int(text).map(Value::Int).map_err(number_error),
            Self::Uint => number::parse_uint(text).map(Value::Uint).map_err(number_error),
            Self::Uint32 => parse_uint32(text),
            Self::Duration => parse_duration(text).map(Value::Duration).map_err(|_| parse_error()),
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Urls if text.is_empty() => Ok(before.clone()),
            Self::Urls => parse_urls(text).map(unique_urls),
            Self::Origins => parse_origins(text),
            Self::List => Ok(Value::Texts(text.split(',').map(str::to_owned).collect())),
            Self::Set => Ok(Value::Texts(sorted(text))),
            Self::Choice(choices) => parse_choice(text, choices),
            Self::Choices(choices) => parse_choices(text, choices, before),
            Self::Gates => gates::parse_pairs(text).map(Value::Gates),
            Self::Ignored => Ok(Value::Nothing),
        }
    }

    /// The value of a flag whose default is this text.
    ///
    /// # Panics
    /// If the table's default is not of the flag's type.
    pub fn default_value(self, text: &str) -> Value {
        match (self, text) {
            (Self::Urls, "") => Value::Urls(Vec::new()),
            (Self::List | Self::Set | Self::Choices(_), "") => Value::Texts(Vec::new()),
            (Self::Choice(_), "") => Value::Text(String::new()),
            _ => self.parse(text, &Value::Nothing).expect("a default in the table is valid"),
        }
    }
}

fn parse_error() -> String {
    "parse error".to_owned()
}

fn number_error(fault: Fault) -> String {
    match fault {
        Fault::Syntax => parse_error(),
        Fault::Range => "value out of range".to_owned(),
    }
}

fn parse_uint32(text: &str) -> Result<Value, String> {
    let value = number::parse_uint(text)
        .and_then(|value| u32::try_from(value).map(u64::from).map_err(|_| Fault::Range));
    value.map(Value::Uint).map_err(|fault| {
        let what = match fault {
            Fault::Syntax => "invalid syntax",
            Fault::Range => "value out of range",
        };
        format!("strconv.ParseUint: parsing {}: {what}", quote(text))
    })
}

fn parse_urls(text: &str) -> Result<Vec<Url>, String> {
    Url::parse_list(text).map_err(|error| error.to_string())
}

fn unique_urls(mut urls: Vec<Url>) -> Value {
    urls.dedup();
    Value::Urls(urls)
}

fn parse_origins(text: &str) -> Result<Value, String> {
    if text == "*" {
        return Ok(Value::Texts(vec!["*".to_owned()]));
    }
    let urls = parse_urls(text)?;
    Ok(Value::Texts(urls.iter().map(Url::to_string).collect()))
}

fn sorted(text: &str) -> Vec<String> {
    let mut texts: Vec<String> = text.split(',').map(str::to_owned).collect();
    texts.sort();
    texts.dedup();
    texts
}

fn parse_choice(text: &str, choices: &[&str]) -> Result<Value, String> {
    if choices.contains(&text) {
        return Ok(Value::Text(text.to_owned()));
    }
    Err("invalid value".to_owned())
}

fn parse_choices(text: &str, choices: &[&str], before: &Value) -> Result<Value, String> {
    let mut chosen = match before {
        Value::Texts(texts) => texts.clone(),
        _ => Vec::new(),
    };
    for choice in text.split(',') {
        if !choices.contains(&choice) {
            return Err(format!("invalid value {}", quote(choice)));
        }
        chosen.push(choice.to_owned());
    }
    chosen.sort();
    Ok(Value::Texts(chosen))
}
