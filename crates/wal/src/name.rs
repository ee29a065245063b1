//! Names of segments, and which of a directory's segments belong to a log.
//!
//! A name is `%016x-%016x.wal`: the sequence number, and the first raft index that the segment may
//! hold (spec/wal.md 3.1). What has another name is not a segment.

use std::io;
use std::path::Path;

use env::Disk;
use types::Index;

use crate::error::{Context, Error, Result};

/// What a segment's name says. Ordered by sequence number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SegmentName {
    /// Position among the segments; neighbours differ by one.
    pub sequence: u64,
    /// The first index that can be found in the segment.
    pub first: Index,
}

impl SegmentName {
    /// Reads a file name; `None` if it is not a segment's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (sequence, first) = name.strip_suffix(".wal")?.split_once('-')?;
        Some(Self { sequence: hex16(sequence)?, first: Index(hex16(first)?) })
    }
}

impl std::fmt::Display for SegmentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{:016x}.wal", self.sequence, self.first.0)
    }
}

fn hex16(digits: &str) -> Option<u64> {
    let plain = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok())?
}

/// Whether the directory holds a log: any `*.wal` in it, as etcd decides between a new member and a
/// restarting one.
///
/// # Errors
/// [`Error::Io`] other than a missing directory.
pub fn exists(disk: &dyn Disk, dir: &Path) -> Result<bool> {
    match disk.list(dir) {
        Ok(entries) => Ok(entries.iter().any(|entry| entry.name.ends_with(".wal"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("list", dir, error)),
    }
}

/// The segments of a directory, in order.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<SegmentName>> {
    let entries = disk.list(dir).context("list", dir)?;
    let mut names: Vec<SegmentName> =
        entries.iter().filter_map(|entry| SegmentName::parse(&entry.name)).collect();
    names.sort();
    Ok(names)
}

/// The segments that hold what comes behind `index`: from the last one that may start at or before
/// it. Their sequence numbers must have no gap.
pub(crate) fn select(disk: &dyn Disk, dir: &Path, index: Index) -> Result<Vec<SegmentName>> {
    let mut names = list(disk, dir)?;
    let start = names.iter().rposition(|name| name.first <= index);
    let names = names.split_off(start.ok_or_else(|| Error::not_found(dir, index))?);
    check_sequence(dir, &names)?;
    Ok(names)
}

/// Refuses segments between which one is missing.
pub(crate) fn check_sequence(dir: &Path, names: &[SegmentName]) -> Result<()> {
    for pair in names.windows(2) {
        if pair[0].sequence.checked_add(1) != Some(pair[1].sequence) {
            let expected = format!("the segment behind sequence number {}", pair[0].sequence);
            let found = format!("sequence number {}", pair[1].sequence);
            return Err(Error::corrupted(&dir.join(pair[1].to_string()), 0, expected, found));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let name = SegmentName { sequence: 0x1f, first: Index(0xdead_beef) };
        assert_eq!(name.to_string(), "000000000000001f-00000000deadbeef.wal");
        assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
    }

    #[test]
    fn other_files_are_not_segments() {
        for name in [
            "0.tmp",
            "1.tmp",
            "0000000000000000-0000000000000000.wal.broken",
            "0000000000000000.wal",
            "000000000000000-0000000000000000.wal",
            "000000000000000g-0000000000000000.wal",
            "+000000000000001-0000000000000000.wal",
            ".wal",
        ] {
            assert_eq!(SegmentName::parse(name), None, "{name}");
        }
    }
}
