//! `meta/term`: the raft term of the entry at the consistent index, as `u64` big endian.
//!
//! Since 3.5; its absence marks an older file. Term 0 is never stored (spec/schema.md 2.2).

use types::Term;

use super::{Bucket, Malformed};

/// The row's key.
pub const KEY: &[u8] = b"term";

/// The stored bytes.
#[must_use]
pub const fn encode(term: Term) -> [u8; 8] {
    term.0.to_be_bytes()
}

/// Reads the stored bytes.
///
/// # Errors
/// When they are not 8.
pub fn decode(value: &[u8]) -> Result<Term, Malformed> {
    let bytes = value
        .try_into()
        .map_err(|_| Malformed::new(Bucket::Meta, KEY, "8 bytes of a term", value))?;
    Ok(Term(u64::from_be_bytes(bytes)))
}
