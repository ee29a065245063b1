//! The two rows of `auth`: whether authentication is on, and the revision of its state
//! (spec/schema.md 2.4).

use super::{Bucket, Malformed};

/// The key of "authentication is on".
pub const ENABLED: &[u8] = b"authEnabled";
/// The key of the revision.
pub const REVISION: &[u8] = b"authRevision";

/// The stored form of "authentication is on".
#[must_use]
pub const fn encode_enabled(enabled: bool) -> [u8; 1] {
    [enabled as u8]
}

/// Reads "authentication is on"; an absent row means it is not.
///
/// # Errors
/// When the row is neither 0 nor 1: what is unclear must not switch protection off.
pub fn decode_enabled(value: Option<&[u8]>) -> Result<bool, Malformed> {
    match value {
        None | Some([0]) => Ok(false),
        Some([1]) => Ok(true),
        Some(other) => Err(Malformed::new(Bucket::Auth, ENABLED, "one byte, 0 or 1", other)),
    }
}

/// The stored form of the revision.
#[must_use]
pub const fn encode_revision(revision: u64) -> [u8; 8] {
    revision.to_be_bytes()
}

/// Reads the revision; an absent row is 0, the state before the first start.
///
/// # Errors
/// When the row is not 8 bytes.
pub fn decode_revision(value: Option<&[u8]>) -> Result<u64, Malformed> {
    let Some(value) = value else { return Ok(0) };
    let bytes = value
        .try_into()
        .map_err(|_| Malformed::new(Bucket::Auth, REVISION, "8 bytes of a revision", value))?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_and_damage_does_not_disable() {
        assert_eq!(decode_enabled(Some(&encode_enabled(true))), Ok(true));
        assert_eq!(decode_enabled(Some(&encode_enabled(false))), Ok(false));
        assert_eq!(decode_enabled(None), Ok(false));
        assert!(decode_enabled(Some(&[2])).is_err());
        assert!(decode_enabled(Some(&[])).is_err());
        assert_eq!(decode_revision(Some(&encode_revision(258))), Ok(258));
        assert_eq!(decode_revision(None), Ok(0));
        assert!(decode_revision(Some(&[0; 7])).is_err());
    }
}
