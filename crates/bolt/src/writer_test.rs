//! What of the writer shows in the file's structure only.

use std::path::PathBuf;

use env::{Disk, RealDisk};

use super::*;
use crate::bucket::Root;
use crate::options::Options;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("bolt-{name}-{}", std::process::id()));
        RealDisk.create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn open(&self) -> (Writer, View) {
        crate::open(&RealDisk, &self.0.join("db"), &Options::default()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = RealDisk.remove_dir_all(&self.0);
    }
}

fn is_inline(view: &View) -> bool {
    matches!(view.buckets()[&b"key"[..]].root, Root::Inline(_))
}

fn key(number: u32) -> Bytes {
    Bytes::from(format!("{number:04}"))
}

#[test]
fn a_bucket_moves_between_its_value_and_a_page() {
    let folder = Folder::new("inline");
    let (mut writer, _) = folder.open();
    writer.create_bucket_at(b"key", 77).unwrap();
    // 16 + n * (16 + 4 + 30) bytes: twenty rows fit a quarter of a page, twenty-one do not.
    for number in 0..20 {
        writer.put(b"key", key(number), Bytes::from(vec![1; 30])).unwrap();
    }
    assert!(is_inline(&writer.commit().unwrap()));
    writer.put(b"key", key(20), Bytes::from(vec![1; 30])).unwrap();
    let view = writer.commit().unwrap();
    assert!(!is_inline(&view));
    let known = view.scan(b"key", |_, _| Ok::<(), Error>(())).unwrap();
    drop((writer, view));

    let (mut writer, view) = folder.open();
    assert_eq!(view.buckets()[&b"key"[..]].sequence, 77);
    writer.learn(known);
    writer.delete(b"key", key(7)).unwrap();
    let view = writer.commit().unwrap();
    assert!(is_inline(&view));
    assert_eq!(view.buckets()[&b"key"[..]].sequence, 77);
    assert_eq!(view.get(b"key", &key(7)).unwrap(), None);
    assert_eq!(view.get(b"key", &key(8)).unwrap().unwrap(), vec![1; 30]);
    assert_eq!(writer.check_invariants().unwrap(), []);
}

#[test]
fn a_view_that_is_dropped_keeps_nothing() {
    let folder = Folder::new("live");
    let (mut writer, first) = folder.open();
    writer.create_bucket(b"key").unwrap();
    let second = writer.commit().unwrap();
    let again = first.clone();
    assert_eq!(writer.file.live().len(), 2);
    drop(first);
    assert_eq!(writer.file.live().len(), 2);
    drop(again);
    assert_eq!(writer.file.live().iter().copied().collect::<Vec<_>>(), [second.txid()]);
}

#[test]
fn a_footprint_of_another_state_is_not_used() {
    let folder = Folder::new("footprint");
    let (mut writer, _) = folder.open();
    writer.create_bucket(b"key").unwrap();
    for number in 0..100 {
        writer.put(b"key", key(number), Bytes::from(vec![1; 300])).unwrap();
    }
    let view = writer.commit().unwrap();
    let stale = view.scan(b"key", |_, _| Ok::<(), Error>(())).unwrap();
    drop(view);
    writer.put(b"key", key(500), Bytes::from(vec![1; 300])).unwrap();
    writer.commit().unwrap();
    drop(writer);
    let (mut writer, _) = folder.open();
    writer.learn(stale);
    assert!(writer.footprints.is_empty());
    writer.find_free_pages().unwrap();
    assert_eq!(writer.check_invariants().unwrap(), []);
}
