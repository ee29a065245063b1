//! A stored row that is not what its bucket holds.

use std::fmt;

use super::Bucket;

/// A row's key or value that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("bucket {bucket}, row {}: expected {expected}, found {}", Quoted(key), Quoted(found))]
pub struct Malformed {
    /// Where the row is.
    pub bucket: Bucket,
    /// The row's key.
    pub key: Vec<u8>,
    /// What should be there.
    pub expected: &'static str,
    /// The beginning of what is there.
    pub found: Vec<u8>,
}

/// How many bytes of a damaged row an error quotes.
const QUOTED_BYTES_MAX: usize = 64;

impl Malformed {
    /// An error about a row; keeps the beginnings of key and value.
    #[must_use]
    pub fn new(bucket: Bucket, key: &[u8], expected: &'static str, found: &[u8]) -> Self {
        let head = |bytes: &[u8]| bytes[..bytes.len().min(QUOTED_BYTES_MAX)].to_vec();
        Self { bucket, key: head(key), expected, found: head(found) }
    }
}

/// Bytes as text with escapes, in quotation marks.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_row_and_quotes_only_its_beginning() {
        let error = Malformed::new(Bucket::Meta, b"term", "8 bytes", &[0xff; 1000]);
        let text = error.to_string();
        assert!(text.starts_with(r#"bucket meta, row "term": expected 8 bytes, found "\xff"#));
        assert!(text.len() < 400, "{text}");
    }
}
