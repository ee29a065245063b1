//! What the tests of this crate share: disks, a model of what a file holds, and the real etcd's
//! files.
#![allow(dead_code, clippy::unwrap_used)]

pub mod golden;
pub mod state;

use std::path::Path;

use simenv::SimDisk;

/// Where the file is.
const PATH: &str = "/data/member/snap/db";

/// A disk with the folder of the file.
pub fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.put_dir(Path::new("/data/member/snap"));
    disk
}

/// A disk with the file.
pub fn disk_with(content: &[u8]) -> SimDisk {
    let disk = SimDisk::new();
    disk.put_file(Path::new(PATH), content);
    disk
}
