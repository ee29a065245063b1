//! JSON as Go's `encoding/json` writes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::{Display, Write as _};

/// An object that is being written. The methods that leave out empty values are for messages, whose
/// fields Go marks `omitempty`; [`always`](Self::always) is for the rest.
#[derive(Debug, Default)]
pub struct Object {
    text: String,
}

impl Object {
    /// An empty object.
    pub fn new() -> Self {
        Self::default()
    }

    /// A field with a value that is JSON already.
    pub fn always(mut self, name: &str, value: impl Display) -> Self {
        let comma = if self.text.is_empty() { "" } else { "," };
        write!(self.text, "{comma}{}:{value}", string(name))
            .expect("writing to a string cannot fail");
        self
    }

    /// A number unless it is 0.
    pub fn number<T: Display + Default + PartialEq>(self, name: &str, value: T) -> Self {
        if value == T::default() { self } else { self.always(name, value) }
    }

    /// `true`, or nothing.
    pub fn flag(self, name: &str, value: bool) -> Self {
        if value { self.always(name, true) } else { self }
    }

    /// A text unless it is empty.
    pub fn text(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.always(name, string(value)) }
    }

    /// Bytes in base64 unless there are none.
    pub fn bytes(self, name: &str, value: &[u8]) -> Self {
        if value.is_empty() { self } else { self.always(name, base64(value)) }
    }

    /// Texts unless there are none.
    pub fn texts(self, name: &str, values: &[String]) -> Self {
        self.list(name, values.iter().map(|value| string(value)))
    }

    /// Values that are JSON already, unless there are none.
    pub fn list(self, name: &str, values: impl IntoIterator<Item = String>) -> Self {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() { self } else { self.always(name, array(values)) }
    }

    /// A value that is JSON already, if there is one.
    pub fn maybe(self, name: &str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.always(name, value),
            None => self,
        }
    }

    /// The whole.
    pub fn finish(self) -> String {
        format!("{{{}}}", self.text)
    }
}

/// A list of values that are JSON already.
pub fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(","))
}

/// A list as Go writes a slice that was never made: `null` if it is empty.
pub fn array_or_null(values: impl IntoIterator<Item = String>) -> String {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() { "null".to_owned() } else { array(values) }
}

/// Bytes.
pub fn base64(bytes: &[u8]) -> String {
    format!("\"{}\"", STANDARD.encode(bytes))
}

/// A text; what could end a script in HTML is escaped too.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..'\u{20}' => {
                write!(out, "\\u{:04x}", character as u32)
                    .expect("writing to a string cannot fail");
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fields_are_left_out_where_go_leaves_them_out() {
        let object = Object::new().number("a", 0_i64).text("b", "").flag("c", false);
        let object = object.bytes("d", b"").texts("e", &[]).maybe("f", None).always("g", 0);
        assert_eq!(object.finish(), r#"{"g":0}"#);
        let object = Object::new().number("a", -1_i64).bytes("b", b"\xff").flag("c", true);
        assert_eq!(object.finish(), r#"{"a":-1,"b":"/w==","c":true}"#);
        assert_eq!(array_or_null([]), "null");
    }

    #[test]
    fn texts_are_escaped_as_go_does() {
        assert_eq!(string("a\"\\<\n\u{1}ü"), r#""a\"\\\u003c\n\u0001ü""#);
    }
}
