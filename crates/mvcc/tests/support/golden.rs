//! The real etcd's files: `testdata/golden` (its README says what is in each archive).

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

fn golden() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden"))
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("run tar or gzip");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An archive, unpacked but for its logs of requests; removed with this.
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    pub fn open(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name_of_folder = format!("mvcc-golden-{}-{count}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name_of_folder);
        std::fs::create_dir_all(&folder).unwrap();
        let archive = golden().join(format!("{name}.tar.gz"));
        run(Command::new("tar")
            .args(["--exclude=*.wal", "--exclude=*.tmp", "--strip-components=1", "-xzf"])
            .arg(archive)
            .arg("-C")
            .arg(&folder));
        Self { folder }
    }

    /// A file, by its path below the archive's only folder.
    pub fn file(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The names in a folder.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// A JSON file.
    pub fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_slice(&self.file(path)).expect("golden JSON")
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A compressed file beside the archives.
pub fn compressed(name: &str) -> Vec<u8> {
    run(Command::new("gzip").arg("-dc").arg(golden().join(name)))
}
