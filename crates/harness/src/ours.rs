//! Our own programs.

use crate::folder::workspace_folder;
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();

/// The folder of our `etcd` and `etcdctl`: `OXETCD_BIN` if that is set, else that of the running
/// test's build, after building them.
///
/// # Errors
/// If they can't be built.
pub fn ours() -> Result<PathBuf> {
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    match built {
        Ok(folder) => Ok(folder.clone()),
        Err(error) => bail!("our own programs are not there: {error}"),
    }
}

fn build() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("OXETCD_BIN") {
        let folder = PathBuf::from(folder);
        ensure!(folder.join("etcd").is_file(), "OXETCD_BIN={} has no etcd", folder.display());
        return Ok(folder);
    }
    // A test runs from <target>/<profile>/deps.
    let test = std::env::current_exe().context("find the running test")?;
    let profile = test.ancestors().nth(2).context("find the folder of the build")?.to_owned();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--package", "etcd", "--package", "etcdctl"]);
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let target = profile.parent().context("find cargo's target folder")?;
    command.arg("--target-dir").arg(target).current_dir(workspace_folder());
    let output = command.output().context("run cargo build")?;
    ensure!(output.status.success(), "cargo build: {}", String::from_utf8_lossy(&output.stderr));
    Ok(profile)
}
