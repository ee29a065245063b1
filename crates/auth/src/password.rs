//! Passwords: hashed with bcrypt, as Go's golang.org/x/crypto/bcrypt does it.
//!
//! Everything here takes its time on purpose and belongs on a thread that may.
//!
//! Invariants: a password is never stored or proposed; comparing takes as long for a user that does
//! not exist.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use env::Rng;
use sha2::{Digest, Sha256};
use types::Index;

use crate::Error;

/// How many bytes of a password bcrypt looks at.
const LENGTH_MAX: usize = 72;

/// How much work a hash is: 2 to the power of this number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cost(u32);

impl Cost {
    /// The least that bcrypt knows.
    pub const MIN: Self = Self(4);
    /// What is used unless set otherwise (`--bcrypt-cost`).
    pub const DEFAULT: Self = Self(10);
    /// The most that bcrypt knows.
    pub const MAX: Self = Self(31);

    /// A cost that bcrypt knows. Go takes the default instead of any other, with a warning.
    #[must_use]
    pub fn new(cost: u32) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&cost).then_some(Self(cost))
    }
}

/// A password is longer than bcrypt can tell apart. Has no code of its own on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("bcrypt: password length exceeds 72 bytes")]
pub struct TooLong;

/// What is proposed in place of a new password: the base64 text of its hash
/// (`hashedPassword` of a request).
///
/// # Errors
/// [`TooLong`].
pub fn for_request(password: &str, cost: Cost, rng: &mut impl Rng) -> Result<String, TooLong> {
    let mut salt = [0; 16];
    rng.fill(&mut salt);
    let hash = hash(password, cost, salt)?;
    Ok(base64::engine::general_purpose::STANDARD.encode(hash))
}

/// The hash as it is stored: `$2a$`, cost, salt and hash in 60 characters.
///
/// # Errors
/// [`TooLong`].
pub fn hash(password: &str, cost: Cost, salt: [u8; 16]) -> Result<String, TooLong> {
    if password.len() > LENGTH_MAX {
        return Err(TooLong);
    }
    let parts =
        bcrypt::hash_with_salt(password, cost.0, salt).expect("a Cost is in bcrypt's range");
    Ok(parts.format_for_version(bcrypt::Version::TwoA))
}

/// What a request stores as password: the hash that it brings, or for entries from before 3.5, which
/// carry the password itself, a hash of that. Go salts those at random, so they differ between its
/// members; here the salt follows from the entry.
pub(crate) fn stored(
    password: &str,
    hashed_password: &str,
    user: &str,
    index: Index,
) -> Result<Bytes, Error> {
    if !password.is_empty() && hashed_password.is_empty() {
        let digest =
            Sha256::new().chain_update(index.0.to_be_bytes()).chain_update(user).finalize();
        let mut salt = [0; 16];
        salt.copy_from_slice(&digest[..16]);
        let hash = hash(password, Cost::DEFAULT, salt).map_err(|TooLong| Error::NoPasswordUser)?;
        return Ok(hash.into());
    }
    decode(hashed_password).map(Bytes::from).ok_or(Error::NoPasswordUser)
}

/// Reads base64 as Go's decoder does: line breaks are passed over, padding is required, and bits
/// left over at the end may have any value.
fn decode(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
    let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    ENGINE.decode(text).ok()
}

/// A login that was begun; see [`View::password_check`](crate::View::password_check).
pub struct Check {
    /// Empty where there is nothing to compare with.
    stored: Bytes,
    refusal: Option<Error>,
    revision: u64,
    cost: Cost,
}

impl Check {
    pub(crate) const fn new(
        stored: Bytes,
        refusal: Option<Error>,
        revision: u64,
        cost: Cost,
    ) -> Self {
        Self { stored, refusal, revision, cost }
    }

    /// Compares. Gives the revision at which the user was looked up: if it has changed when the
    /// login is applied, the login begins anew.
    ///
    /// # Errors
    /// [`Error::AuthFailed`], [`Error::NoPasswordUser`].
    pub fn run(self, password: &str) -> Result<u64, Error> {
        let stored = std::str::from_utf8(&self.stored).unwrap_or_default();
        let Ok(equal) = bcrypt::verify(password, stored) else {
            // Nothing to compare with: do the same work all the same.
            _ = bcrypt::hash_with_salt(password, self.cost.0, [0; 16]);
            return Err(self.refusal.unwrap_or(Error::AuthFailed));
        };
        if equal { Ok(self.revision) } else { Err(Error::AuthFailed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::SeededRng;

    #[test]
    fn the_text_is_go_s() {
        let hash = hash("rootpw", Cost::MIN, [7; 16]).unwrap();
        assert!(hash.starts_with("$2a$04$"), "{hash}");
        assert_eq!(hash.len(), 60);
        // jBCrypt's published vectors.
        let vectors = [
            ("", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
            ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
            ("abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
        ];
        for (password, stored) in vectors {
            let check = Check::new(stored.into(), None, 5, Cost::MIN);
            assert_eq!(check.run(password), Ok(5), "{password}");
        }
    }

    #[test]
    fn a_password_made_here_is_accepted_and_another_is_not() {
        let text = for_request("päss\0word", Cost::MIN, &mut SeededRng::new(1)).unwrap();
        let stored = stored("", &text, "user", Index(9)).unwrap();
        let check = |password| Check::new(stored.clone(), None, 3, Cost::MIN).run(password);
        assert_eq!(check("päss\0word"), Ok(3));
        assert_eq!(check("päss"), Err(Error::AuthFailed));
        assert_eq!(check(""), Err(Error::AuthFailed));
    }

    #[test]
    fn bcrypt_s_limit() {
        let longest = "x".repeat(LENGTH_MAX);
        assert!(hash(&longest, Cost::MIN, [0; 16]).is_ok());
        let longer = "x".repeat(LENGTH_MAX + 1);
        assert_eq!(hash(&longer, Cost::MIN, [0; 16]), Err(TooLong));
        assert_eq!(TooLong.to_string(), "bcrypt: password length exceeds 72 bytes");
        assert_eq!(stored(&longer, "", "user", Index(1)), Err(Error::NoPasswordUser));
        assert_eq!((Cost::new(3), Cost::new(32)), (None, None));
        assert_eq!(Cost::new(10), Some(Cost::DEFAULT));
    }

    #[test]
    fn an_old_entry_s_password_is_hashed_the_same_everywhere() {
        let one = stored("secret", "", "user", Index(9)).unwrap();
        assert_eq!(one, stored("secret", "", "user", Index(9)).unwrap());
        assert_ne!(one, stored("secret", "", "user", Index(10)).unwrap());
        assert_eq!(Check::new(one, None, 1, Cost::MIN).run("secret"), Ok(1));
    }

    #[test]
    fn base64_is_read_as_go_reads_it() {
        assert_eq!(decode("aGk=").as_deref(), Some(&b"hi"[..]));
        assert_eq!(decode("aG\r\nk=\n").as_deref(), Some(&b"hi"[..]));
        assert_eq!(decode("aGl=").as_deref(), Some(&b"hi"[..]), "left-over bits");
        assert_eq!(decode("aGkh\n").as_deref(), Some(&b"hi!"[..]));
        assert_eq!(decode("").as_deref(), Some(&b""[..]));
        for text in ["aGk", "aGk==", "a", "aG k=", "a_k=", "=", "====", "aGk=\n="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn damaged_hashes_and_refusals_fail() {
        let run = |stored: &'static [u8], refusal| {
            Check::new(Bytes::from_static(stored), refusal, 1, Cost::MIN).run("password")
        };
        assert_eq!(run(b"", Some(Error::AuthFailed)), Err(Error::AuthFailed));
        assert_eq!(run(b"", Some(Error::NoPasswordUser)), Err(Error::NoPasswordUser));
        for stored in [&b""[..], b"\xff\xfe", b"plain", b"$2a$99$aaaa"] {
            assert_eq!(run(stored, None), Err(Error::AuthFailed));
        }
    }
}
