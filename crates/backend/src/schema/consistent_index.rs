//! `meta/consistent_index`: the last log entry whose effects are in the file, as `u64` big endian.
//!
//! Index 0 is never stored (spec/schema.md 2.2).

use types::Index;

use super::{Bucket, Malformed};

/// The row's key.
pub const KEY: &[u8] = b"consistent_index";

/// The stored bytes.
#[must_use]
pub const fn encode(index: Index) -> [u8; 8] {
    index.0.to_be_bytes()
}

/// Reads the stored bytes.
///
/// # Errors
/// When they are not 8.
pub fn decode(value: &[u8]) -> Result<Index, Malformed> {
    let bytes = value
        .try_into()
        .map_err(|_| Malformed::new(Bucket::Meta, KEY, "8 bytes of an index", value))?;
    Ok(Index(u64::from_be_bytes(bytes)))
}
