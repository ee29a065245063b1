//! Names in the snapshot directory (spec/snap.md 4): `%016x-%016x.snap` is term and index,
//! `%016x.snap.db` is an index.

use types::{Index, Term};

/// What the name of a `.snap` file says. Ordered as etcd looks for the newest: by term, then index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SnapName {
    /// The term of the index.
    pub term: Term,
    /// The last index that the snapshot covers.
    pub index: Index,
}

impl SnapName {
    /// Reads a file name; `None` if it is not a snapshot's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (term, index) = name.strip_suffix(".snap")?.split_once('-')?;
        Some(Self { term: Term(hex16(term)?), index: Index(hex16(index)?) })
    }
}

impl std::fmt::Display for SnapName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{:016x}.snap", self.term.0, self.index.0)
    }
}

/// The name of a database received at an index.
pub(crate) fn database(index: Index) -> String {
    format!("{:016x}.snap.db", index.0)
}

/// The index in a received database's name.
pub(crate) fn parse_database(name: &str) -> Option<Index> {
    hex16(name.strip_suffix(".snap.db")?).map(Index)
}

fn hex16(digits: &str) -> Option<u64> {
    let plain = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let name = SnapName { term: Term(2), index: Index(0x99) };
        assert_eq!(name.to_string(), "0000000000000002-0000000000000099.snap");
        assert_eq!(SnapName::parse(&name.to_string()), Some(name));
        assert_eq!(parse_database(&database(Index(0x99))), Some(Index(0x99)));
    }

    #[test]
    fn other_files_are_not_snapshots() {
        for name in ["db", "tmp123", "db.tmp.1", "2-99.snap", "x.snap.broken"] {
            assert_eq!(SnapName::parse(name), None, "{name}");
            assert_eq!(parse_database(name), None, "{name}");
        }
    }
}
