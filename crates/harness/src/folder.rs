//! Folders for tests, under the workspace's `target`.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The workspace's folder.
#[must_use]
pub fn workspace_folder() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = crate_folder.ancestors().nth(2).expect("the crate is in crates/harness");
    workspace.to_owned()
}

/// The workspace's own `target`, wherever cargo builds: what is installed there serves every build.
#[must_use]
pub fn target_folder() -> PathBuf {
    workspace_folder().join("target")
}

/// A new folder that goes away with its value, unless the test fails.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes a folder whose name begins with `name`.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(name: &str) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            target_folder().join("tmp").join(format!("{name}-{}-{number}", std::process::id()));
        if path.exists() {
            std::fs::remove_dir_all(&path).context("remove a folder of an earlier process")?;
        }
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
