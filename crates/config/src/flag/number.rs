//! Numbers and truth values as Go's package `strconv` reads them.

/// Why a text is not a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Not a number at all.
    Syntax,
    /// A number that does not fit.
    Range,
}

/// `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.ParseInt(text, 0, 64)`.
pub fn parse_int(text: &str) -> Result<i64, Fault> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(parse_uint(digits)?);
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map_err(|_| Fault::Range)
}

/// `strconv.ParseUint(text, 0, 64)`: decimal, `0x`, `0o`, `0b` or a leading zero for octal, with
/// underscores between digits where there is a prefix or, as Go allows, in plain decimals.
pub fn parse_uint(text: &str) -> Result<u64, Fault> {
    let lower = text.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let prefixed = digits.len() < lower.len();
    // An underscore stands between digits, or between the prefix and the first digit.
    let starts_well = prefixed || !digits.starts_with('_');
    if digits.is_empty() || !starts_well || digits.ends_with('_') || digits.contains("__") {
        return Err(Fault::Syntax);
    }
    let mut value: Option<u64> = Some(0);
    for character in digits.chars().filter(|character| *character != '_') {
        let digit = character.to_digit(base).ok_or(Fault::Syntax)?;
        value = value
            .and_then(|value| value.checked_mul(u64::from(base)))
            .and_then(|value| value.checked_add(u64::from(digit)));
    }
    value.ok_or(Fault::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gos() {
        let good = [
            ("0", 0),
            ("10", 10),
            ("0x1F", 31),
            ("0X1f", 31),
            ("017", 15),
            ("0o17", 15),
            ("0b101", 5),
            ("1_000", 1000),
            ("0x_1_0", 16),
            ("0_7", 7),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, value) in good {
            assert_eq!(parse_uint(text), Ok(value), "{text}");
        }
        for text in ["", "-1", "+1", "x", "08", "0x", "0b2", "1__0", "_1", "1_", "1.5", " 1", "é"]
        {
            assert_eq!(parse_uint(text), Err(Fault::Syntax), "{text}");
        }
        assert_eq!(parse_uint("18446744073709551616"), Err(Fault::Range));
        assert_eq!(parse_int("-0x10"), Ok(-16));
        assert_eq!(parse_int("+5"), Ok(5));
        assert_eq!(parse_int("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(parse_int("9223372036854775808"), Err(Fault::Range));
        assert_eq!(parse_int("--5"), Err(Fault::Syntax));
    }

    #[test]
    fn truth_is_gos() {
        assert_eq!(parse_bool("T"), Some(true));
        assert_eq!(parse_bool("False"), Some(false));
        assert_eq!(parse_bool("yes"), None);
        assert_eq!(parse_bool("tRUE"), None);
    }
}
