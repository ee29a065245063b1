//! A consistent copy of the file, read while others write it.
//!
//! The two meta pages are made up: page 0 with the view's transaction, page 1 with the one before,
//! so that any reader starts at the view's state (bbolt `Tx.WriteTo`, spec/snap.md 4.5). The rest is
//! read as it is: pages of the view don't change while it lives, and what the others hold then no
//! reader of the copy can reach.
//!
//! Invariant: `position <= len == high water * page size`.

use crate::error::Result;
use crate::meta::Meta;
use crate::page::{PageId, Txid};
use crate::view::View;

/// The bytes of a consistent copy, in order. Made by [`View::image`]; holds the view.
pub struct Image {
    view: View,
    metas: Vec<u8>,
    position: u64,
}

impl Image {
    pub(crate) fn new(view: View) -> Self {
        let meta = *view.meta();
        let before = Meta { txid: Txid(meta.txid.0.saturating_sub(1)), ..meta };
        let metas = [meta.page_at(PageId(0)), before.page_at(PageId(1))].concat();
        Self { view, metas, position: 0 }
    }

    /// How many bytes there are in all: [`View::size_bytes`].
    #[must_use]
    pub fn len(&self) -> u64 {
        self.view.size_bytes()
    }

    /// Never: a file has at least its meta pages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.len() - self.position
    }

    /// Fills the buffer with the next bytes and returns how many: fewer than asked for only where
    /// the made-up meta pages end and at the end of the copy, 0 behind it.
    ///
    /// # Errors
    /// When the file cannot be read or ends too early.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let metas_left = (self.metas.len() as u64).saturating_sub(self.position);
        let source_left = if metas_left > 0 { metas_left } else { self.remaining() };
        let wanted = source_left.min(buffer.len() as u64) as usize;
        let buffer = &mut buffer[..wanted];
        if metas_left > 0 {
            let start = self.position as usize;
            buffer.copy_from_slice(&self.metas[start..start + wanted]);
        } else {
            let file = self.view.file();
            let page = PageId(self.position / file.page_size() as u64);
            file.read_bytes(page, self.position, buffer)?;
        }
        self.position += wanted as u64;
        Ok(wanted)
    }
}
