//! The query of a URL.

/// Names and values in their order, percent signs decoded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the question mark.
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        )
    }

    /// The first value of a name.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The text of a name or value.
fn text(encoded: &str) -> String {
    let spaced = encoded.replace('+', " ");
    String::from_utf8_lossy(&decode(&spaced)).into_owned()
}

/// The bytes that percent signs stand for; a sign without two digits behind it stands for itself.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, hex.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_values_and_escapes() {
        let query = Query::parse("exclude=NOSPACE&verbose&exclude=a%20b+c%zz&&x=%");
        let excluded: Vec<&str> = query.all("exclude").collect();
        assert_eq!(excluded, ["NOSPACE", "a b c%zz"]);
        assert_eq!(query.first("verbose"), Some(""));
        assert_eq!(query.first("x"), Some("%"));
        assert_eq!(query.first("none"), None);
    }
}
