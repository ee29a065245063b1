//! A real file system of a few megabytes, seen by one server alone.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A tmpfs in a mount namespace of its own. It is gone with this value.
pub struct SmallDisk {
    /// Keeps the namespace; ends when its input is closed.
    holder: Child,
    dir: PathBuf,
}

impl SmallDisk {
    /// A file system at a folder, which needs the rights to mount one.
    pub fn mount(dir: &Path, megabytes: u32) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let script = "mount -t tmpfs -o size=$0m tmpfs \"$1\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, &megabytes.to_string()])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux is there");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "a tmpfs in a namespace of its own; this needs root");
        Self { holder, dir: dir.to_owned() }
    }

    fn inside(&self) -> String {
        format!("nsenter --mount=/proc/{}/ns/mnt", self.holder.id())
    }

    /// A script that runs a program where it sees this disk.
    pub fn program(&self, program: &Path, script: &Path) -> PathBuf {
        let text = format!("#!/bin/sh\nexec {} {} \"$@\"\n", self.inside(), program.display());
        crate::support::script(script, &text)
    }

    /// Gives it another size.
    pub fn resize(&self, megabytes: u32) {
        let command =
            format!("{} mount -o remount,size={megabytes}m {}", self.inside(), self.dir.display());
        let status = Command::new("sh").args(["-c", &command]).status().unwrap();
        assert!(status.success(), "{command}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
