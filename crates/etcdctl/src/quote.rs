//! Bytes in Go's quotes: written as `%q` prints them, and read back.

use std::fmt::Write as _;

/// Go's `strconv.Quote`, for bytes that need not be text.
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push(&mut out, character));
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("writing to a string cannot fail");
        }
    }
    out.push('"');
    out
}

fn push(out: &mut String, character: char) {
    let code = character as u32;
    let written = match character {
        '"' => write!(out, "\\\""),
        '\\' => write!(out, "\\\\"),
        '\u{7}' => write!(out, "\\a"),
        '\u{8}' => write!(out, "\\b"),
        '\u{c}' => write!(out, "\\f"),
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        '\u{b}' => write!(out, "\\v"),
        _ if is_printable(character) => write!(out, "{character}"),
        _ if code < 0x80 => write!(out, "\\x{code:02x}"),
        _ if code < 0x10000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    written.expect("writing to a string cannot fail");
}

/// Go's `unicode.IsPrint`, as far as the standard library knows characters: no controls, no spaces
/// but the common one, none that only direct how others look, none for private use.
fn is_printable(character: char) -> bool {
    let hidden = matches!(
        character,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
            | '\u{f0000}'..
    );
    character == ' ' || !character.is_control() && !character.is_whitespace() && !hidden
}

/// Reads a text in double quotes (with Go's escapes) or back quotes from the start of a line; gives
/// the bytes and what follows. `None` if there is none.
pub fn unquote(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    if let Some(raw) = line.strip_prefix(b"`") {
        let end = raw.iter().position(|byte| *byte == b'`')?;
        return Some((raw[..end].to_vec(), &raw[end + 1..]));
    }
    let mut rest = line.strip_prefix(b"\"")?;
    let mut out = Vec::new();
    loop {
        let (first, after) = rest.split_first()?;
        rest = after;
        match first {
            b'"' => return Some((out, rest)),
            b'\n' => return None,
            b'\\' => rest = escape(rest, &mut out)?,
            byte => out.push(*byte),
        }
    }
}

/// Reads what stands behind a backslash.
fn escape<'a>(line: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (first, rest) = line.split_first()?;
    let (digits, radix) = match first {
        b'x' => (2, 16),
        b'u' => (4, 16),
        b'U' => (8, 16),
        b'0'..=b'7' => (3, 8),
        other => {
            let named = [
                (b'a', 7),
                (b'b', 8),
                (b'f', 12),
                (b'n', 10),
                (b'r', 13),
                (b't', 9),
                (b'v', 11),
                (b'\\', b'\\'),
                (b'"', b'"'),
            ];
            out.push(named.iter().find(|(name, _)| name == other)?.1);
            return Some(rest);
        }
    };
    let from = if radix == 8 { line } else { rest };
    let text = std::str::from_utf8(from.get(..digits)?).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let value = u32::from_str_radix(text, radix).ok()?;
    if digits <= 3 {
        out.push(u8::try_from(value).ok()?);
    } else {
        let mut buffer = [0; 4];
        out.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut buffer).as_bytes());
    }
    Some(&from[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_as_go_does() {
        assert_eq!(quote(b"a\"b\\\n\x01\xff"), r#""a\"b\\\n\x01\xff""#);
        assert_eq!(
            quote("grüße ✓\u{7f}\u{a0}\u{feff}".as_bytes()),
            "\"grüße ✓\\x7f\\u00a0\\ufeff\""
        );
    }

    #[test]
    fn what_is_quoted_reads_back() {
        for bytes in [&b""[..], b"plain", b"\"\\\n\t\x00\xff\xfe", "ü✓\u{feff}".as_bytes()] {
            let line = [quote(bytes).as_bytes(), b") rest"].concat();
            assert_eq!(unquote(&line), Some((bytes.to_vec(), &b") rest"[..])));
        }
        assert_eq!(unquote(b"`a\\n` x"), Some((b"a\\n".to_vec(), &b" x"[..])));
        assert_eq!(unquote(br#""\101""#), Some((b"A".to_vec(), &b""[..])));
        for bad in [&b"plain"[..], b"\"open", br#""\q""#, br#""\x+1""#, br#""\400""#, b"\"\\"] {
            assert_eq!(unquote(bad), None, "{bad:?}");
        }
    }
}
