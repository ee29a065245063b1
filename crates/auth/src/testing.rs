//! A backend of its own for each test.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backend::{Backend, Committer, Options};
use env::RealDisk;

/// A backend in a directory that goes with it.
pub(crate) struct Opened {
    pub(crate) backend: Backend,
    _committer: Committer,
    dir: PathBuf,
}

impl Drop for Opened {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn open() -> Opened {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}-{}-{number}", env!("CARGO_PKG_NAME"), std::process::id());
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let (backend, committer) =
        backend::open(Arc::new(RealDisk), Options::new(dir.join("db"))).unwrap();
    Opened { backend, _committer: committer, dir }
}
