//! The snapshot directory under crashes and failures, and its upkeep.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::{Disk, OpenMode, RealClock, Rng, SeededRng};
use proto::raftpb::{ConfState, Snapshot, SnapshotMetadata};
use simenv::{Crash, SimDisk};
use snap::{Error, Purge, Snapshots};
use types::Index;

const DIR: &str = "/snap";

fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.put_dir(Path::new(DIR));
    disk
}

fn on(disk: &SimDisk) -> Snapshots {
    Snapshots::new(Arc::new(disk.clone()), Arc::new(RealClock::new()), Path::new(DIR))
}

fn snapshot(index: u64, data: &[u8]) -> Snapshot {
    let conf_state = ConfState { voters: vec![1], ..ConfState::default() };
    let metadata = SnapshotMetadata { conf_state, index, term: 1 };
    Snapshot { data: Bytes::copy_from_slice(data), metadata }
}

fn random_bytes(rng: &mut SeededRng, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; len as usize];
    rng.fill(&mut bytes);
    bytes
}

fn names(disk: &SimDisk) -> Vec<String> {
    let entries = disk.list(Path::new(DIR)).expect("list");
    entries.into_iter().map(|entry| entry.name).collect()
}

fn read(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Read).expect("open");
    let mut bytes = vec![0; file.len().expect("a size") as usize];
    file.read_exact_at(&mut bytes, 0).expect("read");
    bytes
}

/// Nothing unsynced, everything, and some by chance.
fn images(crash: &Crash, rng: &mut SeededRng) -> Vec<SimDisk> {
    let mut images = vec![crash.nothing(), crash.everything()];
    images.extend((0..3).map(|_| crash.sampled(rng)));
    images
}

/// Snapshots are saved, one of them twice: after a crash at any point the newest saved one loads,
/// and nothing is broken.
#[test]
fn a_saved_snapshot_survives_a_crash_at_any_point() {
    let mut rng = SeededRng::new(7);
    let disk = disk();
    let mut saved = Vec::new();
    for index in [5, 9, 9, 14] {
        let data = random_bytes(&mut rng, 3000);
        let snapshot = snapshot(index, &data);
        on(&disk).save(&snapshot).expect("save");
        disk.mark(saved.len() as u64);
        saved.push(snapshot);
    }
    for (count, crash) in disk.crashes().enumerate() {
        for (number, after) in images(&crash, &mut rng).into_iter().enumerate() {
            let mark = crash.mark().map(|mark| mark as usize);
            let snapshots = on(&after);
            snapshots.clean().expect("clean");
            let loaded = snapshots.load_newest().expect("load");
            assert!(loaded.broken.is_empty(), "behind operation {count}, image {number}");
            let found = loaded.snapshot.map(|found| saved.iter().rposition(|at| *at == found));
            match (found, mark) {
                (None, None) => {}
                (Some(Some(found)), mark) => assert!(Some(found) >= mark, "{count}, {number}"),
                other => panic!("behind operation {count}, image {number}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_received_database_survives_a_crash_at_any_point() {
    let mut rng = SeededRng::new(8);
    let disk = disk();
    let data = random_bytes(&mut rng, 10_000);
    let mut writer = on(&disk).receive(Index(0x21)).expect("begin");
    for piece in data.chunks(1500) {
        writer.write(piece).expect("write");
    }
    assert_eq!(writer.bytes(), 10_000);
    let received = writer.finish().expect("finish");
    assert_eq!(received.path, Path::new("/snap/0000000000000021.snap.db"));
    assert_eq!(received.bytes, 10_000);
    disk.mark(1);
    on(&disk).install_database(Index(0x21)).expect("install");
    disk.mark(2);
    for (count, crash) in disk.crashes().enumerate() {
        for (number, after) in images(&crash, &mut rng).into_iter().enumerate() {
            let mark = crash.mark();
            on(&after).clean().expect("clean");
            let found: Vec<PathBuf> =
                names(&after).iter().map(|name| Path::new(DIR).join(name)).collect();
            assert!(found.len() <= 1, "{found:?}");
            if let Some(path) = found.first() {
                assert!(read(&after, path) == data, "behind operation {count}, image {number}");
            }
            assert!(!found.is_empty() || mark.is_none(), "behind operation {count}: it is gone");
            if mark == Some(2) {
                assert_eq!(found, [Path::new("/snap/db")]);
            }
        }
    }
}

#[test]
fn a_failing_disk_is_told_and_leaves_no_name() {
    for (kind, full) in [(ErrorKind::StorageFull, true), (ErrorKind::Other, false)] {
        for at in 0.. {
            let disk = disk();
            disk.fail_after(at, kind);
            let outcome = on(&disk).save(&snapshot(5, b"data")).map(drop);
            let outcome = outcome.and_then(|()| {
                let mut writer = on(&disk).receive(Index(7))?;
                writer.write(b"part")?;
                writer.finish().map(drop)
            });
            let Err(error) = outcome else {
                assert!(disk.fails(), "an error at {at} went by");
                break;
            };
            assert_eq!(matches!(error, Error::DiskFull { .. }), full, "{error}");
            // What could not be done is not there to be read, but for what only its directory's sync
            // did not confirm.
            if let Some(found) = on(&disk).load_newest().expect("load").snapshot {
                assert_eq!(found, snapshot(5, b"data"));
            }
            assert!(names(&disk).iter().all(|name| !name.starts_with("tmp")));
        }
    }
}

#[test]
fn a_database_that_is_not_finished_leaves_nothing() {
    let disk = disk();
    let mut first = on(&disk).receive(Index(3)).expect("begin");
    let mut second = on(&disk).receive(Index(3)).expect("begin another");
    first.write(b"one").expect("write");
    second.write(b"two").expect("write");
    assert_eq!(names(&disk).len(), 2);
    drop(first);
    assert_eq!(names(&disk).len(), 1);
    second.finish().expect("finish");
    let mut third = on(&disk).receive(Index(3)).expect("begin a third");
    third.write(b"three").expect("write");
    let received = third.finish().expect("finish");
    assert_eq!(read(&disk, &received.path), b"two", "the first to finish stays");
    assert_eq!(names(&disk), ["0000000000000003.snap.db"]);
}

#[test]
fn old_files_go_and_new_ones_stay() {
    let disk = disk();
    let snapshots = on(&disk);
    for index in 1..=7 {
        snapshots.save(&snapshot(index, b"x")).expect("save");
        snapshots.receive(Index(index)).expect("begin").finish().expect("finish");
    }
    for name in
        ["db", "db.tmp.12", "tmp123", "other", "0000000000000001-0000000000000000.snap.broken"]
    {
        disk.open(&Path::new(DIR).join(name), OpenMode::Create).expect("create");
    }
    assert_eq!(snapshots.clean().expect("clean").len(), 2);
    assert_eq!(snapshots.purge(Purge::Snapshots, 5).expect("purge").len(), 2);
    assert_eq!(snapshots.purge(Purge::Snapshots, 5).expect("purge").len(), 0);
    assert_eq!(snapshots.purge(Purge::Databases, 6).expect("purge").len(), 1);
    assert_eq!(snapshots.release_databases(Index(5)).expect("release").len(), 3);
    assert!(matches!(snapshots.database(Index(4)), Err(Error::NoDatabase { index: Index(4) })));
    assert!(snapshots.database(Index(5)).is_ok());
    let mut expected: Vec<String> =
        (3..=7).map(|index| format!("{:016x}-{index:016x}.snap", 1)).collect();
    expected.extend((5..=7).map(|index| format!("{index:016x}.snap.db")));
    expected
        .extend(["db", "other", "0000000000000001-0000000000000000.snap.broken"].map(String::from));
    expected.sort();
    assert_eq!(names(&disk), expected);
}
