//! JSON as Go's `encoding/json` writes it, and the few values that are read back.
//!
//! Knows no message. What is written is stored and hashed, so it is Go's to the letter: the order of
//! fields is the caller's, and `&`, `<`, `>` and the line separators are escaped.

use serde_json::{Map, Value};

use crate::Malformed;

/// Writes an object, field by field.
pub(crate) struct Object {
    text: String,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self { text: "{".to_owned() }
    }

    pub(crate) fn number(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        self.text.push_str(&value.to_string());
        self
    }

    pub(crate) fn boolean(mut self, name: &str, value: bool) -> Self {
        self.name(name);
        self.text.push_str(if value { "true" } else { "false" });
        self
    }

    pub(crate) fn string(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        write_string(&mut self.text, value);
        self
    }

    /// A list; an empty one is Go's nil slice, `null`.
    pub(crate) fn strings(mut self, name: &str, values: &[String]) -> Self {
        self.name(name);
        if values.is_empty() {
            self.text.push_str("null");
            return self;
        }
        for (position, value) in values.iter().enumerate() {
            self.text.push(if position == 0 { '[' } else { ',' });
            write_string(&mut self.text, value);
        }
        self.text.push(']');
        self
    }

    pub(crate) fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }

    fn name(&mut self, name: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        write_string(&mut self.text, name);
        self.text.push(':');
    }
}

fn write_string(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Fields read from an object, as Go reads them: names in any case, unknown ones passed over,
/// absent and `null` ones zero.
pub(crate) struct Fields {
    what: &'static str,
    fields: Map<String, Value>,
}

impl Fields {
    /// Reads an object; `what` is it for errors.
    pub(crate) fn parse(what: &'static str, text: &[u8]) -> Result<Self, Malformed> {
        match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => Ok(Self { what, fields }),
            Ok(Value::Null) => Ok(Self { what, fields: Map::new() }),
            Ok(_) => Err(Malformed::new(what, "no JSON object")),
            Err(error) => Err(Malformed::new(what, error.to_string())),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<u64, Malformed> {
        match self.get(name) {
            None => Ok(0),
            Some(value) => value.as_u64().ok_or_else(|| self.wrong(name)),
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<bool, Malformed> {
        match self.get(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(name)),
        }
    }

    pub(crate) fn string(&self, name: &str) -> Result<String, Malformed> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(value) => value.as_str().map(str::to_owned).ok_or_else(|| self.wrong(name)),
        }
    }

    pub(crate) fn strings(&self, name: &str) -> Result<Vec<String>, Malformed> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let values = value.as_array().ok_or_else(|| self.wrong(name))?;
        let text = |value: &Value| match value {
            Value::Null => Ok(String::new()),
            other => other.as_str().map(str::to_owned).ok_or_else(|| self.wrong(name)),
        };
        values.iter().map(text).collect()
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let exact = self.fields.get(name);
        let folded = || {
            let mut fields = self.fields.iter();
            fields.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        exact.or_else(folded).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str) -> Malformed {
        Malformed::new(self.what, format!("field {name} is of another type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let text =
            Object::new().string("s", "a&b<c>\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}ä\u{2028}").end();
        let expected =
            "{\"s\":\"a\\u0026b\\u003cc\\u003e\\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}ä\\u2028\"}";
        assert_eq!(text, expected);
    }

    #[test]
    fn fields_are_read_as_go_reads_them() {
        let text =
            br#"{"ID":18446744073709551615,"x":[1],"Name":null,"urls":["a",null],"on":true}"#;
        let fields = Fields::parse("thing", text).unwrap();
        assert_eq!(fields.number("id"), Ok(u64::MAX));
        assert_eq!(fields.number("absent"), Ok(0));
        assert_eq!(fields.string("name").as_deref(), Ok(""));
        assert_eq!(fields.strings("urls").unwrap(), ["a", ""]);
        assert_eq!(fields.boolean("on"), Ok(true));
        assert!(fields.boolean("id").is_err() && fields.strings("x").is_err());
        for text in ["", "[]", "1", "{", "{\"id\":-1", "\u{0}"] {
            assert!(Fields::parse("thing", text.as_bytes()).is_err(), "{text}");
        }
        let error = Fields::parse("thing", br#"{"id":1.5}"#).unwrap().number("id").unwrap_err();
        assert_eq!(error.to_string(), "malformed thing: field id is of another type");
    }
}
