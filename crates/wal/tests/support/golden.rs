//! The data directories of the real etcd in `testdata/golden`, unpacked.
//!
//! Unpacked once under the build's folder for temporary files; the tests must not change what is
//! there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

/// The folder of archives: the repository's, or in its absence the one it was copied from.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    if own.is_dir() { own } else { PathBuf::from("/work/shared/golden") }
}

/// The names of all `.tar.gz` archives in a subfolder, without the ending, sorted.
pub fn archives(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join(folder))
        .expect("the golden data is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".tar.gz")?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Unpacks an archive's logs, snapshots and text dumps; the databases are left out.
pub fn unpack(folder: &str, archive: &str) -> PathBuf {
    let packed = root().join(folder).join(format!("{archive}.tar.gz"));
    let found = fs::metadata(&packed).expect("the archive is there");
    let changed = found.modified().expect("a time").duration_since(UNIX_EPOCH).expect("after 1970");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let version = folder.replace('/', "_");
    let stamp = format!("{:x}-{:x}", found.len(), changed.as_nanos());
    let target = place.join(format!("golden-{version}-{archive}-{stamp}"));
    if target.is_dir() {
        return target;
    }
    let fresh = place.join(format!("golden-{version}-{archive}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).expect("make the folder");
    let mut tar = Command::new("tar");
    tar.arg("xzf").arg(&packed).arg("-C").arg(&fresh).args(["--exclude=db", "--exclude=*.tmp"]);
    assert!(tar.status().expect("run tar").success(), "unpack {}", packed.display());
    for file in files(&fresh, ".wal") {
        // Most of a segment is zeros. Where this does not work it only takes more room.
        let _ = Command::new("fallocate").arg("--dig-holes").arg(file).status();
    }
    // Another test process may have been faster; what it made is the same.
    if fs::rename(&fresh, &target).is_err() {
        let _ = fs::remove_dir_all(&fresh);
    }
    target
}

/// All files below a folder whose names have this ending, sorted.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("list a folder") {
        let path = entry.expect("read a name").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().is_some_and(|name| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}
