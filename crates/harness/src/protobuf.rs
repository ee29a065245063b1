//! Protobuf messages shown without their descriptions: field numbers and values.
//!
//! Bytes that read as a message are shown as one; the same bytes are always shown the same way,
//! which is all that a comparison needs.

use std::fmt::Write as _;

/// Deeper bytes are shown as text.
const DEPTH_MAX: usize = 12;

/// A message as text: `1:{1:5 2:"x"} 3:7`. `None` if the bytes are no message.
pub fn show(bytes: &[u8]) -> Option<String> {
    show_at(bytes, 0)
}

fn show_at(mut rest: &[u8], depth: usize) -> Option<String> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let number = key >> 3;
        if number == 0 || number > 536_870_911 {
            return None;
        }
        let value = match key & 7 {
            0 => varint(&mut rest)?.to_string(),
            1 => u64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?).to_string(),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                show_bytes(take(&mut rest, length)?, depth)
            }
            5 => u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?).to_string(),
            _ => return None,
        };
        fields.push(format!("{number}:{value}"));
    }
    Some(fields.join(" "))
}

fn show_bytes(bytes: &[u8], depth: usize) -> String {
    let nested = (depth < DEPTH_MAX && !bytes.is_empty()).then(|| show_at(bytes, depth + 1));
    if let Some(Some(message)) = nested {
        return format!("{{{message}}}");
    }
    let mut text = String::from("\"");
    for byte in bytes {
        if byte.is_ascii_graphic() || *byte == b' ' {
            text.push(char::from(*byte));
        } else {
            write!(text, "\\x{byte:02x}").expect("writing to a string cannot fail");
        }
    }
    text.push('"');
    text
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let byte = take(rest, 1)?[0];
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::show;

    #[test]
    fn messages_are_shown() {
        assert_eq!(show(b"\x08\x96\x01").as_deref(), Some("1:150"));
        assert_eq!(show(b"\x12\x02\x08\x05\x1a\x01\xff").as_deref(), Some("2:{1:5} 3:\"\\xff\""));
        assert_eq!(show(b"\x12\x03a b").as_deref(), Some("2:\"a b\""));
        assert_eq!(show(b"").as_deref(), Some(""));
        assert_eq!(show(b"\x12\x09ab"), None);
        assert_eq!(show(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }
}
