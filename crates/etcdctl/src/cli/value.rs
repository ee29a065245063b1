//! Values of flags and arguments, read as Go reads them.

use std::borrow::Cow;

use crate::quote::quote;

/// Go's `strconv.ParseInt` with its words. `radix` 0 takes it from the prefix (`0x`, `0b`, `0o`).
pub fn parse_int(text: &str, radix: u32) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let magnitude = digits_of(digits, radix).map_err(|why| said("ParseInt", text, why))?;
    let magnitude = magnitude.map(i128::from).map(|value| if negative { -value } else { value });
    let value = magnitude.and_then(|value| i64::try_from(value).ok());
    value.ok_or_else(|| said("ParseInt", text, "value out of range"))
}

/// Go's `strconv.ParseUint` with its words.
pub fn parse_uint(text: &str, radix: u32) -> Result<u64, String> {
    let value = digits_of(text, radix).map_err(|why| said("ParseUint", text, why))?;
    value.ok_or_else(|| said("ParseUint", text, "value out of range"))
}

/// Go's `strconv.ParseBool` with its words.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(said("ParseBool", text, "invalid syntax")),
    }
}

const SYNTAX: &str = "invalid syntax";

/// The number; `None` if it is too large.
fn digits_of(text: &str, radix: u32) -> Result<Option<u64>, &'static str> {
    let prefixed = radix == 0;
    let (digits, radix) = match (radix, text.get(..2).map(str::to_ascii_lowercase).as_deref()) {
        (0, Some("0x")) => (&text[2..], 16),
        (0, Some("0b")) => (&text[2..], 2),
        (0, Some("0o")) => (&text[2..], 8),
        (0, _) if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        (0, _) => (text, 10),
        (radix, _) => (text, radix),
    };
    let digits = match prefixed {
        true => Cow::Owned(without_separators(digits, digits.len() < text.len())?),
        false => Cow::Borrowed(digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(SYNTAX);
    }
    Ok(u64::from_str_radix(&digits, radix).ok())
}

/// A number as Go's source has it may have single `_` between its digits, and behind its prefix.
fn without_separators(digits: &str, behind_prefix: bool) -> Result<String, &'static str> {
    let misplaced = (digits.starts_with('_') && !behind_prefix)
        || digits.ends_with('_')
        || digits.contains("__");
    if misplaced { Err(SYNTAX) } else { Ok(digits.replace('_', "")) }
}

fn said(function: &str, text: &str, why: &str) -> String {
    format!("strconv.{function}: parsing {}: {why}", quote(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        assert_eq!(parse_int("-12", 10), Ok(-12));
        assert_eq!(parse_int("0x10", 0), Ok(16));
        for (text, expected) in [("1_0", 10), ("-1_000", -1000), ("0x_1f", 31), ("0_7", 7)] {
            assert_eq!(parse_int(text, 0), Ok(expected), "{text}");
            assert!(parse_int(text, 10).is_err(), "{text}");
        }
        for text in ["_1", "1_", "1__0", "_", "0x_", "0x", "-_1"] {
            assert!(parse_int(text, 0).is_err(), "{text}");
        }
        assert_eq!(parse_int("-8000000000000000", 16), Ok(i64::MIN));
        let syntax = "strconv.ParseInt: parsing \"zz\": invalid syntax".to_owned();
        assert_eq!(parse_int("zz", 16), Err(syntax));
        let range = "strconv.ParseInt: parsing \"9223372036854775808\": value out of range";
        assert_eq!(parse_int("9223372036854775808", 10), Err(range.to_owned()));
        assert_eq!(parse_uint("ffffffffffffffff", 16), Ok(u64::MAX));
        assert!(parse_uint("-1", 16).is_err() && parse_int("", 10).is_err());
        assert!(parse_int("--1", 10).is_err() && parse_int("+-1", 10).is_err());
    }
}
