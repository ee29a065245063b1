//! The archives of `testdata/golden`: data directories that a real etcd left, and what it answered
//! before it stopped.

use super::contents::Contents;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An archive of one member.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    /// Below `testdata/golden`, without `.tar.gz`.
    pub path: &'static str,
    /// Which etcd made it, `major.minor`.
    pub made_by: &'static str,
}

/// An unpacked archive.
#[derive(Debug)]
pub struct Unpacked {
    top: PathBuf,
}

impl Archive {
    /// Unpacks it into a folder. All of it is in one folder there.
    pub fn unpack(self, into: &Path) -> Unpacked {
        self.unpack_flat(into);
        let mut entries = std::fs::read_dir(into).unwrap();
        let top = entries.next().expect("the archive is not empty").unwrap().path();
        Unpacked { top }
    }

    /// Unpacks it into a folder that holds all that is in it.
    pub fn unpack_flat(self, into: &Path) -> Unpacked {
        let file = harness::workspace_folder()
            .join("testdata/golden")
            .join(format!("{}.tar.gz", self.path));
        std::fs::create_dir_all(into).unwrap();
        let status =
            Command::new("tar").arg("-xzSf").arg(&file).arg("-C").arg(into).status().unwrap();
        assert!(status.success(), "unpack {}", file.display());
        Unpacked { top: into.to_owned() }
    }
}

impl Unpacked {
    /// What goes behind `--data-dir`.
    pub fn data_dir(&self) -> PathBuf {
        self.top.join("data")
    }

    /// The member's name, and the flags that are neither name, URL nor folder.
    pub fn flags(&self) -> (String, Vec<String>) {
        let text = std::fs::read_to_string(self.top.join("args.json")).unwrap();
        let flags: Vec<String> = serde_json::from_str(&text).unwrap();
        let name = flags.iter().find_map(|flag| flag.strip_prefix("--name="));
        let name = name.expect("the flags name the member").to_owned();
        let kept = |flag: &String| {
            ["--snapshot-count=", "--backend-batch-", "--initial-cluster-token="]
                .iter()
                .any(|start| flag.starts_with(start))
        };
        (name, flags.into_iter().filter(kept).collect())
    }

    /// A file of the folder `expected`.
    pub fn expected_text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.top.join("expected").join(name)).ok()
    }

    /// A JSON file of the folder `expected`.
    pub fn expected_json(&self, name: &str) -> Option<Value> {
        let text = self.expected_text(name)?;
        Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// What the etcd that made it answered.
    pub fn expected(&self) -> Contents {
        super::expected::contents(self)
    }
}
