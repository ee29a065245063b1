//! The ten buckets.
//!
//! Invariant: [`Bucket::ALL`] is in the order of the names' bytes, the order of the file.

use std::fmt;

/// A bucket of the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bucket {
    /// Active alarms, kept in the keys.
    Alarm,
    /// Whether authentication is on, and its revision.
    Auth,
    /// Roles by name.
    AuthRoles,
    /// Users by name.
    AuthUsers,
    /// The cluster's version and a running downgrade.
    Cluster,
    /// Revisions to `mvccpb.KeyValue`: the key-value store itself.
    Key,
    /// Leases by id.
    Lease,
    /// Members by id.
    Members,
    /// Ids of members that were removed.
    MembersRemoved,
    /// Applied position, compaction marks, storage version.
    Meta,
}

impl Bucket {
    /// Every bucket, in the order of their names.
    pub const ALL: [Self; 10] = [
        Self::Alarm,
        Self::Auth,
        Self::AuthRoles,
        Self::AuthUsers,
        Self::Cluster,
        Self::Key,
        Self::Lease,
        Self::Members,
        Self::MembersRemoved,
        Self::Meta,
    ];

    /// The name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Auth => "auth",
            Self::AuthRoles => "authRoles",
            Self::AuthUsers => "authUsers",
            Self::Cluster => "cluster",
            Self::Key => "key",
            Self::Lease => "lease",
            Self::Members => "members",
            Self::MembersRemoved => "members_removed",
            Self::Meta => "meta",
        }
    }

    /// The name's bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'static [u8] {
        self.name().as_bytes()
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_in_the_order_of_the_file() {
        assert!(Bucket::ALL.windows(2).all(|pair| pair[0].name() < pair[1].name()));
        assert!(Bucket::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
