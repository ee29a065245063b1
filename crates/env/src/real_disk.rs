//! [`Disk`] over the operating system's files.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};

use crate::disk::{DirEntry, Disk, File, Lock, Metadata, OpenMode};

/// How many buffers one system call takes (`IOV_MAX` is 1024 on Linux).
const BUFFERS_PER_CALL_MAX: usize = 1024;

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true),
            OpenMode::Create => options.write(true).create(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
            OpenMode::Truncate => options.write(true).create(true).truncate(true),
        };
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            entries.push(DirEntry { name, is_dir: entry.file_type()?.is_dir() });
        }
        entries.sort();
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let found = fs::metadata(path)?;
        Ok(Metadata { len: found.len(), is_dir: found.is_dir(), mode: found.mode() & 0o777 })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::File::open(path)?.sync_all()
    }
}

struct RealFile(fs::File);

impl File for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        for group in buffers.chunks(BUFFERS_PER_CALL_MAX) {
            offset = write_group(&self.0, group, offset)?;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        use rustix::io::Errno;
        loop {
            match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    let current = self.len()?;
                    return if current < len { self.0.set_len(len) } else { Ok(()) };
                }
                result => return Ok(result?),
            }
        }
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        use rustix::io::Errno;
        let result = match lock {
            Lock::FlockExclusive => {
                rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive)
            }
            Lock::FlockShared => rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockShared),
            Lock::OfdExclusive => return ofd_lock(&self.0),
        };
        match result {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK | Errno::ACCESS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn forget_cached(&self, offset: u64, len: u64) {
        let Some(len) = std::num::NonZeroU64::new(len) else { return };
        // Advice only: a refusal changes nothing that anyone relies on.
        let _ = rustix::fs::fadvise(&self.0, offset, Some(len), rustix::fs::Advice::DontNeed);
    }
}

/// Writes one call's worth of buffers; returns the offset behind them.
fn write_group(file: &fs::File, group: &[IoSlice<'_>], mut offset: u64) -> io::Result<u64> {
    let total: usize = group.iter().map(|buffer| buffer.len()).sum();
    let end = offset + total as u64;
    let mut written = rustix::io::pwritev(file, group, offset)?;
    offset += written as u64;
    // A short write is rare: what is left goes buffer by buffer.
    for buffer in group {
        if written >= buffer.len() {
            written -= buffer.len();
            continue;
        }
        file.write_all_at(&buffer[written..], offset)?;
        offset += (buffer.len() - written) as u64;
        written = 0;
    }
    debug_assert_eq!(offset, end);
    Ok(end)
}

/// An open-file-description lock on the whole file, as etcd takes it on WAL segments.
fn ofd_lock(file: &fs::File) -> io::Result<bool> {
    use nix::errno::Errno;
    use nix::libc;
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_OFD_SETLK(&whole)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("oxetcd-env-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        RealDisk.create_dir_all(&dir).expect("make the scratch directory");
        dir
    }

    #[test]
    fn many_buffers_land_in_order() {
        let dir = scratch("buffers");
        let file = RealDisk.open(&dir.join("file"), OpenMode::CreateNew).expect("open");
        let parts: Vec<Vec<u8>> = (0..2500u32).map(|n| n.to_le_bytes().to_vec()).collect();
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        file.write_vectored_at(&slices, 3).expect("write");
        let mut back = vec![0; 10_000];
        file.read_exact_at(&mut back, 3).expect("read");
        assert_eq!(back, parts.concat());
        assert_eq!(file.read_at(&mut back, 10_000).expect("read the tail"), 3);
        fs::remove_dir_all(dir).expect("clean up");
    }

    #[test]
    fn a_lock_keeps_others_out_until_its_file_is_closed() {
        let dir = scratch("locks");
        for lock in [Lock::FlockExclusive, Lock::OfdExclusive] {
            let path = dir.join(format!("{lock:?}"));
            let first = RealDisk.open(&path, OpenMode::Create).expect("open");
            let second = RealDisk.open(&path, OpenMode::Create).expect("open again");
            assert!(first.try_lock(lock).expect("lock"));
            assert!(!second.try_lock(lock).expect("try"));
            drop(first);
            assert!(second.try_lock(lock).expect("lock at last"));
        }
        fs::remove_dir_all(dir).expect("clean up");
    }

    #[test]
    fn the_parent_of_a_bare_name_can_be_synced() {
        let parent = Path::new("default.etcd").parent().unwrap();
        RealDisk.sync_dir(parent).unwrap();
    }

    #[test]
    fn new_directories_are_private() {
        let dir = scratch("mode");
        assert_eq!(RealDisk.metadata(&dir).expect("stat").mode, 0o700);
        fs::remove_dir_all(dir).expect("clean up");
    }
}
