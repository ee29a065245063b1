//! Opening a log that is there, to go on writing it.

use std::path::Path;
use std::sync::Arc;

use env::{Disk, File, OpenMode};
use proto::walpb;
use types::Index;

use crate::batch::Batch;
use crate::error::{Context, Error, Result};
use crate::log::{Flushed, NextSegment, Wal};
use crate::name;
use crate::options::{Durability, Options};
use crate::record::{End, Records};
use crate::repair::{Repaired, repair};
use crate::scan::{self, Contents, Scan};
use crate::segment::{self, Segment};

impl Wal {
    /// Opens the log at a snapshot that it has a record of (index and term 0 for its very beginning)
    /// and reads what is behind. The log is ready for appending.
    ///
    /// Reading takes memory for the newest [`Options::entries_bytes_max`] bytes of entries; older
    /// ones come in batches from [`read`](Self::read).
    ///
    /// # Errors
    /// [`Error::Torn`] if the last record is not whole: [`recover`](Self::recover) deals with that.
    /// [`Error::NotFound`], [`Error::SnapshotNotFound`], [`Error::SnapshotMismatch`] if the log does
    /// not fit the snapshot; [`Error::Short`] if it does not reach [`Options::needed`] or what its
    /// hard state says to be committed; [`Error::Gap`]; [`Error::Locked`]; [`Error::Corrupted`]; [`Error::Io`].
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        at: &walpb::Snapshot,
        options: Options,
    ) -> Result<(Self, Contents)> {
        let names = name::select(&*disk, dir, Index(at.index))?;
        let segments = names
            .iter()
            .map(|name| Segment::open(&*disk, dir, *name))
            .collect::<Result<Vec<_>>>()?;
        if options.durability == Durability::Synced
            && let Some(tail) = segments.last()
        {
            settle_tail(&*tail.file, &tail.path)?;
        }
        let mut sources = Vec::with_capacity(segments.len());
        for segment in &segments {
            let len = segment.file.len().context("read the size of", &segment.path)?;
            sources.push(segment.source(len));
        }
        let mut records = Records::new(sources, End::MayBeTorn);
        let mut scan = Scan::new(at, options.entries_bytes_max);
        scan.run(&mut records)?;
        scan.check_reaches(options.needed)?;
        let (contents, positions, last_index) = scan.finish()?;
        let mut wal = Self {
            disk,
            dir: dir.to_path_buf(),
            options,
            metadata: contents.metadata.clone(),
            segments: segments.into(),
            offset: records.offset(),
            batch: Batch::new(records.crc()),
            sync_due: false,
            unsynced: false,
            hard_state: contents.hard_state,
            last_index,
            positions,
            next: NextSegment::None,
            poisoned: false,
        };
        wal.make_ready()?;
        Ok((wal, contents))
    }

    /// As [`open`](Self::open); a torn end is repaired, once, and what was done is told.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`repair`].
    pub fn recover(
        disk: Arc<dyn Disk>,
        dir: &Path,
        at: &walpb::Snapshot,
        options: Options,
    ) -> Result<(Self, Contents, Option<Repaired>)> {
        match Self::open(Arc::clone(&disk), dir, at, options.clone()) {
            Ok((wal, contents)) => Ok((wal, contents, None)),
            Err(Error::Torn { .. }) if !env::planted!("log-repair-missing") => {
                scan::check_reaches(&*disk, dir, at, options.needed)?;
                let repaired = repair(&*disk, dir)?;
                let (wal, contents) = Self::open(disk, dir, at, options)?;
                Ok((wal, contents, repaired))
            }
            Err(error) => Err(error),
        }
    }

    /// Prepares the tail for appending.
    fn make_ready(&mut self) -> Result<()> {
        self.remove_temporary_segments()?;
        let tail = self.tail();
        segment::clear_tail(&*tail.file, &tail.path, self.offset, self.options.segment_bytes)?;
        // What an earlier process wrote without living to sync it was read like all else, and from
        // now on counts as stored. So it has to be, and so have the zeros behind it.
        let mut done = Flushed::default();
        self.unsynced = true;
        self.sync(&mut done)?;
        if self.offset == 0 {
            self.push_head();
            self.write(&mut done)?;
            self.sync(&mut done)?;
        }
        if self.is_synced() {
            self.disk.sync_dir(&self.dir).context("sync", &self.dir)?;
        }
        Ok(())
    }

    /// Removes segments that an earlier process made ahead and did not use.
    fn remove_temporary_segments(&self) -> Result<()> {
        for name in ["0.tmp", "1.tmp"] {
            let path = self.dir.join(name);
            match self.disk.remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                outcome => outcome.context("remove", &path)?,
            }
        }
        Ok(())
    }
}

/// Lets the end of the log be read from the disk and not from the system's memory of it.
///
/// An earlier process may have ended because a sync failed. The system then takes what it could not
/// write for written: it shows it to every reader, and no later sync writes it. A log that went on
/// behind such records would lose them, and all that follows, with the next power cut. Only the
/// last segment can have any: the ones before were synced before their successor got its name.
///
/// To be called before anything is decided by what the log holds; [`Wal::open`] does it by itself.
///
/// # Errors
/// [`Error::NotFound`] without segments; [`Error::Io`] when what was never synced cannot be
/// written.
pub fn settle(disk: &dyn Disk, dir: &Path) -> Result<()> {
    let last = name::list(disk, dir)?.pop().ok_or_else(|| Error::not_found(dir, Index(0)))?;
    let path = dir.join(last.to_string());
    let file = disk.open(&path, OpenMode::Write).context("open", &path)?;
    settle_tail(&*file, &path)
}

fn settle_tail(file: &dyn File, path: &Path) -> Result<()> {
    // Only what is written can be forgotten.
    file.sync_data().context("sync", path)?;
    file.forget_cached(0, file.len().context("read the size of", path)?);
    Ok(())
}
