//! Our own programs.

use crate::folder::{target_folder, workspace_folder};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
static FAULTY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
static WITH_FAIL_POINTS: OnceLock<Result<PathBuf, String>> = OnceLock::new();

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

/// The program that is our `etcd` over a disk that fails when it is told to, after building it
/// (`crates/etcd/examples/etcd-on-faulty-disk`).
///
/// # Errors
/// If it can't be built.
pub fn ours_on_faulty_disk() -> Result<PathBuf> {
    const NAME: &str = "etcd-on-faulty-disk";
    let built = FAULTY.get_or_init(|| {
        let profile = cargo_build(&["--example", NAME]);
        profile.map_err(|error| format!("{error:#}"))
    });
    match built {
        Ok(profile) => Ok(profile.join("examples").join(NAME)),
        Err(error) => bail!("our server on a faulty disk is not there: {error}"),
    }
}

/// Our `etcd` with fail points, optimised: that of `OXETCD_BIN` if it is set, which then has to be
/// such a build, else one in a target folder of its own, so that no other build of it is lost.
///
/// # Errors
/// If it can't be built.
pub fn ours_with_fail_points() -> Result<PathBuf> {
    let built = WITH_FAIL_POINTS.get_or_init(|| {
        let folder = match prebuilt() {
            Some(folder) => folder,
            None => {
                let target = target_folder().join("failpoints");
                let what = ["--release", "--package", "etcd", "--features", "failpoints"];
                cargo(&what, &target).map(|()| target.join("release"))
            }
        };
        folder.map_err(|error| format!("{error:#}"))
    });
    match built {
        Ok(folder) => Ok(folder.join("etcd")),
        Err(error) => bail!("our server with fail points is not there: {error}"),
    }
}

fn build() -> Result<PathBuf> {
    prebuilt().unwrap_or_else(|| cargo_build(&["--bin", "etcd", "--bin", "etcdctl"]))
}

/// The folder that `OXETCD_BIN` names.
fn prebuilt() -> Option<Result<PathBuf>> {
    let folder = PathBuf::from(std::env::var_os("OXETCD_BIN")?);
    Some(match folder.join("etcd").is_file() {
        true => Ok(folder),
        false => Err(anyhow!("OXETCD_BIN={} has no etcd", folder.display())),
    })
}

/// Builds something as the running test was built; gives the folder of the build.
///
/// It is selected out of the whole workspace: so dependencies have the features that they have in
/// `cargo test --workspace`, and what that has built is not built again.
fn cargo_build(what: &[&str]) -> Result<PathBuf> {
    // A test runs from <target>/<profile>/deps.
    let test = std::env::current_exe().context("find the running test")?;
    let profile = test.ancestors().nth(2).context("find the folder of the build")?.to_owned();
    let mut what = [&["--workspace"], what].concat();
    if profile.ends_with("release") {
        what.push("--release");
    }
    cargo(&what, profile.parent().context("find cargo's target folder")?)?;
    Ok(profile)
}

/// Builds something in a target folder.
fn cargo(what: &[&str], target: &Path) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet"]).args(what);
    command.arg("--target-dir").arg(target).current_dir(workspace_folder());
    let output = command.output().context("run cargo build")?;
    ensure!(output.status.success(), "cargo build: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
