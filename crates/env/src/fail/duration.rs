//! Durations as Go writes them.

use std::time::Duration;

/// Reads what Go's `time.ParseDuration` does; `None` where that gives an error. One below zero is
/// no time at all.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0.0;
    loop {
        let number = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let value: f64 = rest[..number].parse().ok()?;
        rest = &rest[number..];
        let unit = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        nanos += value
            * match &rest[..unit] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[unit..];
        if rest.is_empty() {
            break;
        }
    }
    let parsed = Duration::from_nanos(nanos as u64);
    Some(if negative { Duration::ZERO } else { parsed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_go_reads() {
        let millis = |text| parse(text).map(|duration| duration.as_millis());
        assert_eq!(millis("1s"), Some(1000));
        assert_eq!(millis("1.5s"), Some(1500));
        assert_eq!(millis("1h2m3s4ms"), Some(3_723_004));
        assert_eq!(millis("0"), Some(0));
        assert_eq!(millis("-5s"), Some(0));
        for wrong in ["", "1", "s", "1x", "1.2.3s", "1s2", "abc"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }
}
