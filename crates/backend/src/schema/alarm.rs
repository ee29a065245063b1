//! Rows of `alarm`: an encoded `AlarmMember` as key, nothing as value (spec/schema.md 2.3).

use prost::Message;
use proto::etcdserverpb::AlarmMember;

use super::{Bucket, Malformed};

/// The row's key; its value is empty.
#[must_use]
pub fn key(alarm: &AlarmMember) -> Vec<u8> {
    alarm.encode_to_vec()
}

/// Reads a row's key.
///
/// # Errors
/// When it is no such message.
pub fn decode(key: &[u8]) -> Result<AlarmMember, Malformed> {
    AlarmMember::decode(key)
        .map_err(|_| Malformed::new(Bucket::Alarm, key, "an AlarmMember message as key", b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_etcd_s() {
        let alarm = AlarmMember { member_id: 12345, alarm: 1 };
        assert_eq!(key(&alarm), [0x08, 0xb9, 0x60, 0x10, 0x01]);
        assert_eq!(decode(&key(&alarm)), Ok(alarm));
        assert!(decode(&[0x08]).is_err());
    }
}
