//! Defragmentation: the file copied into a new one without holes while commits go on, then put in
//! its place.
//!
//! The bulk is copied in steps that may run on any thread. Records are only ever appended meanwhile,
//! so that the copy catches up from the last revision it has; the other buckets are small and are
//! compared row by row. The end of the catching up and the swap are done on the commit thread.
//! Compaction stands still in between; a copy that missed a deletion is refused.
//!
//! Invariants: until the rename the file in use is untouched, and any failure leaves it in use;
//! after the rename both name and rows are durable before anything is written to the new file.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bolt::{Compaction, Fill, Progress, View, Writer};
use bytes::Bytes;
use env::Disk;

use crate::committed::Committed;
use crate::committer::{Committer, Done, stored_key};
use crate::schema::Bucket;
use crate::{Error, Result};

/// How the names of unfinished copies begin; etcd removes such files too.
const LEFTOVER_PREFIX: &str = "db.tmp.";
/// How many rows one transaction of catching up has at most.
const TRANSACTION_ROWS: usize = 10_000;
/// How many bytes one transaction of catching up has at most, beside its last row.
const TRANSACTION_BYTES: usize = 8 << 20;

/// A copy in the making: see [`Committer::start_defrag`]. Dropping it removes its file.
pub struct Defrag {
    /// What the copy has, or will have when the bulk is through.
    source: Committed,
    stage: Stage,
    file: CopyFile,
}

/// How far the copy is.
enum Stage {
    /// The bulk is being copied.
    Bulk(Box<Compaction>),
    /// The copy has all of its source.
    Copied(Box<Writer>),
    /// A step failed: nothing more is to be had.
    Failed,
}

/// Whether a copy has all of its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefragProgress {
    /// Not yet: call [`Defrag::step`] again.
    More,
    /// It has. To go on: [`Defrag::catch_up`] with a newer state if much was committed since, else
    /// [`Committer::finish_defrag`].
    Copied,
}

impl Defrag {
    /// Copies one transaction's worth of rows.
    ///
    /// # Errors
    /// [`Error::Defrag`]: the file in use is as before.
    pub fn step(&mut self) -> Result<DefragProgress> {
        env::fail_point!("defragdbFail", |text| Err(Error::Defrag(text)));
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Bulk(mut bulk) => match bulk.step().map_err(failed)? {
                Progress::More => {
                    self.stage = Stage::Bulk(bulk);
                    Ok(DefragProgress::More)
                }
                Progress::Done => {
                    let (mut writer, _) = bulk.finish().map_err(failed)?;
                    writer.set_fill(Bucket::Key.as_bytes(), Fill::SEQUENTIAL);
                    self.stage = Stage::Copied(Box::new(writer));
                    Ok(DefragProgress::Copied)
                }
            },
            Stage::Copied(writer) => {
                self.stage = Stage::Copied(writer);
                Ok(DefragProgress::Copied)
            }
            Stage::Failed => Err(Error::Defrag("the copy failed before".to_owned())),
        }
    }

    /// Brings the copy, which has all of its source, to a newer state of the same file.
    ///
    /// # Errors
    /// [`Error::Stale`] when records were deleted since the copy began, else [`Error::Defrag`]: the
    /// file in use is as before.
    pub fn catch_up(&mut self, state: &Committed) -> Result<()> {
        if !state.has_grown_only_since(&self.source) {
            return Err(Error::Stale);
        }
        while self.step()? == DefragProgress::More {}
        if let Stage::Copied(writer) = &mut self.stage {
            bring_over(writer, &self.source, state).map_err(failed)?;
        }
        self.source = state.clone();
        Ok(())
    }
}

impl Committer {
    /// Begins a copy of the present state. Its steps may run on any thread, beside commits, and
    /// [`finish_defrag`](Self::finish_defrag) ends it. No compaction until then.
    ///
    /// # Errors
    /// [`Error::Defrag`]: the file in use is as before.
    pub fn start_defrag(&self) -> Result<Defrag> {
        env::fail_point!("defragOpenFileError", |text| Err(Error::Defrag(text)));
        let source = self.state().clone();
        let name = format!("{LEFTOVER_PREFIX}{}", source.generation().next());
        let path = source.path().with_file_name(name);
        let mut options = self.bolt_options().clone();
        options.page_size = source.pages().page_size();
        options.reported_path = Some(source.path().to_path_buf());
        let file = CopyFile { disk: Arc::clone(self.disk()), path, replaced: false };
        let pages = source.pages().clone();
        let bulk = Compaction::start(pages, &*file.disk, &file.path, &options).map_err(failed);
        env::fail_point!("defragBeforeCopy");
        Ok(Defrag { stage: Stage::Bulk(Box::new(bulk?)), source, file })
    }

    /// Brings a copy to the present state and puts it in the file's place; the state's generation
    /// goes up. States and views of before keep the old file until they are dropped.
    ///
    /// # Errors
    /// [`Error::Defrag`] and [`Error::Stale`]: the file in use is as before, and stays in use. Any
    /// other is final.
    ///
    /// # Panics
    /// Between the halves of a commit.
    pub fn finish_defrag(&mut self, mut defrag: Defrag) -> Result<Done> {
        defrag.catch_up(self.state())?;
        let Stage::Copied(writer) = std::mem::replace(&mut defrag.stage, Stage::Failed) else {
            return Err(Error::Defrag("the copy is not complete".to_owned()));
        };
        env::fail_point!("defragBeforeRename");
        let path = Arc::clone(self.state().path());
        defrag.file.rename_to(&path)?;
        let state = self.state().moved_to(writer.view().clone());
        self.swap(*writer, state);
        let dir = path.parent().unwrap_or(Path::new("."));
        if let Err(source) = self.disk().sync_dir(dir) {
            // A crash may show the old file again: nothing may be written that only the new has.
            self.stop();
            return Err(Error::Io { doing: "sync the directory", path: dir.to_path_buf(), source });
        }
        Ok(self.maintained())
    }
}

/// Puts into a copy what a state has and an earlier one, which the copy has, did not have.
fn bring_over(writer: &mut Writer, earlier: &Committed, state: &Committed) -> Result<()> {
    let mut batch = Batch { writer, rows: 0, bytes: 0 };
    for record in state.records_after(earlier.last_record()?)? {
        let (key, value) = record?;
        let value = Bytes::copy_from_slice(&value);
        batch.set(Bucket::Key.as_bytes(), stored_key(key), Some(value))?;
    }
    for name in state.pages().bucket_names() {
        let is_left = env::planted!("defrag-keeps-old-index") && name == Bucket::Meta.as_bytes();
        if name != Bucket::Key.as_bytes() && !is_left {
            bring_rows_over(&mut batch, name, earlier.pages(), state.pages())?;
        }
    }
    batch.commit()
}

/// Writes the rows of one bucket that differ, walking both states side by side.
fn bring_rows_over(
    batch: &mut Batch<'_>,
    bucket: &[u8],
    earlier: &View,
    state: &View,
) -> Result<()> {
    let (mut old, mut new) = (earlier.cursor(bucket)?, state.cursor(bucket)?);
    old.first()?;
    new.first()?;
    loop {
        let order = match (old.entry(), new.entry()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.key().cmp(new.key()),
        };
        match (order, old.entry(), new.entry()) {
            (Ordering::Less, Some(gone), _) => {
                batch.set(bucket, Bytes::copy_from_slice(gone.key()), None)?;
            }
            (Ordering::Equal, Some(before), Some(now)) if before.value() == now.value() => {}
            (_, _, Some(now)) => {
                let value = Bytes::copy_from_slice(now.value());
                batch.set(bucket, Bytes::copy_from_slice(now.key()), Some(value))?;
            }
            _ => {}
        }
        if order.is_le() {
            old.next()?;
        }
        if order.is_ge() {
            new.next()?;
        }
    }
}

/// Changes of a copy, committed whenever they are as many as a transaction may have.
struct Batch<'a> {
    writer: &'a mut Writer,
    rows: usize,
    bytes: usize,
}

impl Batch<'_> {
    fn set(&mut self, bucket: &[u8], key: Bytes, value: Option<Bytes>) -> Result<()> {
        self.rows += 1;
        self.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        match value {
            Some(value) => self.writer.put(bucket, key, value)?,
            None => self.writer.delete(bucket, key)?,
        }
        if self.rows >= TRANSACTION_ROWS || self.bytes >= TRANSACTION_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        (self.rows, self.bytes) = (0, 0);
        self.writer.commit()?;
        Ok(())
    }
}

/// The new file, removed unless it took the other's place.
struct CopyFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    replaced: bool,
}

impl CopyFile {
    /// Renames the copy over a file.
    fn rename_to(&mut self, path: &Path) -> Result<()> {
        self.disk
            .rename(&self.path, path)
            .map_err(|source| Error::Defrag(format!("replace {}: {source}", path.display())))?;
        self.replaced = true;
        Ok(())
    }
}

impl Drop for CopyFile {
    fn drop(&mut self) {
        if !self.replaced {
            // What cannot be removed now is removed at the next start.
            let _ = remove_leftovers(&*self.disk, &self.path);
        }
    }
}

/// Removes the copies that defragmentations left beside a file.
///
/// # Errors
/// As the disk says.
pub(crate) fn remove_leftovers(disk: &dyn Disk, path: &Path) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let failed = |doing, path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Io { doing, path, source }
    };
    for entry in disk.list(dir).map_err(failed("list", dir))? {
        if entry.name.starts_with(LEFTOVER_PREFIX) && !entry.is_dir {
            let leftover = dir.join(entry.name);
            disk.remove_file(&leftover).map_err(failed("remove", &leftover))?;
        }
    }
    Ok(())
}

/// Marks an error as one that leaves the file in use.
fn failed(error: impl Into<Error>) -> Error {
    match error.into() {
        error @ (Error::Stale | Error::Defrag(_)) => error,
        other => Error::Defrag(other.to_string()),
    }
}
