//! `meta/storageVersion`: the version of the schema, as text `3.6.0`.
//!
//! Since 3.6. It follows the cluster's version, and its patch is always 0 (spec/schema.md 2.2).

use proto::version::Version;

/// The row's key.
pub const KEY: &[u8] = b"storageVersion";

/// The stored text: major and minor count, the patch is written as 0.
#[must_use]
pub fn encode(version: Version) -> Vec<u8> {
    format!("{}.{}.0", version.major, version.minor).into_bytes()
}

/// Reads the stored text. Text that is no version reads as none, as in Go.
#[must_use]
pub fn decode(value: &[u8]) -> Option<Version> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
