//! A `tracing` event as one line of zap's JSON or console encoder.

use super::{Level, Timestamp};
use std::error::Error;
use std::fmt;
use tracing::field::{Field, Visit};

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// Tabs between time, level, caller and message, then the fields as JSON.
    Console,
}

/// A list of texts as JSON, for a field whose name ends in `[]`.
#[must_use]
pub fn json_strings<T: AsRef<str>>(list: impl IntoIterator<Item = T>) -> String {
    let mut out = String::from("[");
    for (position, text) in list.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        push_json_string(&mut out, text.as_ref());
    }
    out.push(']');
    out
}

/// Collects the fields of one event.
pub(super) struct Fields {
    spacing: Spacing,
    /// `"name":value` pairs with commas between.
    pairs: String,
    message: String,
    level: Option<String>,
}

/// zap's console encoder puts a space after colons and commas.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spacing {
    None,
    Spaces,
}

/// What stands before the fields.
pub(super) struct Head<'a> {
    pub time: Timestamp,
    pub level: Level,
    /// `crate/file.rs:line`.
    pub caller: &'a str,
}

impl Fields {
    pub fn new(format: Format) -> Self {
        let spacing = match format {
            Format::Json => Spacing::None,
            Format::Console => Spacing::Spaces,
        };
        Self { spacing, pairs: String::new(), message: String::new(), level: None }
    }

    /// The line, with its end.
    pub fn line(self, format: Format, head: &Head<'_>) -> String {
        match format {
            Format::Json => self.json(head),
            Format::Console => self.console(head),
        }
    }

    /// The level that the event asks for by its `zap-level` field, if it is one.
    pub fn level(&self) -> Option<Level> {
        self.level.as_deref()?.parse().ok()
    }

    fn json(self, head: &Head<'_>) -> String {
        let mut line = String::with_capacity(96 + self.message.len() + self.pairs.len());
        push(&mut line, format_args!("{{\"level\":\"{}\",\"ts\":\"{}\"", head.level, head.time));
        line.push_str(",\"caller\":");
        push_json_string(&mut line, head.caller);
        line.push_str(",\"msg\":");
        push_json_string(&mut line, &self.message);
        if !self.pairs.is_empty() {
            line.push(',');
            line.push_str(&self.pairs);
        }
        line.push_str("}\n");
        line
    }

    fn console(self, head: &Head<'_>) -> String {
        let mut line = String::with_capacity(80 + self.message.len() + self.pairs.len());
        let Head { time, level, caller } = head;
        push(&mut line, format_args!("{time}\t{level}\t{caller}\t{}", self.message));
        if !self.pairs.is_empty() {
            push(&mut line, format_args!("\t{{{}}}", self.pairs));
        }
        line.push('\n');
        line
    }

    fn name(&mut self, name: &str) {
        let (comma, colon) = match self.spacing {
            Spacing::None => (",", ":"),
            Spacing::Spaces => (", ", ": "),
        };
        if !self.pairs.is_empty() {
            self.pairs.push_str(comma);
        }
        push_json_string(&mut self.pairs, name);
        self.pairs.push_str(colon);
    }

    /// A value that JSON takes as it prints.
    fn plain(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        push(&mut self.pairs, format_args!("{value}"));
    }

    fn text(&mut self, name: &str, value: fmt::Arguments<'_>) {
        match name {
            "message" => push(&mut self.message, value),
            "zap-level" => self.level = Some(value.to_string()),
            _ => match name.strip_suffix("[]") {
                Some(name) => self.plain(name, value),
                None => {
                    self.name(name);
                    self.pairs.push('"');
                    push(&mut Escaped(&mut self.pairs), value);
                    self.pairs.push('"');
                }
            },
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field.name(), format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.plain(field.name(), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.plain(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field.name(), value);
        } else {
            // zap quotes what JSON has no number for.
            self.text(field.name(), format_args!("{}", crate::go_float(value)));
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn push(out: &mut impl fmt::Write, text: fmt::Arguments<'_>) {
    // A value's own formatting may fail; the line then ends early in it, which loses less than a
    // panic in the middle of logging.
    let _ = out.write_fmt(text);
}

fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    push(&mut Escaped(out), format_args!("{text}"));
    out.push('"');
}

/// Writes text with zap's JSON escapes.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                '\0'..'\u{20}' => write!(self.0, "\\u{:04x}", character as u32)?,
                // JSON allows these two, but zap's readers in JavaScript once did not.
                '\u{2028}' => self.0.push_str("\\u2028"),
                '\u{2029}' => self.0.push_str("\\u2029"),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}
