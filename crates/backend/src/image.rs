//! A committed state as a file: what Maintenance.Snapshot and a follower are sent
//! (spec/snap.md 4.4, 4.5).

use crate::Result;
use crate::committed::Committed;

/// The bytes of a consistent copy of the file, in order: exactly [`Committed::size`] of them.
///
/// Keeps the state's pages from being used again: its reader has to make progress or drop it.
pub struct Image {
    inner: bolt::Image,
}

impl Committed {
    /// A copy of the file as of this state, readable while commits go on.
    #[must_use]
    pub fn image(&self) -> Image {
        Image { inner: self.pages().image() }
    }
}

impl Image {
    /// How many bytes there are in all.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.inner.len()
    }

    /// Never: a file has at least its meta pages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.inner.remaining()
    }

    /// Fills the buffer with the next bytes, past the page cache, and returns how many: fewer than
    /// fit only at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.inner.read(&mut buffer[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }
}
