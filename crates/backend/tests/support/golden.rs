//! The real etcd's files: `testdata/golden` (its README says what is in each archive).

use std::path::PathBuf;
use std::process::Command;

/// The single-member archives. Each has the answer of Maintenance.Hash for its file's state.
pub const SINGLE: [&str; 10] = [
    "single-sigterm",
    "single-sigkill",
    "single-sigkill-lagging",
    "single-sigterm-nosnap",
    "v3.6.14/single-sigterm",
    "v3.6.14/single-sigkill-lagging",
    "v3.7.1/single-sigterm",
    "v3.7.1/single-sigkill",
    "v3.7.1/single-sigkill-lagging",
    "v3.7.1/single-sigterm-nosnap",
];

fn archive(name: &str) -> PathBuf {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden");
    PathBuf::from(golden).join(format!("{name}.tar.gz"))
}

/// A file of an archive; `inside` is relative to the archive's folder.
pub fn file(name: &str, inside: &str) -> Vec<u8> {
    let folder = name.rsplit('/').next().unwrap_or(name);
    let output = Command::new("tar")
        .arg("-xOzf")
        .arg(archive(name))
        .arg(format!("{folder}/{inside}"))
        .output()
        .expect("run tar");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The database file of an archive.
pub fn database(name: &str) -> Vec<u8> {
    file(name, "data/member/snap/db")
}

/// A JSON file of an archive.
pub fn json(name: &str, inside: &str) -> serde_json::Value {
    serde_json::from_slice(&file(name, inside)).expect("golden JSON")
}
