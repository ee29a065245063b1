//! Rows of `authUsers`: the name to `authpb.User` (spec/schema.md 2.4).

use prost::Message;
use proto::authpb::User;

use super::{Bucket, Malformed};

/// A row's value; its key is the name.
#[must_use]
pub fn encode(user: &User) -> Vec<u8> {
    user.encode_to_vec()
}

/// Reads a row; the name in the value must be the key.
///
/// # Errors
/// When the value is no user, or another one.
pub fn decode(key: &[u8], value: &[u8]) -> Result<User, Malformed> {
    // A user's row holds a password's hash: what is quoted of it stays empty.
    let malformed = |expected| Malformed::new(Bucket::AuthUsers, key, expected, b"");
    let user = User::decode(value).map_err(|_| malformed("a User message"))?;
    if user.name != key {
        return Err(malformed("a User message of the key's name"));
    }
    Ok(user)
}
