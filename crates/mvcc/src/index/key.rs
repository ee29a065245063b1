//! A key in the index, borrowed from it in the two parts in which it lies there.

use std::ops::Range;

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(super) prefix: &'a [u8],
    pub(super) suffix: &'a [u8],
}

impl Key<'_> {
    pub(crate) const fn len(self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// An owned copy.
    pub(crate) fn to_vec(self) -> Vec<u8> {
        [self.prefix, self.suffix].concat()
    }

    /// Whether it is this key.
    pub(crate) fn is(self, key: &[u8]) -> bool {
        key.strip_prefix(self.prefix) == Some(self.suffix)
    }

    /// How many bytes two keys begin with in common.
    pub(super) fn common_prefix_len(self, other: Self) -> usize {
        // Two keys of one leaf have that leaf's prefix in common.
        if std::ptr::eq(self.prefix, other.prefix) {
            return self.prefix.len() + common_len(self.suffix, other.suffix);
        }
        let bytes = |key: Self| key.prefix.iter().chain(key.suffix).copied();
        bytes(self).zip(bytes(other)).take_while(|(mine, its)| mine == its).count()
    }

    /// Writes some of its bytes.
    pub(super) fn write_range(self, range: Range<usize>, out: &mut Vec<u8>) {
        let split = self.prefix.len();
        let (start, end) = (range.start, range.end);
        out.extend_from_slice(&self.prefix[start.min(split)..end.min(split)]);
        out.extend_from_slice(&self.suffix[start.max(split) - split..end.max(split) - split]);
    }
}

fn common_len(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}
