//! The versions that this server speaks, and etcd's way to write a version.
//!
//! Knows no rule about which versions go together.

use std::fmt;
use std::str::FromStr;

/// The server version that clients are told.
pub const SERVER: Version = Version::new(3, 7, 1);

/// The lowest cluster version that this server works in, as it is told to peers. It means
/// "undecided" as a cluster version.
pub const MIN_CLUSTER: Version = Version::new(3, 0, 0);

/// The version of the client API: the server's without its patch.
pub const API: &str = "3.7";

/// The first version in which members may differ from each other in what they store.
pub const V3_5: Version = Version::new(3, 5, 0);

/// The first version with a storage version of its own.
pub const V3_6: Version = Version::new(3, 6, 0);

/// The level that is spoken here.
pub const V3_7: Version = Version::new(3, 7, 0);

/// A version such as `3.5.16`. Prints as Go's does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub struct Version {
    /// Changes what is stored and spoken, incompatibly.
    pub major: u64,
    /// Changes what is stored and spoken.
    pub minor: u64,
    /// Changes neither.
    pub patch: u64,
}

impl Version {
    /// A version from its parts.
    #[must_use]
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch }
    }

    /// The version with patch 0: cluster and storage versions have no other.
    #[must_use]
    pub const fn without_patch(self) -> Self {
        Self { patch: 0, ..self }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A text is no version.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text} is not in dotted-tri format")]
pub struct ParseError {
    text: String,
}

/// Takes what go-semver takes: three numbers with dots between, with or without a pre-release and
/// build data behind (`3.6.0-rc.4+git`), which are dropped since no rule of etcd's looks at them.
impl FromStr for Version {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let parts: Vec<Option<u64>> = numbers.split('.').map(number).collect();
        match parts[..] {
            [Some(major), Some(minor), Some(patch)] => Ok(Self { major, minor, patch }),
            _ => Err(ParseError { text: text.to_owned() }),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse::<i64>().ok()).flatten().map(i64::unsigned_abs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_and_print() {
        for text in ["3.5.0", "3.7.1", "0.0.0", "10.20.30"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
        assert_eq!("3.6.0-rc.4+git.1".parse(), Ok(V3_6));
        assert_eq!("3.8.0-alpha.0".parse(), Ok(Version::new(3, 8, 0)));
        assert_eq!(SERVER.to_string(), "3.7.1");
        assert_eq!(SERVER.without_patch(), V3_7);
        assert!(SERVER.to_string().starts_with(API));
    }

    #[test]
    fn other_texts_are_no_versions() {
        let texts = [
            "",
            "3",
            "3.5",
            "3.5.",
            "3.5.0.1",
            "v3.5.0",
            "3.x.0",
            "3.5.-1",
            "3.5.0x",
            " 3.5.0",
            "3.5.99999999999999999999",
        ];
        for text in texts {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(Version::new(3, 5, 16) < Version::new(3, 5, 100));
        assert!(Version::new(3, 9, 0) < Version::new(3, 10, 0));
    }
}
