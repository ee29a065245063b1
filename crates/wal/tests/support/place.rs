//! A folder for a test's log, and what goes into one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::{RealClock, RealDisk};
use proto::raftpb::Entry;
use proto::walpb::Snapshot;
use wal::{Contents, Error, Options, Sync, Wal};

pub const SEGMENT_BYTES: u64 = 8192;

/// A folder of its own for a test, removed when the test is over.
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        let name = format!("wal-{name}-{}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("make a folder");
        Self(dir)
    }

    pub fn wal(&self) -> PathBuf {
        self.0.join("wal")
    }

    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.wal()).expect("list");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("a name").file_name().into_string()).collect();
        names.sort();
        names.into_iter().map(|name| name.expect("UTF-8")).collect()
    }

    pub fn create(&self) -> Wal {
        Wal::create(Arc::new(RealDisk), &self.wal(), b"meta", options()).expect("create")
    }

    pub fn open(&self) -> Result<(Wal, Contents), Error> {
        Wal::open(Arc::new(RealDisk), &self.wal(), &Snapshot::default(), options())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn options() -> Options {
    Options { segment_bytes: SEGMENT_BYTES, ..Options::new(Arc::new(RealClock::new())) }
}

pub fn entry(index: u64, term: u64, len: usize) -> Entry {
    Entry { index, term, data: Bytes::from(vec![index as u8 | 1; len]), ..Entry::default() }
}

/// Appends one entry and flushes.
pub fn put(wal: &mut Wal, entry: Entry) {
    wal.append(None, &[entry]).expect("append");
    wal.flush(Sync::Skippable).expect("flush");
}

/// The file of the only segment, and where each record starts.
pub fn records(place: &Place) -> (PathBuf, Vec<u64>) {
    let mut records = wal::records(&RealDisk, &place.wal()).expect("open");
    let mut offsets = Vec::new();
    while let Some(record) = records.next().expect("read") {
        offsets.push(record.position.offset);
    }
    (place.wal().join(&place.names()[0]), offsets)
}
