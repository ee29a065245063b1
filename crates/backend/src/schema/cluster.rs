//! Keys of the bucket `cluster`, since 3.5 (spec/schema.md 2.5).
//!
//! The values are text and JSON that crate `membership` reads and writes.

/// The cluster's version, text `3.5.0`.
pub const VERSION: &[u8] = b"clusterVersion";

/// The running downgrade, JSON `{"target-version":"3.5.0","enabled":true}`.
pub const DOWNGRADE: &[u8] = b"downgrade";
