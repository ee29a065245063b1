//! Defragmentation: the file copied into a new one without holes while commits go on, then put in
//! its place.
//!
//! The records are copied in steps that may run on any thread; records are only ever appended
//! meanwhile, so that a copy catches up from the last revision it has. What is left, and all other
//! buckets, is copied on the commit thread, which then swaps the files. Compaction stands still in
//! between; a copy that missed a deletion is refused.
//!
//! Invariants: until the rename the file in use is untouched, and any failure leaves it in use;
//! after it both names and rows are durable before anything is written to the new file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::Disk;
use types::RecordKey;

use crate::committed::Committed;
use crate::committer::{Committer, Done};
use crate::pages::{self, Writer};
use crate::schema::Bucket;
use crate::{Error, Result};

/// How the names of unfinished copies begin; etcd removes such files too.
const LEFTOVER_PREFIX: &str = "db.tmp.";
/// How many rows one transaction of the copy has at most, as in etcd.
const TRANSACTION_ROWS: usize = 10_000;
/// How many bytes one transaction of the copy has at most, beside its last row.
const TRANSACTION_BYTES: usize = 8 << 20;

/// A copy in the making. Dropping it removes its file.
pub struct Defrag {
    source: Committed,
    copy: Copy,
    /// The newest record that was copied.
    last: Option<RecordKey>,
}

/// How far a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefragProgress {
    /// There are more records in its source.
    More,
    /// It has every record of its source. To go on: [`Defrag::continue_with`] a newer state if much
    /// was committed since, else [`Committer::finish_defrag`].
    Copied,
}

impl Defrag {
    /// Begins a copy of a committed state, with a page cache of its own that becomes the file's
    /// after the swap.
    ///
    /// # Errors
    /// [`Error::Defrag`]: the file in use is as before.
    pub fn start(disk: Arc<dyn Disk>, source: &Committed, cache_bytes: usize) -> Result<Self> {
        env::fail_point!("defragOpenFileError", |text| Err(Error::Defrag(text)));
        let copy = Copy::create(disk, source, cache_bytes).map_err(failed)?;
        env::fail_point!("defragBeforeCopy");
        Ok(Self { source: source.clone(), copy, last: None })
    }

    /// Copies up to `records_max` records, or a bounded number of bytes, in one transaction.
    ///
    /// # Errors
    /// [`Error::Defrag`]: the file in use is as before.
    pub fn step(&mut self, records_max: usize) -> Result<DefragProgress> {
        env::fail_point!("defragdbFail", |text| Err(Error::Defrag(text)));
        self.copy_records(records_max).map_err(failed)
    }

    fn copy_records(&mut self, records_max: usize) -> Result<DefragProgress> {
        let bucket = Bucket::Key.as_bytes();
        self.copy.create_bucket(bucket)?;
        for record in self.source.records_after(self.last)? {
            let (key, value) = record?;
            let bytes = key.to_bytes();
            self.copy.put(bucket, &bytes[..key.len()], &value)?;
            self.last = Some(key);
            if self.copy.rows >= records_max.min(TRANSACTION_ROWS) || self.copy.is_full() {
                self.copy.commit()?;
                return Ok(DefragProgress::More);
            }
        }
        self.copy.commit()?;
        Ok(DefragProgress::Copied)
    }

    /// Goes on with a newer state of the same file.
    ///
    /// # Errors
    /// [`Error::Stale`] when records were deleted since the copy began.
    pub fn continue_with(&mut self, state: &Committed) -> Result<()> {
        if !state.has_grown_only_since(&self.source) {
            return Err(Error::Stale);
        }
        self.source = state.clone();
        Ok(())
    }

    /// Copies the rest of the records and all other buckets, whatever their names.
    fn complete(&mut self) -> Result<()> {
        while self.step(TRANSACTION_ROWS)? == DefragProgress::More {}
        for name in self.source.pages().buckets()? {
            if name != Bucket::Key.as_bytes() {
                self.copy.create_bucket(&name)?;
                let copy = &mut self.copy;
                self.source.pages().scan(&name, |key, value| {
                    copy.put(&name, key, value)?;
                    if copy.is_full() { copy.commit() } else { Ok(()) }
                })?;
            }
        }
        self.copy.commit()
    }
}

impl Committer {
    /// Completes a copy with the present state and puts it in the file's place; the state's
    /// generation goes up. States and views of before keep the old file until they are dropped.
    ///
    /// # Errors
    /// [`Error::Defrag`] and [`Error::Stale`]: the file in use is as before, and stays in use. Any
    /// other is final.
    ///
    /// # Panics
    /// Between the halves of a commit.
    pub fn finish_defrag(&mut self, mut defrag: Defrag) -> Result<Done> {
        defrag.continue_with(self.state())?;
        defrag.complete().map_err(failed)?;
        env::fail_point!("defragBeforeRename");
        let (writer, view) = defrag.copy.replace(self.state().path())?;
        let state = self.state().moved_to(view);
        self.swap(writer, state);
        Ok(self.maintained())
    }
}

/// The new file.
struct Copy {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// `None` once the committer has it.
    writer: Option<(Writer, pages::View)>,
    /// In the transaction that is open.
    rows: usize,
    bytes: usize,
}

impl Copy {
    fn create(disk: Arc<dyn Disk>, source: &Committed, cache_bytes: usize) -> Result<Self> {
        let name = format!("{LEFTOVER_PREFIX}{}", source.generation().next());
        let path = source.path().with_file_name(name);
        remove_if_there(&*disk, &path)?;
        let mut copy = Self { disk, path, writer: None, rows: 0, bytes: 0 };
        let _ = cache_bytes;
        copy.writer = Some(pages::open(Arc::clone(&copy.disk), &copy.path)?);
        Ok(copy)
    }

    fn writer(&mut self) -> &mut Writer {
        &mut self.writer.as_mut().expect("the writer leaves with the copy's end").0
    }

    fn create_bucket(&mut self, name: &[u8]) -> Result<()> {
        self.writer().create_bucket(name)
    }

    fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) -> Result<()> {
        self.rows += 1;
        self.bytes += key.len() + value.len();
        self.writer().put(bucket, key, value)
    }

    /// The open transaction is as large as one may be.
    const fn is_full(&self) -> bool {
        self.rows >= TRANSACTION_ROWS || self.bytes >= TRANSACTION_BYTES
    }

    fn commit(&mut self) -> Result<()> {
        (self.rows, self.bytes) = (0, 0);
        self.writer().prepare()?;
        let view = self.writer().finish()?;
        if let Some((_, newest)) = &mut self.writer {
            *newest = view;
        }
        Ok(())
    }

    /// Renames the copy over a file, durably, and hands out its writer.
    fn replace(mut self, path: &Path) -> Result<(Writer, pages::View)> {
        let io = |doing| move |source| Error::Io { doing, path: path.to_path_buf(), source };
        self.disk.rename(&self.path, path).map_err(io("replace"))?;
        let mut moved = self.writer.take().expect("the writer leaves with the copy's end");
        moved.0.renamed(path);
        let dir = path.parent().unwrap_or(Path::new("."));
        self.disk.sync_dir(dir).map_err(io("sync the directory of"))?;
        Ok(moved)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            // What cannot be removed now is removed at the next start.
            let _ = self.disk.remove_file(&self.path);
        }
    }
}

/// Removes the copies that defragmentations of earlier runs left beside a file.
///
/// # Errors
/// As the disk says.
pub(crate) fn remove_leftovers(disk: &dyn Disk, path: &Path) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let list = disk.list(dir).map_err(|source| Error::Io {
        doing: "list",
        path: dir.to_path_buf(),
        source,
    })?;
    for entry in list {
        if entry.name.starts_with(LEFTOVER_PREFIX) && !entry.is_dir {
            remove_if_there(disk, &dir.join(entry.name))?;
        }
    }
    Ok(())
}

fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { doing: "remove", path: path.to_path_buf(), source: error })
        }
        _ => Ok(()),
    }
}

/// Marks an error as one that leaves the file in use.
fn failed(error: Error) -> Error {
    match error {
        Error::Stale | Error::Defrag(_) => error,
        other => Error::Defrag(other.to_string()),
    }
}
