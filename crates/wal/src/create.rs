//! Making a log where there is none.
//!
//! The directory is built beside its place and renamed, so that there is either no log or one with
//! its head.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::{Disk, OpenMode, WallTime};
use proto::raftpb::HardState;
use proto::walpb;
use types::Index;

use crate::batch::Batch;
use crate::error::{Context, Error, Result};
use crate::log::{NextSegment, Wal};
use crate::name::{self, SegmentName};
use crate::options::Options;
use crate::positions::Positions;
use crate::segment::{self, Segment};

impl Wal {
    /// Makes a log whose segments begin with `metadata`, ready for appending. It is durable as far as
    /// the directory around it is: that one should be there, and synced into its own.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a log already; [`Error::DiskFull`], [`Error::Io`].
    pub fn create(
        disk: Arc<dyn Disk>,
        dir: &Path,
        metadata: &[u8],
        options: Options,
    ) -> Result<Self> {
        if name::exists(&*disk, dir)? {
            return Err(Error::Exists { dir: dir.to_path_buf() });
        }
        let temporary = with_suffix(dir, ".tmp");
        if disk.exists(&temporary).context("look for", &temporary)? {
            disk.remove_dir_all(&temporary).context("remove", &temporary)?;
        }
        let mut wal = Self::build(disk, &temporary, metadata, options)?;
        wal.move_into_place(dir)?;
        Ok(wal)
    }

    /// Writes the first segment with its head.
    fn build(disk: Arc<dyn Disk>, dir: &Path, metadata: &[u8], options: Options) -> Result<Self> {
        disk.create_dir_all(dir).context("create", dir)?;
        let name = SegmentName { sequence: 0, first: Index(0) };
        let path = dir.join(name.to_string());
        let file = disk.open(&path, OpenMode::CreateNew).context("create", &path)?;
        segment::lock(&*file, &path)?;
        file.allocate(options.segment_bytes).context("allocate", &path)?;
        let mut wal = Self {
            disk,
            dir: dir.to_path_buf(),
            options,
            metadata: Bytes::copy_from_slice(metadata),
            segments: VecDeque::from([Segment { name, path, file }]),
            offset: 0,
            batch: Batch::new(0),
            sync_due: false,
            unsynced: false,
            hard_state: HardState::default(),
            last_index: Index(0),
            positions: Positions::default(),
            next: NextSegment::None,
            poisoned: false,
        };
        wal.push_head();
        wal.save_snapshot(&walpb::Snapshot::default())?;
        Ok(wal)
    }

    fn move_into_place(&mut self, dir: &Path) -> Result<()> {
        let disk = Arc::clone(&self.disk);
        if self.is_synced() {
            disk.sync_dir(&self.dir).context("sync", &self.dir)?;
        }
        // It may be there, without a segment in it.
        if disk.exists(dir).context("look for", dir)? {
            disk.remove_dir_all(dir).context("remove", dir)?;
        }
        disk.rename(&self.dir, dir).context("rename", &self.dir)?;
        self.dir = dir.to_path_buf();
        self.segments[0].path = dir.join(self.segments[0].name.to_string());
        let parent = dir.parent().unwrap_or(Path::new("."));
        let synced = if self.is_synced() { disk.sync_dir(parent) } else { Ok(()) };
        synced.context("sync", parent).inspect_err(|_| {
            // The next start must not take this for a member that has been running.
            let _ = disk.rename(dir, &broken_name(dir, self.options.clock.wall()));
        })
    }
}

fn with_suffix(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(dir);
    name.push(suffix);
    PathBuf::from(name)
}

/// `<dir>.broken.<YYYYMMDD.hhmmss.micros>`, in UTC.
fn broken_name(dir: &Path, now: WallTime) -> PathBuf {
    let seconds = now.unix_seconds();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let micros = now.0 / 1000 % 1_000_000;
    with_suffix(
        dir,
        &format!(".broken.{year:04}{month:02}{day:02}.{hour:02}{minute:02}{second:02}.{micros:06}"),
    )
}

/// Year, month and day of a day since 1970-01-01 (H. Hinnant, "chrono-compatible low-level date
/// algorithms").
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_log_is_named_by_its_time() {
        let now = WallTime(1_709_210_096_123_456_789);
        assert_eq!(
            broken_name(Path::new("/data/wal"), now),
            Path::new("/data/wal.broken.20240229.123456.123456")
        );
    }
}
