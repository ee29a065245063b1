//! What the disk keeps, loses and refuses.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use env::{Disk, File, Lock, Monotonic, OpenMode, SeededRng};
use simenv::{Fault, Latency, Operation, SimDisk};

fn path(text: &str) -> PathBuf {
    PathBuf::from(text)
}

fn create(disk: &SimDisk, name: &str) -> Arc<dyn File> {
    disk.open(Path::new(name), OpenMode::Create).unwrap()
}

/// A disk with a synced file of two sectors `a`.
fn with_file() -> (SimDisk, Arc<dyn File>) {
    let disk = SimDisk::new();
    let file = create(&disk, "/f");
    file.write_at(&[b'a'; 1024], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    (disk, file)
}

fn now(disk: &SimDisk) -> simenv::Crash {
    disk.crash(disk.operations())
}

/// Every image there is.
fn images(disk: &SimDisk) -> Vec<Option<Vec<u8>>> {
    let crash = now(disk);
    (0..crash.choices()).map(|number| crash.nth(number).content(Path::new("/f"))).collect()
}

fn text(runs: &[(u8, usize)]) -> Vec<u8> {
    runs.iter().flat_map(|(byte, count)| vec![*byte; *count]).collect()
}

#[test]
fn what_was_synced_survives_and_the_rest_may_be_there_by_sectors() {
    let (disk, file) = with_file();
    assert_eq!(images(&disk), [Some(vec![b'a'; 1024])]);
    file.write_at(&[b'b'; 600], 400).unwrap();
    let found: BTreeSet<_> = images(&disk).into_iter().collect();
    let expected = [
        text(&[(b'a', 1024)]),
        text(&[(b'a', 400), (b'b', 600), (b'a', 24)]),
        text(&[(b'a', 400), (b'b', 112), (b'a', 512)]),
        text(&[(b'a', 512), (b'b', 488), (b'a', 24)]),
    ];
    assert_eq!(found, expected.map(Some).into());
    file.sync_data().unwrap();
    assert_eq!(images(&disk), [Some(text(&[(b'a', 400), (b'b', 600), (b'a', 24)]))]);
}

#[test]
fn a_write_behind_the_end_may_leave_its_length_alone() {
    let (disk, file) = with_file();
    file.write_at(b"c", 1024).unwrap();
    let found: BTreeSet<_> = images(&disk).into_iter().flatten().collect();
    let expected =
        [text(&[(b'a', 1024)]), text(&[(b'a', 1024), (b'c', 1)]), text(&[(b'a', 1024), (0, 1)])];
    assert_eq!(found, expected.into());
}

#[test]
fn later_writes_may_be_there_without_earlier_ones() {
    let (disk, file) = with_file();
    file.write_at(b"1", 0).unwrap();
    file.write_at(b"2", 600).unwrap();
    file.set_len(700).unwrap();
    let found: BTreeSet<_> = images(&disk).into_iter().flatten().collect();
    let seen = |first: u8, second: u8, len: usize| {
        found.iter().any(|bytes| bytes[0] == first && bytes[600] == second && bytes.len() == len)
    };
    for (first, second) in [(b'a', b'a'), (b'1', b'a'), (b'a', b'2'), (b'1', b'2')] {
        assert!(seen(first, second, 700) && seen(first, second, 1024));
    }
    assert_eq!(found.len(), 8);
}

#[test]
fn names_are_lost_from_the_latest_on_until_their_directory_is_synced() {
    let (disk, file) = with_file();
    disk.rename(Path::new("/f"), Path::new("/g")).unwrap();
    file.write_at(b"x", 0).unwrap();
    file.sync_data().unwrap();
    disk.remove_file(Path::new("/g")).unwrap();
    create(&disk, "/h");
    let crash = now(&disk);
    let names: Vec<_> = (0..crash.choices()).map(|number| crash.nth(number).files()).collect();
    assert_eq!(names, [vec![path("/f")], vec![path("/g")], vec![], vec![path("/h")]]);
    assert_eq!(crash.nth(1).content(Path::new("/g")).unwrap()[0], b'x');
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(now(&disk).nothing().files(), [path("/h")]);
}

#[test]
fn directories_are_independent() {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/a/b")).unwrap();
    disk.sync_dir(Path::new("/a")).unwrap();
    assert_eq!(now(&disk).choices(), 2, "the name in the root may be lost");
    disk.sync_dir(Path::new("/")).unwrap();
    create(&disk, "/a/b/f");
    assert_eq!(now(&disk).choices(), 2);
    assert!(now(&disk).nothing().exists(Path::new("/a/b")).unwrap());
    disk.remove_dir_all(Path::new("/a")).unwrap();
    assert!(disk.list(Path::new("/a")).is_err());
}

#[test]
fn a_failed_sync_leaves_its_writes_in_doubt_for_ever() {
    let (disk, file) = with_file();
    file.write_at(b"1", 0).unwrap();
    disk.fail_after(0, ErrorKind::Other);
    assert!(file.sync_data().is_err() && !disk.fails());
    file.write_at(b"2", 512).unwrap();
    file.sync_data().unwrap();
    let found: BTreeSet<_> =
        images(&disk).into_iter().flatten().map(|bytes| (bytes[0], bytes[512])).collect();
    assert_eq!(found, [(b'1', b'2'), (b'a', b'2')].into());
}

#[test]
fn what_a_failed_sync_left_shows_when_the_cache_is_dropped() {
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let (disk, file) = with_file();
        disk.set_seed(seed);
        file.write_at(b"1", 0).unwrap();
        disk.fail_after(0, ErrorKind::Other);
        assert!(file.sync_data().is_err());
        file.write_at(b"2", 512).unwrap();
        assert_eq!(disk.content(Path::new("/f")).unwrap()[0], b'1');
        file.forget_cached(0, 1024);
        let bytes = disk.content(Path::new("/f")).unwrap();
        assert_eq!(bytes[512], b'2', "it is still to be written");
        file.sync_data().unwrap();
        assert_eq!(images(&disk), [Some(bytes.clone())]);
        seen.insert(bytes[0]);
    }
    assert_eq!(seen, [b'1', b'a'].into());
}

#[test]
fn images_by_chance_are_among_all_images_but_for_torn_middles() {
    let (disk, file) = with_file();
    file.write_at(&[b'b'; 1024], 0).unwrap();
    file.set_len(2000).unwrap();
    let all: BTreeSet<_> = images(&disk).into_iter().collect();
    let crash = now(&disk);
    let mut rng = SeededRng::new(1);
    let sampled: BTreeSet<_> =
        (0..300).map(|_| crash.sampled(&mut rng).content(Path::new("/f"))).collect();
    assert_eq!(sampled, all);
    let mut again = SeededRng::new(1);
    let mut first = SeededRng::new(1);
    assert!((0..20).all(|_| crash.sampled(&mut again).is_like(&crash.sampled(&mut first))));
}

#[test]
fn the_end_of_a_process_loses_nothing_that_was_asked_for() {
    let (disk, file) = with_file();
    file.write_at(b"1", 0).unwrap();
    let then = disk.time();
    file.write_at(b"2", 1).unwrap();
    let after = disk.killed_at(then);
    let bytes = after.content(Path::new("/f")).unwrap();
    assert_eq!(bytes[..3], *b"1aa");
    // The machine may still lose it.
    assert_eq!(now(&after).nothing().content(Path::new("/f")).unwrap()[0], b'a');
    let file = after.open(Path::new("/f"), OpenMode::Write).unwrap();
    file.sync_data().unwrap();
    assert_eq!(now(&after).nothing().content(Path::new("/f")).unwrap()[0], b'1');
}

#[test]
fn a_sync_under_way_promises_nothing() {
    let (disk, file) = with_file();
    let (operation, sync) = (Duration::from_secs(1), Duration::from_secs(60));
    disk.set_latency(Latency { operation, sync, byte_nanos: 0 });
    disk.begin_at(Monotonic(0) + Duration::from_secs(1000));
    file.write_at(b"1", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.time(), Monotonic(0) + Duration::from_secs(1061));
    let first = |seconds: u64| {
        let crash = disk.crash_at(Monotonic(0) + Duration::from_secs(seconds));
        let first = |disk: SimDisk| disk.content(Path::new("/f")).unwrap()[0];
        (first(crash.nothing()), first(crash.everything()))
    };
    assert_eq!(first(1000), (b'a', b'a'));
    assert_eq!(first(1001), (b'a', b'1'));
    assert_eq!(first(1060), (b'a', b'1'));
    assert_eq!(first(1061), (b'1', b'1'));
    disk.forget_before(Monotonic(0) + Duration::from_secs(1060));
    assert_eq!((first(1060), first(1061)), ((b'a', b'1'), (b'1', b'1')));
    disk.forget_before(Monotonic(0) + Duration::from_secs(1061));
    assert_eq!(disk.operations(), 0);
    assert_eq!(first(1061), (b'1', b'1'));
}

#[test]
fn a_full_disk_refuses_new_blocks_and_takes_old_ones() {
    let (disk, file) = with_file();
    disk.set_capacity(8192);
    assert_eq!(file.allocate(8193).unwrap_err().kind(), ErrorKind::StorageFull);
    file.allocate(8192).unwrap();
    file.write_at(&[1; 8000], 0).unwrap();
    assert_eq!(file.write_at(b"1", 8192).unwrap_err().kind(), ErrorKind::StorageFull);
    file.set_len(1 << 40).unwrap();
    assert_eq!(disk.counts().full, 2);
    disk.set_len_max(1000);
    assert_eq!(file.set_len(1001).unwrap_err().kind(), ErrorKind::StorageFull);
}

#[test]
fn faults_do_what_they_say() {
    let (disk, file) = with_file();
    let mut faults = vec![
        (Operation::Read, Fault::Error(ErrorKind::Other)),
        (Operation::Write, Fault::Half(ErrorKind::StorageFull)),
        (Operation::Write, Fault::Lie),
        (Operation::Sync, Fault::Lie),
        (Operation::Sync, Fault::Slow(Duration::from_secs(9))),
        (Operation::Rename, Fault::Lie),
    ];
    disk.set_fault(move |operation, at| {
        assert!(at.starts_with("/"));
        let found = faults.iter().position(|(wanted, _)| *wanted == operation)?;
        Some(faults.remove(found).1)
    });
    assert!(file.read_at(&mut [0], 0).is_err());
    assert_eq!(file.write_at(&[b'b'; 4], 0).unwrap_err().kind(), ErrorKind::StorageFull);
    file.write_at(b"lost", 100).unwrap();
    file.sync_data().unwrap();
    let bytes = disk.content(Path::new("/f")).unwrap();
    assert_eq!((&bytes[..4], bytes[100]), (&b"bbaa"[..], b'a'));
    assert_eq!(now(&disk).nothing().content(Path::new("/f")).unwrap()[0], b'a');
    let before = disk.time();
    file.sync_data().unwrap();
    assert!(disk.time().since(before) > Duration::from_secs(9));
    assert_eq!(now(&disk).nothing().content(Path::new("/f")).unwrap()[0], b'b');
    disk.rename(Path::new("/f"), Path::new("/g")).unwrap();
    assert_eq!(disk.files(), [path("/f")]);
    let counts = disk.counts();
    assert_eq!((counts.errors, counts.halves, counts.slow, counts.lies), (1, 1, 1, 3));
    assert_eq!((counts.of(Operation::Write), counts.of(Operation::SyncDir)), (3, 1));
}

#[test]
fn a_sector_is_remembered_with_all_it_held() {
    let (disk, file) = with_file();
    file.write_at(b"1", 0).unwrap();
    file.write_at(b"2", 600).unwrap();
    file.write_at(b"a", 0).unwrap();
    let firsts = |sector| {
        let earlier = disk.earlier(Path::new("/f"), sector);
        earlier.into_iter().map(|bytes| bytes[0]).collect::<Vec<_>>()
    };
    assert_eq!(firsts(0), [0, b'1']);
    assert_eq!(disk.earlier(Path::new("/f"), 1).len(), 2);
    disk.damage(Path::new("/f"), 512, &disk.earlier(Path::new("/f"), 1)[1]);
    assert_eq!(disk.content(Path::new("/f")).unwrap()[600], b'a');
}

#[test]
fn locks_end_with_their_file_and_shared_ones_go_together() {
    let (disk, file) = with_file();
    let other = create(&disk, "/f");
    assert!(file.try_lock(Lock::FlockShared).unwrap());
    assert!(other.try_lock(Lock::FlockShared).unwrap());
    assert!(!other.try_lock(Lock::FlockExclusive).unwrap());
    assert!(other.try_lock(Lock::OfdExclusive).unwrap());
    drop(file);
    assert!(other.try_lock(Lock::FlockExclusive).unwrap());
    assert!(!create(&disk, "/f").try_lock(Lock::FlockShared).unwrap());
    let after = now(&disk).everything();
    assert!(create(&after, "/f").try_lock(Lock::FlockExclusive).unwrap());
}

#[test]
fn files_open_as_on_any_disk() {
    let disk = SimDisk::new();
    let missing = Path::new("/d/f");
    for mode in [OpenMode::Read, OpenMode::Write, OpenMode::Create, OpenMode::Truncate] {
        let opened = disk.open(missing, mode).map(drop);
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::NotFound);
    }
    disk.put_file(missing, b"text");
    assert_eq!(
        disk.open(missing, OpenMode::CreateNew).map(drop).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert_eq!(now(&disk).nothing().content(missing).unwrap(), b"text");
    let file = disk.open(missing, OpenMode::Truncate).unwrap();
    assert!(file.is_empty().unwrap());
    assert!(disk.open(Path::new("/d"), OpenMode::Read).is_err());
    let listed = disk.list(Path::new("/")).unwrap();
    assert!(listed.len() == 1 && listed[0].is_dir && listed[0].name == "d");
    let across = disk.rename(missing, Path::new("/f"));
    assert_eq!(across.unwrap_err().kind(), ErrorKind::CrossesDevices);
    disk.remove_file(missing).unwrap();
    // An open file lives on without its name.
    file.write_at(b"more", 0).unwrap();
    assert_eq!(file.len().unwrap(), 4);
}
