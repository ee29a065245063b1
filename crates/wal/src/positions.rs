//! Where entries are in the segments, so that some can be read back without reading all.
//!
//! A later entry record replaces an earlier one of the same index *and everything behind it*. So
//! besides marks (an entry every so many bytes, with what is needed to start reading there) the
//! index keeps the places where the log went back.
//!
//! Invariants: marks ascend in index and in position, and each marks an entry that counts; breaks
//! ascend in index and in position; an entry at a position counts iff the first break behind it has
//! a higher index.

use types::Index;

use crate::record::Position;

/// The distance between marks.
const MARK_BYTES: u64 = 256 * 1024;

/// An entry record and the running CRC before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) index: Index,
    pub(crate) position: Position,
    pub(crate) crc_before: u32,
}

/// An entry record that replaced what stood at its index and behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Break {
    index: Index,
    position: Position,
}

/// Marks and breaks of a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Positions {
    marks: Vec<Mark>,
    breaks: Vec<Break>,
    /// The newest entry that counts.
    last: Option<Index>,
}

impl Positions {
    /// Takes note of the next entry record of the log.
    pub(crate) fn push(&mut self, entry: Mark) {
        if self.last.is_some_and(|last| entry.index <= last) {
            self.go_back(entry);
        }
        self.last = Some(entry.index);
        let near = self.marks.last().is_some_and(|mark| {
            mark.position.sequence == entry.position.sequence
                && entry.position.offset < mark.position.offset.saturating_add(MARK_BYTES)
        });
        if !near {
            self.marks.push(entry);
        }
    }

    /// Forgets all entries: the log goes on behind a snapshot that none of them reaches.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets what is before this segment.
    pub(crate) fn release(&mut self, sequence: u64) {
        let marks = self.marks.partition_point(|mark| mark.position.sequence < sequence);
        self.marks.drain(..marks);
        let breaks = self.breaks.partition_point(|at| at.position.sequence < sequence);
        self.breaks.drain(..breaks);
    }

    /// Where to start reading for this index, and the breaks from there on. `None` if the index is
    /// before the first mark.
    pub(crate) fn find(&self, index: Index) -> Option<(Mark, Breaks)> {
        let behind = self.marks.partition_point(|mark| mark.index <= index);
        let mark = *self.marks.get(behind.checked_sub(1)?)?;
        let from = self.breaks.partition_point(|at| at.position <= mark.position);
        Some((mark, Breaks(self.breaks[from..].to_vec())))
    }

    /// The first index that [`find`](Self::find) finds.
    pub(crate) fn first(&self) -> Option<Index> {
        self.marks.first().map(|mark| mark.index)
    }

    fn go_back(&mut self, to: Mark) {
        let marks = self.marks.partition_point(|mark| mark.index < to.index);
        self.marks.truncate(marks);
        let breaks = self.breaks.partition_point(|at| at.index < to.index);
        self.breaks.truncate(breaks);
        self.breaks.push(Break { index: to.index, position: to.position });
    }
}

/// The breaks behind some position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaks(Vec<Break>);

impl Breaks {
    /// Whether the entry record at this position was never replaced.
    pub(crate) fn counts(&self, index: Index, position: Position) -> bool {
        let behind = self.0.partition_point(|at| at.position <= position);
        self.0.get(behind).is_none_or(|at| index < at.index)
    }
}

#[cfg(test)]
mod tests {
    use env::{Rng, SeededRng};

    use super::*;

    /// Pushes random runs with steps back and compares with a plain list.
    #[test]
    fn the_index_agrees_with_a_plain_list() {
        for seed in 0..200 {
            let mut rng = SeededRng::new(seed);
            let mut positions = Positions::default();
            let mut records: Vec<(Index, Position)> = Vec::new();
            let mut counting: Vec<(Index, Position)> = Vec::new();
            let mut position = Position::default();
            for _ in 0..rng.below(300) {
                let last = counting.last().map_or(0, |(index, _)| index.0);
                let back = if rng.below(8) == 0 { rng.below(last.min(20) + 1) } else { 0 };
                let index = Index(last + 1 - back.min(last));
                if rng.below(40) == 0 {
                    position = Position { sequence: position.sequence + 1, offset: 0 };
                }
                position.offset += rng.below(MARK_BYTES / 4) + 8;
                counting.retain(|(kept, _)| *kept < index);
                counting.push((index, position));
                records.push((index, position));
                positions.push(Mark { index, position, crc_before: 0 });
            }
            for (wanted, at) in &counting {
                let (mark, breaks) = positions.find(*wanted).expect("every index has a mark");
                assert!(mark.index <= *wanted && mark.position <= *at, "seed {seed}");
                assert!(counting.contains(&(mark.index, mark.position)), "seed {seed}");
                for (index, position) in records.iter().filter(|(_, at)| *at >= mark.position) {
                    let counts = counting.contains(&(*index, *position));
                    assert_eq!(breaks.counts(*index, *position), counts, "seed {seed}");
                }
            }
        }
    }
}
