//! Text in quotation marks, as Go's `%q` shows it in messages.

use std::fmt::Write;

/// The text in quotation marks.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{7f}' => _ = write!(quoted, "\\x{:02x}", u32::from(character)),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A list of texts in quotation marks: `["a" "b"]`.
pub(crate) fn quote_list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| quote(&item.to_string())).collect();
    format!("[{}]", items.join(" "))
}
