//! The data directory: its layout, what kind it is, and its first creation.

use std::io;
use std::path::{Path, PathBuf};

use env::Disk;

/// The folder of a member in its data directory.
const MEMBER: &str = "member";
/// The folder of a proxy of etcd 3.5 and before.
const PROXY: &str = "proxy";

/// Where a member keeps what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paths {
    /// `--data-dir`.
    pub data: PathBuf,
    /// The log: `--wal-dir`, else `member/wal`.
    pub wal: PathBuf,
    /// Snapshots and the database: `member/snap`.
    pub snap: PathBuf,
}

impl Paths {
    /// The layout below a data directory.
    #[must_use]
    pub fn new(data: &Path, wal: Option<&Path>) -> Self {
        let member = data.join(MEMBER);
        Self {
            data: data.to_path_buf(),
            wal: wal.map_or_else(|| member.join("wal"), Path::to_path_buf),
            snap: member.join("snap"),
        }
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.snap.join("db")
    }
}

/// What a data directory holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing yet.
    Empty,
    /// A member's data.
    Member,
    /// A proxy's.
    Proxy,
}

/// Why a data directory is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It cannot be told what it is.
    #[error("invalid datadir; both member and proxy directories exist")]
    Both,
}

/// Finds out what a data directory holds; one that does not exist is empty.
///
/// # Errors
/// [`Error`].
pub fn identify(disk: &dyn Disk, data: &Path) -> Result<Kind, Error> {
    let entries = match disk.list(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kind::Empty),
        Err(source) => {
            return Err(Error::Io { action: "list", path: data.to_path_buf(), source });
        }
    };
    let has = |name| entries.iter().any(|entry| entry.is_dir && entry.name == name);
    for entry in &entries {
        if entry.name != MEMBER && entry.name != PROXY {
            tracing::warn!(filename = %entry.name, "data-dir" = %data.display(),
                "found invalid file under data directory");
        }
    }
    match (has(MEMBER), has(PROXY)) {
        (true, true) => Err(Error::Both),
        (true, false) => Ok(Kind::Member),
        (false, true) => Ok(Kind::Proxy),
        (false, false) => Ok(Kind::Empty),
    }
}

/// Makes the directories that are missing, private to the owner; one that others may enter gives a
/// warning, as in Go.
///
/// # Errors
/// [`Error::Io`].
pub fn create(disk: &dyn Disk, paths: &Paths) -> Result<(), Error> {
    for path in [&paths.data, &paths.snap] {
        let context = |action| {
            let path = path.clone();
            move |source| Error::Io { action, path, source }
        };
        disk.create_dir_all(path).map_err(context("create"))?;
        let mode = disk.metadata(path).map_err(context("look at"))?.mode;
        if mode & 0o077 != 0 {
            tracing::warn!(dir = %path.display(), mode = %format!("{mode:o}"),
                "directory exists without the recommended permission 700");
        }
    }
    Ok(())
}
