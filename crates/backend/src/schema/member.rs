//! Rows of `members` and `members_removed` (spec/schema.md 2.5).
//!
//! Both are keyed by the member's id in lower-case hexadecimal without leading zeros. A member's
//! value is JSON that crate `membership` reads and writes; a removed one's is [`REMOVED`].

use types::MemberId;

use super::{Bucket, Malformed};

/// The value of a row of `members_removed`.
pub const REMOVED: &[u8] = b"removed";

/// A row's key.
#[must_use]
pub fn key(id: MemberId) -> Vec<u8> {
    id.to_string().into_bytes()
}

/// Reads a row's key; `bucket` is the one it stands in.
///
/// # Errors
/// When it is not a hexadecimal number of 64 bits.
pub fn decode_key(bucket: Bucket, key: &[u8]) -> Result<MemberId, Malformed> {
    let malformed = || Malformed::new(bucket, key, "a member id in hexadecimal", b"");
    let digits = !key.is_empty() && key.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(key).map_err(|_| malformed())?;
    match u64::from_str_radix(text, 16) {
        Ok(id) if digits => Ok(MemberId(id)),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_no_leading_zeros() {
        let id = MemberId(0x0256_5f48_cfd8_5af5);
        assert_eq!(key(id), b"2565f48cfd85af5");
        assert_eq!(decode_key(Bucket::Members, b"2565f48cfd85af5"), Ok(id));
        assert_eq!(decode_key(Bucket::Members, &key(MemberId(u64::MAX))), Ok(MemberId(u64::MAX)));
    }

    #[test]
    fn other_keys_are_refused() {
        for key in ["", "+1", "xyz", "11112222333344445"] {
            assert!(decode_key(Bucket::MembersRemoved, key.as_bytes()).is_err(), "{key}");
        }
    }
}
