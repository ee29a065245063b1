//! Opening the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bolt::{Fill, Sync, Writer};
use env::Disk;

use crate::committed::Committed;
use crate::schema::Bucket;
use crate::{Backend, Committer, Generation, Result, Sizes, defrag};

/// How many operations a batch has before it is committed early (`--backend-batch-limit`).
pub const BATCH_OPERATIONS: usize = 10_000;
/// How many bytes the active buffer holds at most before apply has to wait for its freeze. Up to as
/// many again are frozen.
pub const BUFFER_BYTES_MAX: usize = 4 << 20;
/// How many bytes of pages are kept in memory.
pub const CACHE_BYTES: usize = 32 << 20;

/// How to open the file.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file: `<data-dir>/member/snap/db`. Its directory exists.
    pub path: PathBuf,
    /// Bounds the page cache.
    pub cache_bytes: usize,
    /// Operations after which a commit is due; twice as many stop apply.
    pub batch_operations: usize,
    /// Bytes in the active buffer at which apply stops; half as many make a commit due.
    pub buffer_bytes_max: usize,
    /// Whether commits wait until the disk has them.
    pub sync: Sync,
    /// Which file this is at its path: [`Generation::next`] of the one that it replaces, when a
    /// snapshot was installed over that.
    pub generation: Generation,
    /// Where the sizes are told: those of the file that it replaces, so that who looks at them goes
    /// on seeing the present ones.
    pub sizes: Sizes,
}

impl Options {
    /// The defaults for a path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache_bytes: CACHE_BYTES,
            batch_operations: BATCH_OPERATIONS,
            buffer_bytes_max: BUFFER_BYTES_MAX,
            sync: Sync::Required,
            generation: Generation::default(),
            sizes: Sizes::default(),
        }
    }
}

/// Opens the file, making it with its ten buckets when there is none, and removes what a
/// defragmentation that was cut off has left beside it. The [`Backend`] goes to the apply thread,
/// the [`Committer`] to the commit thread.
///
/// # Errors
/// [`Error::Locked`](crate::Error::Locked) while another process has the file: the caller waits and
/// tries again. Else as the disk says, or when the file is damaged.
pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Backend, Committer)> {
    let path: Arc<Path> = options.path.clone().into();
    let bolt_options = bolt::Options {
        cache_bytes: options.cache_bytes,
        sync: options.sync,
        ..bolt::Options::default()
    };
    let (mut writer, _) = bolt::open(&*disk, &path, &bolt_options)?;
    writer.set_fill(Bucket::Key.as_bytes(), Fill::SEQUENTIAL);
    defrag::remove_leftovers(&*disk, &path)?;
    create_buckets(&mut writer)?;
    let state = Committed::found(writer.view().clone(), path, options.generation)?;
    let backend = Backend::new(&options, state.clone())?;
    Ok((backend, Committer::new(disk, bolt_options, writer, state)))
}

/// Opens an existing file to look at it: for tools, and for decisions before a node starts. Takes
/// the lock that only writers are kept out by.
///
/// # Errors
/// As [`open`]; [`Error::File`](crate::Error::File) when there is no file.
pub fn open_read_only(disk: &dyn Disk, path: &Path) -> Result<Committed> {
    let view = bolt::open_read_only(disk, path, &bolt::Options::default())?;
    Committed::found(view, path.into(), Generation::default())
}

/// Creates the buckets that are not there, in one transaction.
fn create_buckets(writer: &mut Writer) -> Result<()> {
    for bucket in Bucket::ALL {
        writer.create_bucket(bucket.as_bytes())?;
    }
    writer.commit()?;
    Ok(())
}
