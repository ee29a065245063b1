//! How a file is opened.

use std::path::PathBuf;

/// The page cache's size when nothing else is asked for: design budget for a million keys.
pub const CACHE_BYTES_DEFAULT: usize = 32 << 20;
/// The page size of a new file when nothing else is asked for.
pub const PAGE_SIZE_DEFAULT: usize = 4096;

/// Whether commits wait until the device has the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sync {
    /// Every commit survives a power loss.
    #[default]
    Required,
    /// Nothing is ever synced (`--unsafe-no-fsync`): a power loss may destroy the file.
    Off,
}

/// How a file is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a page, for a file that is made now; an existing file says it itself. A power of
    /// two from 1024 to 16 MiB.
    pub page_size: usize,
    /// The most bytes of pages kept in memory, shared by the views and the writer of the file.
    pub cache_bytes: usize,
    /// Whether commits are synced.
    pub sync: Sync,
    /// The path that errors name, for a file that will be renamed to it; `None`: the path it is
    /// opened by.
    pub reported_path: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_size: PAGE_SIZE_DEFAULT,
            cache_bytes: CACHE_BYTES_DEFAULT,
            sync: Sync::Required,
            reported_path: None,
        }
    }
}

/// How full pages are made when a node is split: the rest is left for later insertions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill {
    percent: u8,
}

impl Fill {
    /// Half full: for keys that arrive in any order (bbolt's default).
    pub const HALF: Self = Self { percent: 50 };
    /// Nine tenths: for keys that arrive in ascending order, as etcd asks for in bucket `key` and
    /// when it defragments.
    pub const SEQUENTIAL: Self = Self { percent: 90 };

    /// A node is split so that no page has more than this, unless it has one entry.
    pub(crate) const fn split_bytes(self, page_size: usize) -> usize {
        page_size * self.percent as usize / 100
    }

    /// A node that lost keys and has at most this is merged with a neighbour (half of what a split
    /// leaves, as in bbolt).
    pub(crate) const fn merge_bytes(self, page_size: usize) -> usize {
        page_size * self.percent as usize / 200
    }
}
