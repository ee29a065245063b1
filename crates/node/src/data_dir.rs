//! The data directory: its layout, what kind it is, and its first creation.

use std::io;
use std::path::{Path, PathBuf};

use env::{Disk, OpenMode};

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

    /// The mark of a member on probation.
    #[must_use]
    pub fn probation(&self) -> PathBuf {
        self.snap.with_file_name("probation")
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

/// Makes the directory for the log, and the names of all directories that a first start makes durable,
/// before anything is promised that is stored in them. Also those that are there: an earlier start may have ended in between.
///
/// # Errors
/// [`Error::Io`].
pub fn sync_names(disk: &dyn Disk, paths: &Paths) -> Result<(), Error> {
    let folders = [Some(paths.snap.as_path()), paths.wal.parent()];
    if let Some(parent) = paths.wal.parent() {
        let failed = |source| Error::Io { action: "create", path: parent.to_path_buf(), source };
        disk.create_dir_all(parent).map_err(failed)?;
    }
    let mut names: Vec<&Path> = folders.into_iter().flatten().flat_map(Path::ancestors).collect();
    // From the outermost on.
    names.sort_by_key(|path| (path.components().count(), *path));
    names.dedup();
    for name in names {
        let Some(parent) = name.parent() else { continue };
        match disk.sync_dir(parent) {
            Ok(()) => {}
            // What is not ours was made by others, and may be such that it cannot be synced.
            Err(error) if !parent.starts_with(&paths.data) && cannot_be_synced(error.kind()) => {}
            Err(source) => {
                return Err(Error::Io { action: "sync", path: parent.to_path_buf(), source });
            }
        }
    }
    Ok(())
}

const fn cannot_be_synced(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Unsupported
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Makes the directories that are missing, private to the owner, and sees that files can be made in
/// each; one that others may enter gives a warning, as in Go.
///
/// # Errors
/// [`Error::Io`].
pub fn create(disk: &dyn Disk, paths: &Paths) -> Result<(), Error> {
    let member = paths.data.join(MEMBER);
    let folders = [
        (&paths.data, "cannot access data directory: open"),
        (&paths.snap, "cannot write to snapshot directory: open"),
        (&member, "cannot write to member directory: open"),
    ];
    for (path, refusal) in folders {
        let context = |action| {
            let path = path.clone();
            move |source| Error::Io { action, path, source }
        };
        disk.create_dir_all(path).map_err(context("create"))?;
        touch(disk, path, refusal)?;
        let mode = disk.metadata(path).map_err(context("look at"))?.mode;
        if mode & 0o077 != 0 {
            tracing::warn!(dir = %path.display(), mode = %format!("{mode:o}"),
                "directory exists without the recommended permission 700");
        }
    }
    Ok(())
}

/// Sees that segments can be made in the folder of a log that is there: it would end the member only
/// at the next one.
///
/// # Errors
/// [`Error::Io`].
pub fn check_log(disk: &dyn Disk, paths: &Paths) -> Result<(), Error> {
    touch(disk, &paths.wal, "cannot write to WAL directory: open")
}

/// Sees that files can be made in a directory, as etcd does: by making one, under etcd's name.
fn touch(disk: &dyn Disk, directory: &Path, action: &'static str) -> Result<(), Error> {
    let file = directory.join(".touch");
    let made = disk.open(&file, OpenMode::Truncate).and_then(|_| disk.remove_file(&file));
    made.map_err(|source| Error::Io { action, path: file, source })
}

#[cfg(test)]
mod tests {
    use simenv::{Fault, Operation, SimDisk};

    use super::*;

    #[test]
    fn directories_in_which_nothing_can_be_made_are_named_at_once() {
        let disk = SimDisk::new();
        let paths = Paths::new(Path::new("/data"), None);
        create(&disk, &paths).expect("create");
        disk.create_dir_all(&paths.wal).expect("create");
        check_log(&disk, &paths).expect("all can be written");
        for (folder, words) in [
            ("/data", "cannot access data directory: open /data/.touch"),
            ("/data/member", "cannot write to member directory: open /data/member/.touch"),
            ("/data/member/wal", "cannot write to WAL directory: open /data/member/wal/.touch"),
        ] {
            disk.set_fault(move |operation, path| {
                let fails =
                    operation == Operation::Create && path.parent() == Some(Path::new(folder));
                fails.then_some(Fault::Error(io::ErrorKind::PermissionDenied))
            });
            let checked = create(&disk, &paths).and_then(|()| check_log(&disk, &paths));
            let words_here = checked.expect_err("it cannot be written").to_string();
            assert!(words_here.starts_with(words), "{words_here}");
        }
    }

    #[test]
    fn a_power_cut_does_not_take_the_directories_of_a_first_start() {
        for data in ["/data", "/var/lib/etcd"] {
            let disk = SimDisk::new();
            let wal = Path::new("/log/of/wal");
            let paths = Paths::new(Path::new(data), Some(wal));
            create(&disk, &paths).expect("create");
            let before = disk.crash(disk.operations()).nothing();
            assert!(!before.exists(&paths.data).expect("look"));
            sync_names(&disk, &paths).expect("sync");
            let after = disk.crash(disk.operations()).nothing();
            for path in [&paths.data, &paths.snap, Path::new("/log/of")] {
                assert!(after.exists(path).expect("look"), "{}", path.display());
            }
        }
    }
}
