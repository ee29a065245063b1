//! What tests need: a backend of their own, and what the real etcd left.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backend::{Backend, Committer, Options};
use env::{Disk, RealDisk};

/// A backend in a directory that goes with it.
pub(crate) struct Opened {
    pub(crate) backend: Backend,
    _committer: Committer,
    dir: PathBuf,
}

impl Drop for Opened {
    fn drop(&mut self) {
        _ = RealDisk.remove_dir_all(&self.dir);
    }
}

pub(crate) fn open() -> Opened {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}-{}-{number}", env!("CARGO_PKG_NAME"), std::process::id());
    let dir = std::env::temp_dir().join(name);
    RealDisk.create_dir_all(&dir).unwrap();
    let (backend, committer) =
        backend::open(Arc::new(RealDisk), Options::new(dir.join("db"))).unwrap();
    Opened { backend, _committer: committer, dir }
}

/// Entries of a log and the rows that they left.
pub(crate) struct Golden {
    /// Index, whether it is a configuration change, data.
    pub(crate) entries: Vec<(u64, bool, Vec<u8>)>,
    /// Bucket, key, value.
    pub(crate) rows: Vec<(String, Vec<u8>, Vec<u8>)>,
}

impl Golden {
    pub(crate) fn rows_of(&self, bucket: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = self.rows.iter().filter(|(name, _, _)| name == bucket);
        rows.map(|(_, key, value)| (key.clone(), value.clone())).collect()
    }
}

/// Reads a file of `testdata`; the form is explained there.
pub(crate) fn golden(text: &str) -> Golden {
    let mut golden = Golden { entries: Vec::new(), rows: Vec::new() };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["entry", index, kind, data] => {
                golden.entries.push((index.parse().unwrap(), kind == "conf", bytes(data)));
            }
            ["row", bucket, key, value] => {
                golden.rows.push((bucket.to_owned(), bytes(key), bytes(value)));
            }
            _ => panic!("{line}"),
        }
    }
    golden
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.trim_matches('-').as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
