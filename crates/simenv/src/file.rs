//! An open file of the disk.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use env::{File, Lock};

use crate::disk::SimDisk;
use crate::fault::Operation;
use crate::tree::{Change, Id};

pub(crate) struct SimFile {
    pub(crate) disk: SimDisk,
    /// As it was opened, to be shown to who decides about faults.
    pub(crate) path: PathBuf,
    pub(crate) id: Id,
    pub(crate) handle: u64,
}

impl SimFile {
    fn it(&self) -> (&Path, Id) {
        (&self.path, self.id)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.state().read(self.it(), offset, buffer)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes: Vec<u8> = buffers.iter().flat_map(|part| part.iter().copied()).collect();
        self.disk.state().write(self.it(), offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync(self.it(), Operation::Sync)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().live.file(self.id)?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.state().resize(self.it(), Change::SetLen(len))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.disk.state().resize(self.it(), Change::Reserve(len))
    }

    fn forget_cached(&self, _offset: u64, _len: u64) {
        self.disk.state().forget(self.id);
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        Ok(self.disk.state().try_lock(self.id, self.handle, lock))
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.state().close(self.handle);
    }
}
