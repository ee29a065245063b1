//! The shapes that a file can take, copies of it, and what may be asked wrongly.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::path::Path;

use bolt::{Compaction, Error, Fill, KEY_BYTES_MAX, Options, Progress, View, Writer};
use bytes::Bytes;
use env::{Disk, OpenMode, RealDisk, Rng, SeededRng};
use simenv::SimDisk;
use support::{Model, fill, read_all, scan_all, syncs, value_len};

const PATH: &str = "/db";

fn open(disk: &SimDisk, options: &Options) -> (Writer, View) {
    bolt::open(disk, Path::new(PATH), options).unwrap()
}

fn row(number: u64) -> Bytes {
    Bytes::from(number.to_be_bytes().to_vec())
}

/// A file with some of everything.
fn mixed(disk: &SimDisk, options: &Options) -> (Writer, Model) {
    let (mut writer, _) = open(disk, options);
    let mut rng = SeededRng::new(11);
    let mut model = Model::new();
    for name in [&b"a"[..], b"empty", b"key"] {
        writer.create_bucket(name).unwrap();
        model.insert(Bytes::from_static(name), Default::default());
    }
    for round in 0..3 {
        for number in 0..2000 {
            let number = (number * 7919 + round) % 20_000;
            let len = value_len(&mut rng);
            let value = fill(&mut rng, len);
            writer.put(b"key", row(number), value.clone()).unwrap();
            model.get_mut(&b"key"[..]).unwrap().insert(row(number), value);
        }
        writer.put(b"a", Bytes::from("k"), Bytes::new()).unwrap();
        model.get_mut(&b"a"[..]).unwrap().insert(Bytes::from("k"), Bytes::new());
        writer.commit().unwrap();
    }
    (writer, model)
}

#[test]
fn every_page_size_holds_the_same() {
    for shift in [10, 12, 13, 16] {
        let options = Options { page_size: 1 << shift, ..Options::default() };
        let disk = SimDisk::new();
        let (writer, model) = mixed(&disk, &options);
        assert_eq!(read_all(writer.view()).unwrap(), model, "{}", options.page_size);
        drop(writer);
        // The page size is the file's own, whatever is asked for.
        let (mut writer, view) = open(&disk, &Options::default());
        assert_eq!(view.page_size(), options.page_size);
        assert_eq!(scan_all(&view).unwrap(), model);
        writer.find_free_pages().unwrap();
        assert_eq!(writer.check_invariants().unwrap(), []);
    }
    for page_size in [0, 512, 3000, 1 << 25] {
        let options = Options { page_size, ..Options::default() };
        let opened = bolt::open(&SimDisk::new(), Path::new(PATH), &options);
        assert!(matches!(opened, Err(Error::PageSize(size)) if size == page_size));
    }
}

#[test]
fn an_image_is_a_file_of_the_views_state() {
    let disk = SimDisk::new();
    let (mut writer, model) = mixed(&disk, &Options::default());
    let view = writer.view().clone();
    let mut image = view.image();
    assert_eq!(image.len(), view.size_bytes());
    let mut copy = Vec::new();
    let mut rng = SeededRng::new(2);
    while image.remaining() > 0 {
        let mut chunk = vec![0; 1 + rng.below(100_000) as usize];
        let count = image.read(&mut chunk).unwrap();
        assert!(count > 0);
        copy.extend_from_slice(&chunk[..count]);
        let number = rng.below(20_000);
        writer.put(b"key", row(number), Bytes::from(vec![3; 5000])).unwrap();
        writer.commit().unwrap();
    }
    assert_eq!(image.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(copy.len() as u64, view.size_bytes());
    let other = SimDisk::new();
    other.put_file(Path::new(PATH), &copy.clone());
    let (mut writer, found) = open(&other, &Options::default());
    assert_eq!(found.txid(), view.txid());
    assert_eq!(read_all(&found).unwrap(), model);
    writer.find_free_pages().unwrap();
    assert_eq!(writer.check_invariants().unwrap(), []);
    drop((writer, found));
    // The second meta page is that of the transaction before, with the same content.
    copy[16] ^= 1;
    let other = SimDisk::new();
    other.put_file(Path::new(PATH), &copy);
    let (_, found) = open(&other, &Options::default());
    assert_eq!(found.txid().0, view.txid().0 - 1);
    assert_eq!(read_all(&found).unwrap(), model);
}

#[test]
fn a_compaction_copy_is_small_and_equal() {
    let disk = SimDisk::new();
    let (mut writer, mut model) = mixed(&disk, &Options::default());
    for number in 0..20_000 {
        if number % 3 != 0 {
            writer.delete(b"key", row(number)).unwrap();
            model.get_mut(&b"key"[..]).unwrap().remove(&row(number));
        }
    }
    for number in 0..25_000 {
        writer.put(b"a", row(number), Bytes::new()).unwrap();
        model.get_mut(&b"a"[..]).unwrap().insert(row(number), Bytes::new());
    }
    let view = writer.commit().unwrap();
    let aside = Path::new("/db.tmp.1");
    // What an earlier, broken attempt left there is of no consequence.
    disk.put_file(aside, &[1; 100]);
    let options = Options { reported_path: Some(PATH.into()), ..Options::default() };
    let mut compaction = Compaction::start(view.clone(), &disk, aside, &options).unwrap();
    let mut steps = 1;
    while compaction.step().unwrap() == Progress::More {
        steps += 1;
        // The source may be written on meanwhile.
        writer.put(b"key", row(steps), Bytes::from_static(b"later")).unwrap();
        writer.commit().unwrap();
    }
    assert!(steps > 2);
    let before = syncs(&disk);
    let (mut compacted, copy) = compaction.finish().unwrap();
    assert_eq!(syncs(&disk), before + 1);
    assert_eq!(read_all(&copy).unwrap(), model);
    assert_eq!(compacted.check_invariants().unwrap(), []);
    assert!(copy.size_bytes() < view.size_bytes() / 2);
    disk.rename(aside, Path::new(PATH)).unwrap();
    compacted.put(b"key", row(1), Bytes::from_static(b"on it goes")).unwrap();
    compacted.commit().unwrap();
    assert_eq!(syncs(&disk), before + 3);
    // The old view still reads the old file.
    assert_eq!(read_all(&view).unwrap(), model);
}

#[test]
fn sequential_keys_fill_their_pages() {
    let ratio_of = |fill: Fill, rows: u64, per_commit: u64| {
        let disk = SimDisk::new();
        let (mut writer, _) = open(&disk, &Options::default());
        writer.create_bucket(b"key").unwrap();
        writer.set_fill(b"key", fill);
        for number in 0..rows {
            writer.put(b"key", row(number), Bytes::from(vec![5; 100])).unwrap();
            if number % per_commit == 0 {
                writer.commit().unwrap();
            }
        }
        writer.commit().unwrap();
        writer.put(b"key", row(rows), Bytes::new()).unwrap();
        // A record takes 16 bytes beside its key and value; the rest is metas, branches, the root,
        // and what the last commit replaced.
        let pages = writer.commit().unwrap().size_in_use() - 20 * 4096;
        pages as f64 / (rows as f64 * 124.0)
    };
    for (rows, per_commit) in [(3_000, 1), (20_000, 100), (20_000, 10_000)] {
        let ratio = ratio_of(Fill::SEQUENTIAL, rows, per_commit);
        assert!(ratio < 1.15, "{per_commit} a commit: {ratio}");
    }
    assert!(ratio_of(Fill::HALF, 20_000, 100) > 1.8);
}

#[test]
fn a_long_reader_does_not_make_the_file_grow() {
    let disk = SimDisk::new();
    let (mut writer, _) = open(&disk, &Options::default());
    writer.create_bucket(b"key").unwrap();
    for number in 0..2000 {
        writer.put(b"key", row(number), Bytes::from(vec![5; 1000])).unwrap();
    }
    let held = writer.commit().unwrap();
    let model = read_all(&held).unwrap();
    for round in 0..1000 {
        for number in 0..5 {
            let value = Bytes::from(vec![round as u8; 1000]);
            writer.put(b"key", row((round * 31 + number * 400) % 2000), value).unwrap();
        }
        writer.commit().unwrap();
    }
    // Every page of the old state was replaced once; what came after that could be used again.
    assert!(writer.view().size_bytes() < held.size_bytes() * 5 / 2);
    assert_eq!(read_all(&held).unwrap(), model);
    assert_eq!(writer.check_invariants().unwrap(), []);
    let size = writer.view().size_bytes();
    drop(held);
    for round in 0..1000u64 {
        writer.put(b"key", row(round), Bytes::from(vec![6; 1000])).unwrap();
        writer.commit().unwrap();
    }
    assert_eq!(writer.view().size_bytes(), size);
}

#[test]
fn deleting_gives_the_pages_back() {
    let disk = SimDisk::new();
    let (mut writer, _) = open(&disk, &Options::default());
    writer.create_bucket(b"key").unwrap();
    writer.create_bucket(b"other").unwrap();
    for number in 0..5000 {
        writer.put(b"key", row(number), Bytes::from(vec![5; 1000])).unwrap();
        writer.put(b"other", row(number), Bytes::from(vec![5; 10])).unwrap();
    }
    writer.commit().unwrap();
    for number in 0..5000 {
        if number % 50 != 0 {
            writer.delete(b"key", row(number)).unwrap();
        }
    }
    writer.delete_bucket(b"other").unwrap();
    writer.commit().unwrap();
    writer.put(b"key", row(1), Bytes::new()).unwrap();
    let view = writer.commit().unwrap();
    assert_eq!(writer.check_invariants().unwrap(), []);
    assert!(!view.has_bucket(b"other"));
    // 101 records of about a kilobyte, one or two to a page.
    assert!(view.size_in_use() < 101 * 2100 + 20 * 4096, "{}", view.size_in_use());
}

#[test]
fn what_cannot_be_stored_is_refused_and_changes_nothing() {
    let disk = SimDisk::new();
    let (mut writer, _) = open(&disk, &Options::default());
    let value = Bytes::from_static(b"v");
    let missing = writer.put(b"key", row(1), value.clone());
    assert!(matches!(missing, Err(Error::BucketNotFound(name)) if name == "key"));
    assert!(matches!(writer.delete(b"key", row(1)), Err(Error::BucketNotFound(_))));
    assert!(matches!(writer.delete_bucket(b"key"), Err(Error::BucketNotFound(_))));
    assert!(matches!(writer.create_bucket(b""), Err(Error::KeySize(0))));
    writer.create_bucket(b"key").unwrap();
    assert!(matches!(writer.put(b"key", Bytes::new(), value.clone()), Err(Error::KeySize(0))));
    let long = Bytes::from(vec![1; KEY_BYTES_MAX + 1]);
    assert!(matches!(writer.put(b"key", long.clone(), value.clone()), Err(Error::KeySize(_))));
    let longest = long.slice(1..);
    for last in 0..20u8 {
        let key = Bytes::from([&longest[1..], &[last][..]].concat());
        writer.put(b"key", key, value.clone()).unwrap();
    }
    let view = writer.commit().unwrap();
    assert_eq!(read_all(&view).unwrap()[&b"key"[..]].len(), 20);
    assert_eq!(writer.check_invariants().unwrap(), []);
}

#[test]
fn the_writer_reads_what_it_was_told() {
    let disk = SimDisk::new();
    let (mut writer, _) = open(&disk, &Options::default());
    writer.create_bucket(b"key").unwrap();
    writer.put(b"key", row(1), Bytes::from("old")).unwrap();
    writer.put(b"key", row(2), Bytes::from("gone")).unwrap();
    let view = writer.commit().unwrap();
    writer.put(b"key", row(1), Bytes::from("new")).unwrap();
    writer.delete(b"key", row(2)).unwrap();
    assert_eq!(writer.get(b"key", &row(1)).unwrap().unwrap(), "new");
    assert_eq!(writer.get(b"key", &row(2)).unwrap(), None);
    assert_eq!(view.get(b"key", &row(1)).unwrap().unwrap(), "old");
    writer.delete_bucket(b"key").unwrap();
    assert_eq!(writer.get(b"key", &row(1)).unwrap(), None);
    writer.create_bucket(b"key").unwrap();
    assert_eq!(writer.get(b"key", &row(1)).unwrap(), None);
    let view = writer.commit().unwrap();
    assert_eq!((view.has_bucket(b"key"), view.get(b"key", &row(1)).unwrap()), (true, None));
}

#[test]
fn a_commit_without_changes_writes_nothing() {
    let disk = SimDisk::new();
    let (mut writer, _) = open(&disk, &Options::default());
    writer.create_bucket(b"key").unwrap();
    writer.put(b"key", row(1), Bytes::from("v")).unwrap();
    let view = writer.commit().unwrap();
    let operations = disk.operations();
    assert_eq!(writer.commit().unwrap().txid(), view.txid());
    // Neither do changes that change nothing.
    writer.put(b"key", row(1), Bytes::from("v")).unwrap();
    writer.delete(b"key", row(2)).unwrap();
    writer.create_bucket(b"key").unwrap();
    assert_eq!(writer.commit().unwrap().txid(), view.txid());
    assert_eq!(disk.operations(), operations);
    writer.put(b"key", row(2), Bytes::new()).unwrap();
    assert_eq!(writer.commit().unwrap().txid().0, view.txid().0 + 1);
}

#[test]
fn a_scan_ends_with_its_visitors_error() {
    #[derive(Debug)]
    struct Stop(u64);
    impl From<Error> for Stop {
        fn from(error: Error) -> Self {
            panic!("{error}")
        }
    }
    let disk = SimDisk::new();
    let (writer, _) = mixed(&disk, &Options::default());
    let mut seen = 0;
    let stopped = writer.view().scan(b"key", |_, _| {
        seen += 1;
        if seen == 1000 { Err(Stop(seen)) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(Stop(1000))));
}

#[test]
fn a_cursor_goes_both_ways_and_over_the_ends() {
    let disk = SimDisk::new();
    let (mut writer, _) = open(&disk, &Options::default());
    writer.create_bucket(b"key").unwrap();
    writer.create_bucket(b"none").unwrap();
    for number in 0..1000 {
        writer.put(b"key", row(number * 2), Bytes::new()).unwrap();
    }
    let view = writer.commit().unwrap();
    let mut cursor = view.cursor(b"key").unwrap();
    let at = |entry: Option<bolt::Entry<'_>>| {
        entry.map(|entry| u64::from_be_bytes(entry.key().try_into().unwrap()))
    };
    assert_eq!(at(cursor.prev().unwrap()), None);
    assert_eq!(at(cursor.next().unwrap()), Some(0));
    assert_eq!(at(cursor.prev().unwrap()), None);
    assert_eq!(at(cursor.next().unwrap()), Some(0));
    assert_eq!(at(cursor.last().unwrap()), Some(1998));
    assert_eq!(at(cursor.next().unwrap()), None);
    assert_eq!(at(cursor.next().unwrap()), None);
    assert_eq!(at(cursor.prev().unwrap()), Some(1998));
    assert_eq!(at(cursor.seek(&row(1001)).unwrap()), Some(1002));
    assert_eq!(at(cursor.prev().unwrap()), Some(1000));
    assert_eq!(at(cursor.seek(&row(5000)).unwrap()), None);
    assert_eq!(at(cursor.seek(b"\0").unwrap()), Some(0));
    assert_eq!(at(cursor.entry()), Some(0));
    for name in [&b"none"[..], b"not there"] {
        let mut cursor = view.cursor(name).unwrap();
        assert!(cursor.first().unwrap().is_none() && cursor.last().unwrap().is_none());
        assert!(cursor.next().unwrap().is_none() && cursor.seek(b"a").unwrap().is_none());
    }
}

#[test]
fn views_are_read_by_many_threads_while_commits_go_on() {
    let disk = SimDisk::new();
    let options = Options { cache_bytes: 1 << 20, ..Options::default() };
    let (mut writer, _) = open(&disk, &options);
    writer.create_bucket(b"key").unwrap();
    let (send, receive) = std::sync::mpsc::sync_channel::<(u64, View)>(4);
    let receive = std::sync::Arc::new(std::sync::Mutex::new(receive));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let receive = std::sync::Arc::clone(&receive);
            std::thread::spawn(move || {
                loop {
                    let Ok((round, view)) = receive.lock().unwrap().recv() else { return };
                    let mut rows = 0;
                    let mut cursor = view.cursor(b"key").unwrap();
                    while let Some(entry) = cursor.next().unwrap() {
                        assert_eq!(entry.value()[..8], round.to_be_bytes());
                        rows += 1;
                    }
                    assert_eq!(rows, 500);
                }
            })
        })
        .collect();
    for round in 0..60u64 {
        for number in 0..500 {
            let value = [&round.to_be_bytes()[..], &[0; 200]].concat();
            writer.put(b"key", row(number), Bytes::from(value)).unwrap();
        }
        let view = writer.commit().unwrap();
        send.send((round, view)).unwrap();
    }
    drop(send);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

/// A list of more than 65,534 free pages has its length in the first entry.
#[test]
fn a_long_list_of_free_pages_is_read() {
    const PAGE: usize = 1024;
    const LIST_PAGES: u64 = 600;
    const HIGH_WATER: u64 = 71_000;
    let disk = SimDisk::new();
    let options = Options { page_size: PAGE, ..Options::default() };
    drop(open(&disk, &options));
    let mut first = disk.content(Path::new(PATH)).unwrap();
    // Page 2 and what follows the list up to the mark is free; the list begins behind the root.
    let free: Vec<u64> = std::iter::once(2).chain(4 + LIST_PAGES..HIGH_WATER).collect();
    let mut list = [&4u64.to_le_bytes()[..], &[0x10, 0, 0xff, 0xff]].concat();
    list.extend_from_slice(&(LIST_PAGES as u32 - 1).to_le_bytes());
    list.extend_from_slice(&(free.len() as u64).to_le_bytes());
    free.iter().for_each(|page| list.extend_from_slice(&page.to_le_bytes()));
    let meta = &mut first[PAGE..2 * PAGE];
    meta[16 + 32..16 + 40].copy_from_slice(&4u64.to_le_bytes());
    meta[16 + 40..16 + 48].copy_from_slice(&HIGH_WATER.to_le_bytes());
    let sum = meta[16..16 + 56].iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    meta[16 + 56..16 + 64].copy_from_slice(&sum.to_le_bytes());
    first.extend_from_slice(&list);

    let dir = std::env::temp_dir().join(format!("oxetcd-bolt-{}", std::process::id()));
    RealDisk.create_dir_all(&dir).unwrap();
    let path = dir.join("db");
    let file = RealDisk.open(&path, OpenMode::CreateNew).unwrap();
    file.write_at(&first, 0).unwrap();
    file.set_len(HIGH_WATER * PAGE as u64).unwrap();
    drop(file);
    let (mut writer, view) = bolt::open(&RealDisk, &path, &Options::default()).unwrap();
    assert_eq!(bolt::check(&view).unwrap(), []);
    writer.create_bucket(b"key").unwrap();
    writer.put(b"key", row(1), Bytes::from("v")).unwrap();
    writer.commit().unwrap();
    writer.put(b"key", row(2), Bytes::from("v")).unwrap();
    let after = writer.commit().unwrap();
    assert_eq!(writer.check_invariants().unwrap(), []);
    assert_eq!(after.size_bytes(), view.size_bytes());
    // A number of free pages that the run has no room for is damage.
    drop((writer, view, after));
    let file = RealDisk.open(&path, OpenMode::Write).unwrap();
    file.write_at(&first, 0).unwrap();
    file.write_at(&(1u64 << 60).to_le_bytes(), 4 * PAGE as u64 + 16).unwrap();
    drop(file);
    let (mut writer, view) = bolt::open(&RealDisk, &path, &Options::default()).unwrap();
    assert!(!bolt::check(&view).unwrap().is_empty());
    assert!(matches!(writer.find_free_pages(), Err(Error::Corrupted { .. })));
    RealDisk.remove_dir_all(&dir).unwrap();
}
