//! Rows of `lease`: the id as `u64` big endian to `leasepb.Lease` (spec/schema.md 2.3).

use prost::Message;
use proto::leasepb::Lease;
use types::LeaseId;

use super::{Bucket, Malformed};

/// A row's key.
#[must_use]
pub const fn key(id: LeaseId) -> [u8; 8] {
    id.0.to_be_bytes()
}

/// A row's value.
#[must_use]
pub fn encode(lease: &Lease) -> Vec<u8> {
    lease.encode_to_vec()
}

/// Reads a row; the id in the value must be the one in the key.
///
/// # Errors
/// When key or value are no such things, or differ.
pub fn decode(key: &[u8], value: &[u8]) -> Result<Lease, Malformed> {
    let malformed = |expected| Malformed::new(Bucket::Lease, key, expected, value);
    let id: [u8; 8] = key.try_into().map_err(|_| malformed("8 bytes of a lease id as key"))?;
    let lease = Lease::decode(value).map_err(|_| malformed("a Lease message"))?;
    if lease.id != i64::from_be_bytes(id) {
        return Err(malformed("a Lease message of the key's id"));
    }
    Ok(lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back() {
        for id in [1, 0x1111, i64::MAX, -1] {
            let lease = Lease { id, ttl: 60, remaining_ttl: 0 };
            assert_eq!(decode(&key(LeaseId(id)), &encode(&lease)), Ok(lease));
        }
        let lease = Lease { id: 0x1111, ttl: 500, remaining_ttl: 0 };
        assert_eq!(encode(&lease), [0x08, 0x91, 0x22, 0x10, 0xf4, 0x03]);
    }

    #[test]
    fn a_row_under_another_id_is_refused() {
        let lease = Lease { id: 5, ttl: 60, remaining_ttl: 3 };
        assert!(decode(&key(LeaseId(6)), &encode(&lease)).is_err());
        assert!(decode(&[0; 7], &encode(&lease)).is_err());
        assert!(decode(&key(LeaseId(5)), &[0x08]).is_err());
    }
}
