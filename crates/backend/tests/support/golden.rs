//! The real etcd's files: `testdata/golden` (its README says what is in each archive).

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// Tells the folders of one process apart.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The files of an archive that the tests look at.
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Unpacks the given files of an archive; their paths are relative to its folder.
    pub fn unpack(name: &str, files: &[&str]) -> Self {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden");
        let archive = format!("{golden}/{name}.tar.gz");
        let short = name.rsplit('/').next().unwrap_or(name);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let scratch = format!("backend-golden-{}-{number}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(scratch);
        std::fs::create_dir_all(&folder).expect("make a folder");
        let output = Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(&folder)
            .arg("--strip-components=1")
            .args(files.iter().map(|file| format!("{short}/{file}")))
            .output()
            .expect("run tar");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        Self { folder }
    }

    /// One of the unpacked files.
    pub fn file(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(file)).expect("an unpacked file")
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
