//! Reading entries back from the segments while the log is written.
//!
//! So that a raft log in memory can be bounded: what it has dropped comes from here, by a job that
//! talks only to the disk.

use proto::raftpb::Entry;
use types::Index;

use crate::error::{Context, Error, Result};
use crate::log::Wal;
use crate::positions::Breaks;
use crate::record::{End, Kind, Records, Source};
use crate::scan::undecoded;

/// A range of entries to be read: a job for another thread. It keeps the segments that it needs,
/// also from being purged.
pub struct ReadJob {
    sources: Vec<Source>,
    offset: u64,
    crc: u32,
    breaks: Breaks,
    low: Index,
    high: Index,
    bytes_max: u64,
}

impl Wal {
    /// A job that reads the entries in `low..high` as far as they are flushed, and no more than
    /// `bytes_max` bytes of data; one entry is read however large it is.
    ///
    /// # Errors
    /// [`Error::Compacted`] if the first is not behind the snapshot at which the log was opened (or
    /// a later one that the log has jumped to), or was released.
    pub fn read(&self, low: Index, high: Index, bytes_max: u64) -> Result<ReadJob> {
        let Some((mark, breaks)) = self.positions.find(low) else {
            if low > self.last_index {
                return Ok(ReadJob::nothing());
            }
            let behind = Index(self.last_index.0.saturating_add(1));
            return Err(Error::Compacted { first: self.positions.first().unwrap_or(behind) });
        };
        let tail = self.tail().name;
        let needed = self.segments.iter().filter(|at| at.name.sequence >= mark.position.sequence);
        let sources = needed
            .map(|at| at.source(if at.name == tail { self.offset } else { u64::MAX }))
            .collect();
        let (offset, crc) = (mark.position.offset, mark.crc_before);
        Ok(ReadJob { sources, offset, crc, breaks, low, high, bytes_max })
    }
}

impl ReadJob {
    fn nothing() -> Self {
        Self {
            sources: Vec::new(),
            offset: 0,
            crc: 0,
            breaks: Breaks::default(),
            low: Index(0),
            high: Index(0),
            bytes_max: 0,
        }
    }

    /// Does the work: consecutive entries from the first one on.
    ///
    /// # Errors
    /// [`Error::Corrupted`], [`Error::Io`].
    pub fn run(mut self) -> Result<Vec<Entry>> {
        for source in &mut self.sources {
            let len = source.file.len().context("read the size of", &source.path)?;
            source.len = source.len.min(len);
        }
        let mut records = Records::resume(self.sources, End::Whole, self.offset, self.crc);
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut next = self.low.0;
        while next < self.high.0
            && let Some(record) = records.next()?
        {
            if record.kind != Kind::Entry {
                continue;
            }
            let position = record.position;
            let entry =
                Entry::decode(record.data).map_err(|error| undecoded(&records, "entry", &error))?;
            if entry.index != next || !self.breaks.counts(Index(entry.index), position) {
                continue;
            }
            bytes += entry.data.len() as u64;
            if bytes > self.bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
            next += 1;
        }
        Ok(entries)
    }
}
