//! What the tests of this crate share.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bolt::View;
use bytes::Bytes;
use env::{Rng, SeededRng};
use simenv::{Operation, SimDisk};

/// The buckets and rows that a file is expected to have.
pub type Model = BTreeMap<Bytes, BTreeMap<Bytes, Bytes>>;

/// How much longer than by default the randomized tests run: `BOLT_TEST_SCALE`.
pub fn scale() -> u64 {
    std::env::var("BOLT_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Where the golden data of the real etcd lies.
pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden")
}

/// All that a view shows, by its cursors.
pub fn read_all(view: &View) -> bolt::Result<Model> {
    let mut model = Model::new();
    for name in view.bucket_names() {
        let mut rows = BTreeMap::new();
        let mut cursor = view.cursor(name)?;
        while let Some(entry) = cursor.next()? {
            let (key, value) = (entry.key(), entry.value());
            rows.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        }
        model.insert(name.clone(), rows);
    }
    Ok(model)
}

/// All that a view shows, by its scans.
pub fn scan_all(view: &View) -> bolt::Result<Model> {
    let mut model = Model::new();
    for name in view.bucket_names() {
        let mut rows = BTreeMap::new();
        view.scan(name, |key, value| {
            rows.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
            Ok::<(), bolt::Error>(())
        })?;
        model.insert(name.clone(), rows);
    }
    Ok(model)
}

/// Bytes that no other call gives.
pub fn fill(rng: &mut SeededRng, len: usize) -> Bytes {
    let mut bytes = vec![rng.next_u64() as u8; len];
    let head = len.min(16);
    rng.fill(&mut bytes[..head]);
    bytes.into()
}

/// A length that is mostly small and now and then many pages.
pub fn value_len(rng: &mut SeededRng) -> usize {
    let bound = match rng.below(100) {
        0 => 200_000,
        1..=4 => 9_000,
        5..=10 => 1,
        11..=40 => 300,
        _ => 60,
    };
    rng.below(bound) as usize
}

/// How many syncs of files there were.
pub fn syncs(disk: &SimDisk) -> u64 {
    disk.counts().of(Operation::Sync)
}
