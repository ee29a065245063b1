//! Numbers with a meaning: raft positions, member, cluster and lease identities.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl $name {
            /// The plain number.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

macro_rules! decimal {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

/// Printed as etcd prints ids: lower-case hexadecimal without leading zeros.
macro_rules! hexadecimal {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:x})", stringify!($name), self.0)
            }
        }
    };
}

number!(
    /// A position in the raft log. 0 means "before the first entry".
    Index, u64);
decimal!(Index);

impl Index {
    /// The position after this one.
    ///
    /// # Panics
    /// At `u64::MAX`, which no log reaches.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

number!(
    /// A raft term. 0 means "no term yet".
    Term, u64);
decimal!(Term);

number!(
    /// A member's identity in its cluster. 0 means "none".
    MemberId, u64);
hexadecimal!(MemberId);

number!(
    /// A cluster's identity.
    ClusterId, u64);
hexadecimal!(ClusterId);

number!(
    /// A lease's identity. 0 means "no lease".
    LeaseId, i64);
hexadecimal!(LeaseId);

impl LeaseId {
    /// "No lease": what a key without one carries.
    pub const NONE: Self = Self(0);

    /// Whether this names a lease at all.
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}
