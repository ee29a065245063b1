//! A range of keys, parsed once from the wire's `(key, range_end)`.

use bytes::Bytes;

/// The keys that a request names.
///
/// etcd's rule (KV API): no `range_end` names one key; `range_end == "\0"` names every key from
/// `key` on; `key == "\0"` with `range_end == "\0"` names all keys; else `[key, range_end)`.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum KeyRange {
    /// One key.
    Key(Bytes),
    /// `[start, end)`; may be empty when `end <= start`.
    Range(Bytes, Bytes),
    /// Every key at or after the start.
    From(Bytes),
    /// Every key.
    All,
}

impl KeyRange {
    /// Reads the wire's two fields.
    #[must_use]
    pub fn parse(key: Bytes, range_end: Bytes) -> Self {
        match (&key[..], &range_end[..]) {
            (_, []) => Self::Key(key),
            ([0], [0]) => Self::All,
            (_, [0]) => Self::From(key),
            _ => Self::Range(key, range_end),
        }
    }

    /// The first key that can be in the range (inclusive).
    #[must_use]
    pub fn start(&self) -> &[u8] {
        match self {
            Self::Key(key) | Self::Range(key, _) | Self::From(key) => key,
            Self::All => &[],
        }
    }

    /// The end (exclusive); `None` when there is none. For [`Key`](Self::Key) there is no bytes
    /// form without an allocation: use [`contains`](Self::contains).
    #[must_use]
    pub fn end(&self) -> Option<&[u8]> {
        match self {
            Self::Range(_, end) => Some(end),
            Self::Key(_) | Self::From(_) | Self::All => None,
        }
    }

    /// Whether the range names this key.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::Key(only) => only == key,
            Self::Range(start, end) => &start[..] <= key && key < &end[..],
            Self::From(start) => &start[..] <= key,
            Self::All => true,
        }
    }

    /// Whether some key is named by both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Key(key), range) | (range, Self::Key(key)) => range.contains(key),
            _ => {
                let start = self.start().max(other.start());
                [self.end(), other.end()].into_iter().flatten().all(|end| start < end)
            }
        }
    }

    /// Whether every key that `other` names is named by `self`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Key(key)) => self.contains(key),
            (Self::Key(_), _) => false,
            _ => {
                self.start() <= other.start()
                    && match (self.end(), other.end()) {
                        (None, _) => true,
                        (Some(_), None) => false,
                        (Some(mine), Some(its)) => its <= mine,
                    }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &'static str, end: &'static str) -> KeyRange {
        KeyRange::parse(Bytes::from_static(key.as_bytes()), Bytes::from_static(end.as_bytes()))
    }

    #[test]
    fn the_wire_forms() {
        assert_eq!(parse("a", ""), KeyRange::Key(Bytes::from_static(b"a")));
        assert_eq!(parse("\0", ""), KeyRange::Key(Bytes::from_static(b"\0")));
        assert_eq!(parse("\0", "\0"), KeyRange::All);
        assert_eq!(parse("a", "\0"), KeyRange::From(Bytes::from_static(b"a")));
        assert_eq!(
            parse("a", "b"),
            KeyRange::Range(Bytes::from_static(b"a"), Bytes::from_static(b"b"))
        );
    }

    #[test]
    fn overlap_agrees_with_membership() {
        let ranges = [
            parse("b", ""),
            parse("a", "c"),
            parse("c", "d"),
            parse("d", "b"),
            parse("b", "\0"),
            parse("\0", "\0"),
        ];
        let keys = ["a", "b", "bb", "c", "cc", "d", "e"];
        for x in &ranges {
            for y in &ranges {
                let shared =
                    keys.iter().any(|key| x.contains(key.as_bytes()) && y.contains(key.as_bytes()));
                assert_eq!(x.overlaps(y), shared, "{x:?} {y:?}");
            }
        }
    }

    #[test]
    fn covering() {
        assert!(parse("a", "c").covers(&parse("b", "c")));
        assert!(!parse("a", "c").covers(&parse("b", "\0")));
        assert!(parse("a", "\0").covers(&parse("b", "\0")));
        assert!(parse("\0", "\0").covers(&parse("b", "\0")));
        assert!(!parse("b", "").covers(&parse("b", "c")));
    }
}
