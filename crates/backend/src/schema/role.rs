//! Rows of `authRoles`: the name to `authpb.Role` (spec/schema.md 2.4).

use prost::Message;
use proto::authpb::Role;

use super::{Bucket, Malformed};

/// A row's value; its key is the name.
#[must_use]
pub fn encode(role: &Role) -> Vec<u8> {
    role.encode_to_vec()
}

/// Reads a row; the name in the value must be the key.
///
/// # Errors
/// When the value is no role, or another one.
pub fn decode(key: &[u8], value: &[u8]) -> Result<Role, Malformed> {
    let malformed = |expected| Malformed::new(Bucket::AuthRoles, key, expected, value);
    let role = Role::decode(value).map_err(|_| malformed("a Role message"))?;
    if role.name != key {
        return Err(malformed("a Role message of the key's name"));
    }
    Ok(role)
}
