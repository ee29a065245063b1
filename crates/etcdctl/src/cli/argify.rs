//! Splits a line into words as Go's `etcdctl` does in `txn` and `watch -i`.

use crate::quote::unquote;

/// The words of a line: in double quotes with Go's escapes, in single quotes as they stand, or up to
/// the next space. `None` if an escape can't be read.
///
/// A quote ends a word outside quotes only if a space or the end follows it, and a quote that is
/// never closed is passed over: both as in Go.
pub fn argify(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'"' => match quoted_length(rest) {
                Some(length) => {
                    words.push(unquote(&rest[..length])?.0);
                    rest = &rest[length..];
                }
                None => rest = after,
            },
            b'\'' => match after.iter().position(|byte| *byte == b'\'') {
                Some(length) => {
                    words.push(after[..length].to_vec());
                    rest = &after[length + 1..];
                }
                None => rest = after,
            },
            byte if byte.is_ascii_whitespace() => rest = after,
            _ => {
                let space = rest.iter().position(u8::is_ascii_whitespace);
                let (word, tail) = rest.split_at(space.unwrap_or(rest.len()));
                words.push(word.to_vec());
                rest = tail;
            }
        }
    }
    Some(words)
}

/// How long the text in double quotes at the start is, quotes included.
fn quoted_length(line: &[u8]) -> Option<usize> {
    let mut position = 1;
    loop {
        match line.get(position)? {
            b'"' => return Some(position + 1),
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        let words = argify(line.as_bytes())?;
        Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn words_are_split_as_go_splits_them() {
        let cases = [
            (r#"put "a b" 'c d' e"#, vec!["put", "a b", "c d", "e"]),
            (r#"put "a\tb\"c""#, vec!["put", "a\tb\"c"]),
            (r#"  a   b"c d  "#, vec!["a", "b\"c", "d"]),
            (r#"get "" --prefix"#, vec!["get", "", "--prefix"]),
            (r#"a "open"#, vec!["a", "open"]),
            ("", vec![]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
        assert_eq!(words(r#"put "\q""#), None);
    }
}
