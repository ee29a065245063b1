//! Durations as Go's `time.ParseDuration` reads them: `1h30m`, `1.5s`, `-3ms`, `0`.

use crate::quote::quote;
use telemetry::GoDuration;

/// Largest magnitude of a Go duration in nanoseconds, reached by negative ones only.
const LIMIT: u128 = 1 << 63;

/// Reads a duration.
///
/// # Errors
/// Go's own words: `time: invalid duration "x"`, `time: unknown unit "x" in duration "1x"`,
/// `time: missing unit in duration "1"`.
pub fn parse_duration(text: &str) -> Result<GoDuration, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(GoDuration(0));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (nanos, after) = part(rest, text)?;
        total += nanos;
        if total > LIMIT {
            return Err(invalid());
        }
        rest = after;
    }
    match (negative, total) {
        (true, _) => Ok(GoDuration((total as i64).wrapping_neg())),
        (false, LIMIT) => Err(invalid()),
        (false, _) => Ok(GoDuration(total as i64)),
    }
}

/// One number with its unit: its nanoseconds and what follows.
fn part<'a>(text: &'a str, whole: &str) -> Result<(u128, &'a str), String> {
    let invalid = || format!("time: invalid duration {}", quote(whole));
    let (integer, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if integer.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    if unit.is_empty() {
        return Err(format!("time: missing unit in duration {}", quote(whole)));
    }
    let scale = nanos_of(unit).ok_or_else(|| {
        format!("time: unknown unit {} in duration {}", quote(unit), quote(whole))
    })?;
    let count: u128 = if integer.is_empty() {
        0
    } else {
        integer.parse().ok().filter(|count| *count <= LIMIT).ok_or_else(invalid)?
    };
    Ok((count * scale + fraction_of(fraction, scale), rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// `0.fraction * scale`, cut to whole nanoseconds; digits beyond what a nanosecond of an hour can
/// show are left out of account.
fn fraction_of(fraction: &str, scale: u128) -> u128 {
    let shown = &fraction[..fraction.len().min(18)];
    let value: u128 = shown.parse().unwrap_or(0);
    value * scale / 10_u128.pow(shown.len() as u32)
}

fn nanos_of(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let cases: [(&str, i64); 18] = [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("-5s", -5_000_000_000),
            ("5.6s", 5_600_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("10ns", 10),
            ("11us", 11_000),
            ("12µs", 12_000),
            ("12μs", 12_000),
            ("13ms", 13_000_000),
            ("3h30m", 12_600_000_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("0.100000000000000000000h", 360_000_000_000),
        ];
        for (text, nanos) in cases {
            let expected = if text.starts_with("0.333") { nanos - 1 } else { nanos };
            assert_eq!(parse_duration(text), Ok(GoDuration(expected)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        let cases = [
            ("", "time: invalid duration \"\""),
            ("3", "time: missing unit in duration \"3\""),
            ("-", "time: invalid duration \"-\""),
            ("s", "time: invalid duration \"s\""),
            (".s", "time: invalid duration \".s\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            ("1 s", "time: unknown unit \" s\" in duration \"1 s\""),
            ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
            ("3000000h", "time: invalid duration \"3000000h\""),
            (
                "99999999999999999999999999999999999999999h",
                "time: invalid duration \"99999999999999999999999999999999999999999h\"",
            ),
        ];
        for (text, error) in cases {
            assert_eq!(parse_duration(text), Err(error.to_owned()));
        }
    }
}
