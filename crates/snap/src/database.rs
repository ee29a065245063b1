//! Databases received from a peer: `.snap.db` files (spec/snap.md 4.4), and the directory's upkeep.
//!
//! A database goes to a `tmp*` file piece by piece, and gets its name when it is whole and durable.
//! Knows nothing of what is in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use env::{File, Monotonic, OpenMode};
use types::Index;

use crate::error::{Context, Error, Result};
use crate::name;
use crate::snapshots::Snapshots;

/// How many unfinished databases may lie in the directory at once.
const UNFINISHED_MAX: u32 = 1000;

/// What receiving did, for metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// The file.
    pub path: PathBuf,
    /// Bytes received.
    pub bytes: u64,
    /// How long the sync took.
    pub sync: Duration,
    /// How long all of it took, from the writer's creation.
    pub total: Duration,
}

/// Takes a database in pieces. Dropped before [`finish`](Self::finish), it removes its file.
pub struct DatabaseWriter {
    snapshots: Snapshots,
    file: Arc<dyn File>,
    temporary: PathBuf,
    index: Index,
    bytes: u64,
    started: Monotonic,
    finished: bool,
}

impl Snapshots {
    /// Begins to receive the database that belongs to the snapshot at `index`.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`].
    pub fn receive(&self, index: Index) -> Result<DatabaseWriter> {
        let (temporary, file) = self.create_temporary(index)?;
        Ok(DatabaseWriter {
            snapshots: self.clone(),
            file,
            temporary,
            index,
            bytes: 0,
            started: self.clock.now(),
            finished: false,
        })
    }

    /// Where the database received at `index` is.
    ///
    /// # Errors
    /// [`Error::NoDatabase`], [`Error::Io`].
    pub fn database(&self, index: Index) -> Result<PathBuf> {
        let path = self.dir.join(name::database(index));
        if self.disk.exists(&path).context("look for", &path)? {
            return Ok(path);
        }
        Err(Error::NoDatabase { index })
    }

    /// Makes the database received at `index` the live one, `db`, in place of what is there.
    ///
    /// # Errors
    /// [`Error::NoDatabase`], [`Error::Io`].
    pub fn install_database(&self, index: Index) -> Result<PathBuf> {
        let from = self.database(index)?;
        let to = self.dir.join("db");
        self.disk.rename(&from, &to).context("rename", &from)?;
        self.disk.sync_dir(&self.dir).context("sync", &self.dir)?;
        Ok(to)
    }

    /// Removes received databases of an index below `index`: the member has applied that one, and so
    /// they will never be installed. Returns which.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn release_databases(&self, index: Index) -> Result<Vec<PathBuf>> {
        let is_old = |name: &str| name::parse_database(name).is_some_and(|at| at < index);
        self.names(is_old)?.iter().map(|name| self.remove(name)).collect()
    }

    /// Removes what an earlier process left unfinished: received databases (`tmp*`) and
    /// defragmentations (`db.tmp*`). Only before anything of this process is under way. Returns which.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn clean(&self) -> Result<Vec<PathBuf>> {
        let is_left = |name: &str| name.starts_with("tmp") || name.starts_with("db.tmp");
        self.names(is_left)?.iter().map(|name| self.remove(name)).collect()
    }

    fn create_temporary(&self, index: Index) -> Result<(PathBuf, Arc<dyn File>)> {
        for attempt in 0..UNFINISHED_MAX {
            let path = self.dir.join(format!("tmp.{:x}.{attempt}", index.0));
            match self.disk.open(&path, OpenMode::CreateNew) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                outcome => return Ok((path.clone(), outcome.context("create", &path)?)),
            }
        }
        let source = std::io::Error::from(std::io::ErrorKind::QuotaExceeded);
        Err(source).context("create one more tmp* file in", &self.dir)
    }
}

impl DatabaseWriter {
    /// Appends a piece.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]; the writer is of no more use then.
    pub fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.file.write_at(piece, self.bytes).context("write", &self.temporary)?;
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the database durable under its name. One that is there already is kept, and this one
    /// dropped: they are of the same index.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`].
    pub fn finish(mut self) -> Result<Received> {
        let disk = Arc::clone(&self.snapshots.disk);
        let dir = &self.snapshots.dir;
        let before_sync = self.snapshots.clock.now();
        self.file.sync_all().context("sync", &self.temporary)?;
        let sync = self.snapshots.clock.now().since(before_sync);
        let path = dir.join(name::database(self.index));
        if !disk.exists(&path).context("look for", &path)? {
            disk.rename(&self.temporary, &path).context("rename", &self.temporary)?;
            self.finished = true;
            disk.sync_dir(dir).context("sync", dir)?;
        }
        let total = self.snapshots.clock.now().since(self.started);
        Ok(Received { path, bytes: self.bytes, sync, total })
    }
}

impl Drop for DatabaseWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What stays behind is removed by the next start.
            let _ = self.snapshots.disk.remove_file(&self.temporary);
        }
    }
}
