//! The file format of bbolt, read and written by an engine of our own.
//!
//! A file is a copy-on-write B+tree of buckets. One [`Writer`] changes it, any number of [`View`]s
//! read committed states of it, each stable for as long as it lives. Go's etcd opens what this
//! crate writes and the other way round (format version 2, spec/backend-bbolt.md).
//!
//! Knows no bucket and no value of etcd's, no thread and no clock; touches files through
//! [`env::Disk`] only. Pages are read, not mapped, into a cache bounded in bytes.
//!
//! Invariants: no page that a live view or the newest committed state reaches is written over; a
//! meta page is written after everything it names is durable; bytes from the file never panic,
//! never send a reader in circles and never cost more memory than the file is long.
//!
//! ```
//! # fn main() -> bolt::Result<()> {
//! # let dir = std::env::temp_dir().join(format!("bolt-doc-{}", std::process::id()));
//! # use env::Disk;
//! # env::RealDisk.create_dir_all(&dir).expect("make a directory");
//! # let path = &dir.join("db");
//! use bytes::Bytes;
//! let (mut writer, before) = bolt::open(&env::RealDisk, path, &bolt::Options::default())?;
//! writer.create_bucket(b"key")?;
//! writer.put(b"key", Bytes::from("a"), Bytes::from("1"))?;
//! let after = writer.commit()?;
//! assert_eq!(before.get(b"key", b"a")?, None);
//! assert_eq!(after.get(b"key", b"a")?.as_deref(), Some(&b"1"[..]));
//! # env::RealDisk.remove_dir_all(&dir).expect("clean up");
//! # Ok(())
//! # }
//! ```

mod bitmap;
mod bucket;
mod cache;
mod check;
mod commit;
mod compaction;
mod create;
mod cursor;
mod descent;
mod error;
mod file;
mod free_pages;
mod freelist;
mod image;
mod meta;
mod node;
mod open;
mod options;
mod page;
mod settle;
mod spans;
mod sweep;
mod transaction;
mod view;
mod writer;

pub use check::{Problem, check};
pub use commit::Prepared;
pub use compaction::{Compaction, Progress, compact_to};
pub use cursor::{Cursor, Entry};
pub use error::{Error, Result};
pub use image::Image;
pub use open::{open, open_read_only};
pub use options::{CACHE_BYTES_DEFAULT, Fill, Options, PAGE_SIZE_DEFAULT, Sync};
pub use page::{KEY_BYTES_MAX, PageId, Txid, VALUE_BYTES_MAX};
pub use sweep::Footprint;
pub use view::View;
pub use writer::Writer;
