//! Programs of Debian that the machine may lack.

use crate::folder::target_folder;
use crate::install;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and, where it had to be unpacked, its libraries.
#[derive(Clone, Debug)]
pub struct Tool {
    program: PathBuf,
    /// For `LD_LIBRARY_PATH`.
    libraries: Option<OsString>,
}

impl Tool {
    /// `nft`, which filters packets.
    ///
    /// # Errors
    /// If it is not there and can't be installed.
    pub fn nft() -> Result<Self> {
        Self::find("nft", "nftables")
    }

    /// `ip`, which makes namespaces and links.
    ///
    /// # Errors
    /// If it is not there and can't be installed.
    pub fn ip() -> Result<Self> {
        Self::find("ip", "iproute2")
    }

    fn find(name: &str, package: &str) -> Result<Self> {
        let searched = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&searched).collect();
        folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
        let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        if let Some(program) = found {
            return Ok(Self { program, libraries: None });
        }
        let tools = target_folder().join("tools");
        std::fs::create_dir_all(&tools).with_context(|| format!("make {}", tools.display()))?;
        // Only one process installs; the others wait and find what it left.
        let lock = std::fs::File::create(tools.join("lock")).context("make the lock file")?;
        lock.lock().context("wait for the lock file")?;
        let folder = tools.join(name);
        if !folder.is_dir() {
            install::package(&folder, package).with_context(|| {
                format!("the program {name} is not there, nor could be installed")
            })?;
        }
        Self::unpacked(name, &folder)
    }

    fn unpacked(name: &str, folder: &Path) -> Result<Self> {
        let programs =
            ["usr/sbin", "sbin", "usr/bin", "bin"].map(|bin| folder.join(bin).join(name));
        let program = programs.into_iter().find(|path| path.is_file());
        let program = program.with_context(|| format!("{} has no {name}", folder.display()))?;
        let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = ["usr/lib", "lib"].map(|lib| folder.join(lib).join(&machine));
        let libraries = std::env::join_paths(libraries).context("list the libraries' folders")?;
        Ok(Self { program, libraries: Some(libraries) })
    }

    /// A command that runs it, in a network namespace where one is named.
    pub fn command(&self, namespace: Option<&str>) -> Command {
        let mut command = match namespace {
            Some(namespace) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{namespace}")).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        if let Some(libraries) = &self.libraries {
            let mut path = libraries.clone();
            if let Some(more) = std::env::var_os("LD_LIBRARY_PATH") {
                path.push(":");
                path.push(more);
            }
            command.env("LD_LIBRARY_PATH", path);
        }
        command
    }
}

/// Runs a command that has to do well.
///
/// # Errors
/// What it said on standard error.
pub fn must(mut command: Command, stdin: &str) -> Result<String> {
    let shown = format!("{command:?}");
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {shown}"))?;
    let mut input = child.stdin.take().context("standard input is piped")?;
    std::io::Write::write_all(&mut input, stdin.as_bytes()).context("write to a command")?;
    drop(input);
    let output = child.wait_with_output().with_context(|| format!("run {shown}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
