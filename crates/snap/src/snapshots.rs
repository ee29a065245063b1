//! The directory's `.snap` files: saving, finding the newest, purging.
//!
//! Does not know the log: which snapshots are valid is told by the log's snapshot records.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::{Clock, Disk, OpenMode};
use proto::raftpb::Snapshot;
use proto::walpb;
use types::{Index, Term};

use crate::error::{Context, Error, Result};
use crate::file;
use crate::name::SnapName;

/// A snapshot directory. Cheap to clone; holds no files open.
#[derive(Clone)]
pub struct Snapshots {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dir: PathBuf,
}

/// What saving did, for metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// Bytes written.
    pub bytes: u64,
    /// How long encoding took.
    pub encode: Duration,
    /// How long writing and syncing took.
    pub sync: Duration,
    /// How long all of it took.
    pub total: Duration,
}

/// What a search for a snapshot found.
#[derive(Debug)]
pub struct Loaded {
    /// The newest snapshot asked for that could be read.
    pub snapshot: Option<Snapshot>,
    /// Newer files that could not be read. They are called `<name>.broken` now.
    pub broken: Vec<Broken>,
}

/// A file that is no snapshot though it has the name of one.
#[derive(Debug)]
pub struct Broken {
    /// What it was called.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: Error,
}

/// Which files to purge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purge {
    /// `.snap`.
    Snapshots,
    /// `.snap.db`.
    Databases,
}

impl Snapshots {
    /// The snapshots in a directory, which must exist when it is used.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, dir: &Path) -> Self {
        Self { disk, clock, dir: dir.to_path_buf() }
    }

    /// Writes a snapshot and makes it durable under its name. The log's snapshot record comes after.
    ///
    /// The file is written aside and renamed: a snapshot that is there already under this name is
    /// never lost.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`].
    pub fn save(&self, snapshot: &Snapshot) -> Result<Saved> {
        let started = self.clock.now();
        let metadata = &snapshot.metadata;
        let name = SnapName { term: Term(metadata.term), index: Index(metadata.index) }.to_string();
        let bytes = file::encode(snapshot);
        let encoded = self.clock.now();

        let temporary = self.dir.join(format!("tmp.{name}"));
        let path = self.dir.join(&name);
        let written = self.write_synced(&temporary, &bytes);
        let renamed = written
            .and_then(|()| self.disk.rename(&temporary, &path).context("rename", &temporary));
        if renamed.is_err() {
            // The error says more than a second one about the remains would.
            let _ = self.disk.remove_file(&temporary);
        }
        renamed?;
        self.disk.sync_dir(&self.dir).context("sync", &self.dir)?;
        let now = self.clock.now();
        Ok(Saved {
            path,
            bytes: bytes.len() as u64,
            encode: encoded.since(started),
            sync: now.since(encoded),
            total: now.since(started),
        })
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn load_newest(&self) -> Result<Loaded> {
        self.load(|_| true)
    }

    /// The newest snapshot that one of the log's records names by index and term.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn load_newest_of(&self, records: &[walpb::Snapshot]) -> Result<Loaded> {
        self.load(|snapshot| {
            let metadata = &snapshot.metadata;
            let is_it = |record: &walpb::Snapshot| {
                (record.index, record.term) == (metadata.index, metadata.term)
            };
            records.iter().any(is_it)
        })
    }

    /// Removes the oldest files of a kind while there are more than `keep_max`; returns which.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn purge(&self, what: Purge, keep_max: usize) -> Result<Vec<PathBuf>> {
        let suffix = match what {
            Purge::Snapshots => ".snap",
            Purge::Databases => ".snap.db",
        };
        let names = self.names(|name| name.ends_with(suffix))?;
        let excess = names.len().saturating_sub(keep_max);
        names[..excess].iter().map(|name| self.remove(name)).collect()
    }

    /// The names that a test accepts, sorted.
    pub(crate) fn names(&self, accept: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut entries = self.disk.list(&self.dir).context("list", &self.dir)?;
        entries.retain(|entry| !entry.is_dir && accept(&entry.name));
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    pub(crate) fn remove(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        self.disk.remove_file(&path).context("remove", &path)?;
        Ok(path)
    }

    fn load(&self, wanted: impl Fn(&Snapshot) -> bool) -> Result<Loaded> {
        let mut broken = Vec::new();
        let names = self.names(|name| SnapName::parse(name).is_some())?;
        for name in names.iter().rev() {
            let path = self.dir.join(name);
            match self.read(&path) {
                Ok(snapshot) if wanted(&snapshot) => {
                    return Ok(Loaded { snapshot: Some(snapshot), broken });
                }
                Ok(_) => {}
                Err(reason @ Error::Corrupted { .. }) => {
                    let aside = self.dir.join(format!("{name}.broken"));
                    self.disk.rename(&path, &aside).context("rename", &path)?;
                    broken.push(Broken { path, reason });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Loaded { snapshot: None, broken })
    }

    fn read(&self, path: &Path) -> Result<Snapshot> {
        let file = self.disk.open(path, OpenMode::Read).context("open", path)?;
        let len = file.len().context("read the size of", path)?;
        let len = usize::try_from(len)
            .map_err(|_| Error::corrupted(path, "a snapshot", format!("{len} bytes")))?;
        let mut bytes = vec![0; len];
        let read = file.read_at(&mut bytes, 0).context("read", path)?;
        bytes.truncate(read);
        file::decode(path, Bytes::from(bytes))
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let file = self.disk.open(path, OpenMode::Truncate).context("create", path)?;
        file.write_at(bytes, 0).context("write", path)?;
        file.sync_all().context("sync", path)
    }
}
