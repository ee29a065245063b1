//! The sizes that quota and status ask for, readable from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A handle to the sizes; the [`Backend`](crate::Backend) that it came from keeps them up to date.
///
/// The three numbers are read one by one: a reader may see one of them a write later than another.
#[derive(Clone, Default, Debug)]
pub struct Sizes {
    numbers: Arc<Numbers>,
}

#[derive(Default, Debug)]
struct Numbers {
    committed: AtomicU64,
    in_use: AtomicU64,
    buffered: AtomicU64,
}

impl Sizes {
    /// Bytes of the file up to its high-water mark, and bytes waiting to be committed. What the
    /// quota is compared with.
    #[must_use]
    pub fn size(&self) -> u64 {
        let numbers = &self.numbers;
        numbers.committed.load(Ordering::Relaxed) + numbers.buffered.load(Ordering::Relaxed)
    }

    /// Bytes of the file up to its high-water mark, as of the last commit: whole pages.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.numbers.committed.load(Ordering::Relaxed)
    }

    /// Bytes of the file that hold something: without its free pages and without what waits to be
    /// committed.
    #[must_use]
    pub fn in_use(&self) -> u64 {
        self.numbers.in_use.load(Ordering::Relaxed)
    }

    pub(crate) fn set_buffered(&self, bytes: usize) {
        self.numbers.buffered.store(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_committed(&self, size: u64, in_use: u64) {
        self.numbers.committed.store(size, Ordering::Relaxed);
        self.numbers.in_use.store(in_use, Ordering::Relaxed);
    }
}
